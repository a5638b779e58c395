"""How Chinese text sounds: one syllable an ideograph, tones left out, chosen by context.

The readings and the words that decide between several readings of one character are pypinyin's;
its longest-match segmentation is followed only where a word in the text changes a reading.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from ml.phrases import folding
from ml.phrases.folding import GAP_PUNCTUATION, Folded
from ml.phrases.index import PhraseIndex

# Syllables are written as private-use characters, which folded text never holds.
_FIRST_CODE: Final = 0xE000
_TONES: Final = str.maketrans(
    "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüńňǹḿếềê",
    "aaaaeeeeiiiioooouuuuvvvvvnnnmeee",
    "\u0300\u0301\u0304\u030c",
)
_MERGED_STARTS: Final = (("zh", "z"), ("ch", "c"), ("sh", "s"))
_MERGED_ENDS: Final = (("ang", "an"), ("eng", "en"), ("ing", "in"))
_VOWELS: Final = frozenset("aeiouv")


def loosen(syllable: str) -> str:
    """The syllable with the sounds merged that speakers of many regions do not tell apart."""
    for spoken, merged in _MERGED_STARTS:
        if syllable.startswith(spoken):
            syllable = merged + syllable[len(spoken) :]
            break
    if syllable[:1] == "n" and syllable[1:2] in _VOWELS:
        syllable = "l" + syllable[1:]
    for spoken, merged in _MERGED_ENDS:
        if syllable.endswith(spoken):
            return syllable[: -len(spoken)] + merged
    return syllable


@dataclass(frozen=True)
class _Readings:
    alone: npt.NDArray[np.uint32]  # code point → syllable code of the character by itself
    loose: npt.NDArray[np.uint32]  # syllable code − _FIRST_CODE → the code of its loose form
    words: dict[str, tuple[int, ...] | None]  # word → its codes, None where they are the usual
    lengths: dict[str, tuple[int, ...]]  # first two characters → lengths of words, longest first
    unusual: PhraseIndex[bool]
    syllables: tuple[str, ...]


@lru_cache(maxsize=1)
def _readings() -> _Readings:
    from pypinyin.phrases_dict import phrases_dict
    from pypinyin.pinyin_dict import pinyin_dict

    codes: dict[str, int] = {}

    def code_of(reading: str) -> int:
        syllable = reading.translate(_TONES)
        return codes.setdefault(syllable, _FIRST_CODE + len(codes))

    alone = np.arange(0x110000, dtype=np.uint32)
    by_char: dict[str, int] = {}
    for point, readings in pinyin_dict.items():
        code = code_of(readings.split(",")[0])
        alone[point] = code
        by_char[chr(point)] = code
    words: dict[str, tuple[int, ...] | None] = {}
    for word, spelled in phrases_dict.items():
        if len(word) != len(spelled):
            continue
        read = tuple(code_of(options[0]) for options in spelled)
        usual = tuple(by_char.get(char, 0) for char in word)
        words[word] = None if read == usual else read
    sizes: dict[str, set[int]] = {}
    for word in words:
        sizes.setdefault(word[:2], set()).add(len(word))
    lengths = {start: tuple(sorted(found, reverse=True)) for start, found in sizes.items()}
    syllables = tuple(codes)
    for syllable in syllables:
        codes.setdefault(loosen(syllable), _FIRST_CODE + len(codes))
    loose = np.array([codes[loosen(syllable)] for syllable in codes], dtype=np.uint32)
    unusual = PhraseIndex({word: True for word, read in words.items() if read is not None})
    return _Readings(alone, loose, words, lengths, unusual, tuple(codes))


def _segment(run: str, readings: _Readings) -> Iterator[tuple[int, str]]:
    """The words of a run of ideographs, each time the longest one, as pypinyin cuts them."""
    words, lengths = readings.words, readings.lengths
    start = 0
    while start < len(run) - 1:
        for length in lengths.get(run[start : start + 2], ()):
            word = run[start : start + length]
            if word in words:
                yield start, word
                start += length
                break
        else:
            start += 1


def sound_codes(text: Folded) -> npt.NDArray[np.uint32]:
    """The text with each ideograph replaced by the code of its syllable, shape (n,)."""
    readings = _readings()
    sounds = readings.alone[text.codes]
    found = sorted(readings.unusual.find(text.text, text.codes))
    if not found:
        return sounds
    # A context is a run of ideographs without punctuation in it.
    is_han = folding.han_mask(text.codes)
    gaps = np.frombuffer(text.gaps, dtype=np.uint8)
    goes_on = is_han[:-1] & is_han[1:] & (gaps[:-1] != GAP_PUNCTUATION)
    cuts = [0, *(np.flatnonzero(~goes_on) + 1).tolist(), len(text.text)]
    places: list[int] = []
    read: list[int] = []
    done = 0
    for start, _, _ in found:
        if start < done:
            continue
        run = bisect_right(cuts, start) - 1
        first, done = cuts[run], cuts[run + 1]
        for offset, word in _segment(text.text[first:done], readings):
            unusual = readings.words[word]
            if unusual is not None:
                places.extend(range(first + offset, first + offset + len(word)))
                read.extend(unusual)
    sounds[places] = read
    return sounds


def loosened(sounds: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Sound codes with the sounds merged that `homophones: loose` takes as alike."""
    readings = _readings()
    table = readings.loose
    loose = sounds.copy()
    spoken = (sounds >= _FIRST_CODE) & (sounds < _FIRST_CODE + table.size)
    loose[spoken] = table[sounds[spoken] - _FIRST_CODE]
    return loose


def syllables_of(text: str) -> list[str]:
    """The syllables of a text in context, other characters as they are."""
    readings = _readings()
    return [
        readings.syllables[code - _FIRST_CODE]
        if _FIRST_CODE <= code < _FIRST_CODE + len(readings.syllables)
        else chr(code)
        for code in sound_codes(folding.fold(text)).tolist()
    ]
