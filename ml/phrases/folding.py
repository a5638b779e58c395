"""Folding of text: what has to look alike for two pieces of text to be the same words.

Every code point folds to one code point or to nothing, so that a place in the folded text always
maps back to one place in the delivered text. The tables cover all of Unicode and are built once.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]
Places = npt.NDArray[np.intp]

# Stands between two turns in a buffer. No text folds to it: private-use characters vanish.
BARRIER: Final = "\uf8ff"
# What lies between two neighbours of a folded text in the delivered one.
GAP_NONE: Final = 0
GAP_OTHER: Final = 1
GAP_BLANK: Final = 2
GAP_PUNCTUATION: Final = 3

# Classes of code points, as bits.
_BLANK: Final = 1
_LETTER: Final = 2  # of a script that puts blanks between words
_DIGIT: Final = 4
_HAN: Final = 8
_UNSEEN: Final = 16  # zero width
_APOSTROPHE: Final = 32
_PUNCTUATION: Final = 64
_UNSPACED_CHARACTER: Final = 128  # of a script without blanks between words

_SIZE: Final = 0x110000
# Beyond this lie only ideographs, tags, variation selectors and private use.
_NAMED_END: Final = 0x20000
_KEPT_SYMBOLS: Final = frozenset("%+。！？!?")
_FULL_STOPS: Final = (0x2E, 0xFF0E, 0xFE52)
_APOSTROPHES: Final = frozenset("'’ʼ＇‘`´")
# Default-ignorable code points that Unicode files under letters or marks.
_IGNORABLE: Final = (
    0x034F,
    0x115F,
    0x1160,
    0x17B4,
    0x17B5,
    0x3164,
    0xFFA0,
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
)
# Scripts whose words are not set apart by blanks: a phrase may stand anywhere in them.
_UNSPACED: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul: words carry particles
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x312F),  # radicals, kana, bopomofo
    (0x3130, 0x318F),
    (0x31A0, 0x4DBF),
    (0x4E00, 0xA4CF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFFDC),
    (0x1AFF0, 0x1B2FF),
)
_HAN_RANGES: Final = (
    (0x3007, 0x3007),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


@dataclass(frozen=True)
class _Tables:
    fold: Codes  # code point → folded code point, 0 = vanishes
    plain: Codes  # code point → width and case folded, nothing vanishes
    kind: npt.NDArray[np.uint8]  # classes, as bits


def _narrow(char: str) -> str:
    """The ordinary form of a full-width, half-width or small character."""
    decomposition = unicodedata.decomposition(char)
    if decomposition.startswith(("<wide>", "<narrow>", "<small>")):
        codes = decomposition.split()[1:]
        if len(codes) == 1:
            return chr(int(codes[0], 16))
    return char


def _lower(char: str) -> str:
    """Lower case in one code point; a character with a longer form keeps the first of it."""
    folded = char.casefold()
    if len(folded) == 1:
        return folded
    lowered = char.lower()
    return lowered if len(lowered) == 1 else char if char == lowered else lowered[0]


# Forms of one word that the converter tells apart only by context, or not at all.
_VARIANTS: Final = str.maketrans("瞭藉覆甦帐妳祇", "了借复苏账你只")


def _simplify(table: Codes) -> None:
    """Send traditional ideographs of a table to the simplified ones, each by itself."""
    import opencc

    codes = [*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000), *range(0x20000, 0x2B000)]
    # A line feed between them keeps the converter from reading several as one word.
    converted = opencc.OpenCC("t2s").convert("\n".join(map(chr, codes))).split("\n")
    for code, simple in zip(codes, converted, strict=True):
        if len(simple) == 1:
            table[code] = ord(simple.translate(_VARIANTS))


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    fold = np.arange(_SIZE, dtype=np.uint32)
    plain = np.arange(_SIZE, dtype=np.uint32)
    kind = np.zeros(_SIZE, dtype=np.uint8)
    for start, end in _HAN_RANGES:
        kind[start : end + 1] |= _HAN | _UNSPACED_CHARACTER
    kind[0xAC00:0xD7A4] |= _UNSPACED_CHARACTER
    unspaced = np.zeros(_NAMED_END, dtype=bool)
    for start, end in _UNSPACED:
        unspaced[start : end + 1] = True
    ignorable = frozenset(_IGNORABLE)
    for code in range(_NAMED_END):
        if 0x4E00 <= code < 0xA000 or 0xAC00 <= code < 0xD7A4:
            continue
        char = chr(code)
        ordinary = _lower(_narrow(char))
        plain[code] = ord(ordinary)
        category = unicodedata.category(ordinary)
        if code in ignorable or category == "Cf":
            fold[code] = 0
            kind[code] |= _UNSEEN
        elif category[0] == "Z" or ordinary.isspace():
            fold[code] = 0
            kind[code] |= _BLANK
        elif category[0] == "L" or category in ("Mn", "Mc"):
            fold[code] = ord(ordinary)
            kind[code] |= _UNSPACED_CHARACTER if unspaced[code] else _LETTER
        elif category[0] == "N":
            fold[code] = ord(ordinary)
            kind[code] |= _UNSPACED_CHARACTER if unspaced[code] else _DIGIT
        elif ordinary in _KEPT_SYMBOLS or category == "Sc":
            fold[code] = ord(ordinary)
        elif category[0] in "PS" or category == "Me":
            fold[code] = 0
            # Emoji and other symbols do not break what is said; punctuation does.
            if char in _APOSTROPHES:
                kind[code] |= _APOSTROPHE
            elif category[0] == "P":
                kind[code] |= _PUNCTUATION
        else:  # control, private use, unassigned
            fold[code] = 0
            kind[code] |= _UNSEEN
    fold[0xE0000:] = 0
    kind[0xE0000:] |= _UNSEEN
    _simplify(fold)
    for code in range(0xF900, 0xFB00):  # a second code point for the same ideograph
        form = unicodedata.normalize("NFC", chr(code))
        fold[code] = fold[ord(form)] if len(form) == 1 else code
    for table in (fold, plain, kind):
        table.setflags(write=False)
    return _Tables(fold, plain, kind)


def characters() -> Iterator[tuple[int, str]]:
    """Of each code point from 0 on what it folds to (0: nothing) and its kind.

    Kinds: spaced, word and sign are kept (see `terms.character_ranges`); blank, mark, stop, unseen
    and symbol vanish.
    """
    tables = _tables()
    for code, (folded, kind) in enumerate(
        zip(tables.fold.tolist(), tables.kind.tolist(), strict=True)
    ):
        if folded:
            is_spaced = kind & (_LETTER | _DIGIT)
            yield folded, "spaced" if is_spaced else "word" if chr(folded).isalnum() else "sign"
        elif code in _FULL_STOPS:
            yield 0, "stop"
        elif kind & _BLANK:
            yield 0, "blank"
        elif kind & _PUNCTUATION:
            yield 0, "mark"
        else:
            yield 0, "unseen" if kind & _UNSEEN else "symbol"


def codes_of(text: str) -> Codes:
    """The code points of a text, shape (length,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def text_of(codes: Codes) -> str:
    """The text of code points."""
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")


class Folded:
    """A buffer of text and its folded form.

    text: folded; codes: the same as code points, shape (n,)
    places: shape (n,), place of each folded character in the buffer as delivered
    raw_kind: shape (delivered length,), classes of the delivered characters
    """

    def __init__(self, codes: Codes, places: Places, kind: npt.NDArray[np.uint8]) -> None:
        """kind: shape (delivered length,); codes and places as above."""
        self.text = text_of(codes)
        self.codes = codes
        self.places = places
        self.raw_kind = kind.tobytes()
        self._kind = kind

    @cached_property
    def gaps(self) -> bytes:
        """Shape (n,), one byte each: what lies between this character and the next (GAP_…)."""
        places = self.places
        if not places.size:
            return b""
        # The classes of all characters from each kept one up to the next; what is kept is neither
        # blank nor punctuation itself.
        between = np.bitwise_or.reduceat(self._kind, places)
        gaps = np.zeros(places.size, dtype=np.uint8)
        gaps[:-1] = np.diff(places) > 1
        gaps[(between & _PUNCTUATION) != 0] = GAP_PUNCTUATION
        gaps[(between & _BLANK) != 0] = GAP_BLANK
        gaps[-1] = GAP_NONE
        return gaps.tobytes()

    def gap_behind(self, place: int) -> int:
        """The same as `gaps[place]`, for a few places of a long text; `place` is not the last."""
        first, end = int(self.places[place]) + 1, int(self.places[place + 1])
        if first == end:
            return GAP_NONE
        between = self.raw_kind[first:end]
        if any(kind & _BLANK for kind in between):
            return GAP_BLANK
        return GAP_PUNCTUATION if any(kind & _PUNCTUATION for kind in between) else GAP_OTHER

    @cached_property
    def spaced(self) -> bytes:
        """Shape (n,), one byte each: 1 letter of a script with blanks, 2 digit, 0 other."""
        # _LETTER is 2 and _DIGIT 4: 1 and 2 are left.
        spaced: bytes = ((self._kind[self.places] & (_LETTER | _DIGIT)) >> 1).tobytes()
        return spaced

    def inside_word(self, place: int, step: int) -> bool:
        """Whether the word of the delivered character before (step −1) or at (+1) `place` goes on.

        Looks from the edge of a hit outwards: zero-width characters are passed over, and an
        apostrophe with a letter behind it belongs to the word ("can't" is not "can").
        """
        kinds = self.raw_kind
        index = place - 1 if step < 0 else place
        passed_apostrophe = False
        while 0 <= index < len(kinds):
            kind = kinds[index]
            if kind & (_LETTER | _DIGIT):
                return not passed_apostrophe or bool(kind & _LETTER)
            if kind & _APOSTROPHE and not passed_apostrophe:
                passed_apostrophe = True
            elif not kind & _UNSEEN:
                return False
            index += step
        return False


def fold(text: str, barriers: Places | None = None, silent: Places | None = None) -> Folded:
    """Fold a buffer. A full stop counts where a blank follows, not at the end of the buffer.

    barriers: places that fold to BARRIER, which no phrase holds.
    silent: places that shall vanish whatever stands there (the name of a speaker before a cue).
    """
    tables = _tables()
    raw = codes_of(text)
    kind = tables.kind[raw]
    folded = tables.fold[raw]
    stops = np.flatnonzero((raw == 0x2E) | (raw == 0xFF0E) | (raw == 0xFE52))  # _FULL_STOPS
    if stops.size:
        following = stops + 1
        for _ in range(8):  # zero-width characters between the stop and the blank
            inside = following < raw.size
            unseen = np.zeros(stops.size, dtype=bool)
            unseen[inside] = (kind[following[inside]] & _UNSEEN) != 0
            if not unseen.any():
                break
            following = following + unseen
        before_blank = np.zeros(stops.size, dtype=bool)
        inside = following < raw.size
        before_blank[inside] = (kind[following[inside]] & _BLANK) != 0
        folded[stops[before_blank]] = ord(".")
        kind[stops[before_blank]] &= ~np.uint8(_PUNCTUATION)
    if silent is not None and silent.size:
        folded[silent] = 0
        kind[silent] = _BLANK
    if barriers is not None:
        folded[barriers] = ord(BARRIER)
    places = np.flatnonzero(folded)
    return Folded(folded[places], places, kind)


def plain(text: str) -> str:
    """The text with width and case folded and all else kept; as long as the delivered one."""
    if text.isascii():
        return text.lower()
    return text_of(_tables().plain[codes_of(text)])


def is_han(char: str) -> bool:
    """Whether a character is a Chinese ideograph."""
    return bool(_tables().kind[ord(char)] & _HAN)


def latin_letters(text: str) -> int:
    """How many letters of the Latin alphabet a text holds, accented ones included."""
    return sum(
        char.isalpha() and (char.isascii() or unicodedata.name(char, "").startswith("LATIN"))
        for char in text
    )


def han_mask(codes: Codes) -> npt.NDArray[np.bool_]:
    """Which code points are Chinese ideographs."""
    mask: npt.NDArray[np.bool_] = (_tables().kind[codes] & _HAN) != 0
    return mask


def _shifted(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """What holds of the character before, shape as given."""
    shifted = np.zeros_like(mask)
    shifted[1:] = mask[:-1]
    return shifted


def speech_sizes(texts: Sequence[str]) -> tuple[Places, Places]:
    """How much is said in each text: unspaced (Chinese, …) characters and words.

    Returns two arrays of shape (len(texts),). Digits in a row count as a word.
    """
    raw = codes_of("\n".join(texts) + "\n")
    kind = _tables().kind[raw]
    seen = (kind & _UNSEEN) == 0
    word = (kind & (_LETTER | _DIGIT)) != 0
    apostrophe = (kind & _APOSTROPHE) != 0
    # A word goes on behind zero-width characters, and behind an apostrophe within it.
    before = _shifted(word[seen])
    goes_on = before | (_shifted(apostrophe[seen]) & _shifted(before))
    starts = np.zeros(kind.size, dtype=bool)
    starts[seen] = word[seen] & ~goes_on
    lengths = np.fromiter(map(len, texts), dtype=np.intp, count=len(texts)) + 1
    ends = np.cumsum(lengths)
    begins = ends - lengths
    characters = np.add.reduceat((kind & _UNSPACED_CHARACTER) >> 7, begins, dtype=np.intp)
    words = np.add.reduceat(starts, begins, dtype=np.intp)
    return characters, words
