"""The contract of phrase rules once more, as slowly and plainly as it reads.

Nothing of `ml.phrases` is used but the shape of a rule: characters are looked at one by one, every
phrase is tried at every place, and slips are counted by the textbook's table. The engine is held
against it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from ml.phrases import Rule
from ml.transcripts import Segment, Transcript

Span = tuple[int, int]
# rule, kind, role, segment, segment in which it ends, first character, end, text
PlainHit = tuple[str, str, str | None, int | None, int | None, int | None, int | None, str | None]


# --- one character ---------------------------------------------------------------------------------


@cache
def _simplified(char: str) -> str:
    import opencc

    simple: str = opencc.OpenCC("t2s").convert(char)
    return simple


@cache
def narrow_and_small(char: str) -> str:
    """Width and case folded."""
    narrow = unicodedata.normalize("NFKC", char) if _has_width(char) else char
    return narrow.lower()


def _has_width(char: str) -> bool:
    return unicodedata.decomposition(char).startswith(("<wide>", "<narrow>", "<small>"))


def is_han(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff"


def is_word(char: str) -> bool:
    """A letter or digit of English (accents included)."""
    return not is_han(char) and unicodedata.category(char)[0] in "LN"


def is_blank(char: str) -> bool:
    return char.isspace()


def is_unseen(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or "\ufe00" <= char <= "\ufe0f"


# --- a text, folded --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter:
    """A character that stays: folded, and where it stood."""

    char: str
    segment: int
    place: int


def folded(texts: Sequence[str], starts: Sequence[int] | None = None) -> list[Letter]:
    """What stays of texts that follow each other."""
    kept = []
    for number, text in enumerate(texts):
        for place, char in enumerate(text):
            if starts and place < starts[number]:
                continue
            small = narrow_and_small(char)
            if small == ".":
                behind = [c for c in text[place + 1 :] if not is_unseen(c)]
                stays = is_blank(behind[0]) if behind else True
            else:
                stays = (
                    is_han(char)
                    or is_word(small)
                    or small in "。!?%+"
                    or unicodedata.category(small) == "Sc"
                )
            if stays and not is_unseen(char):
                kept.append(Letter(_simplified(small), number, place))
    return kept


def phrase_of(text: str) -> list[Letter]:
    letters = folded([text])
    # A phrase is no turn: a full stop at its end ends nothing.
    if letters and letters[-1].char == "." and not text[letters[-1].place + 1 :].strip():
        letters.pop()
    return letters


def between(texts: Sequence[str], one: Letter, two: Letter) -> str:
    """What was delivered between two letters; a line feed where a segment ends."""
    if one.segment == two.segment:
        return texts[one.segment][one.place + 1 : two.place]
    return texts[one.segment][one.place + 1 :] + "\n" + texts[two.segment][: two.place]


def is_whole(texts: Sequence[str], said: list[Letter], phrase: str, wanted: list[Letter]) -> bool:
    """Whether the words of a phrase that stands at `said` are whole words there."""
    if is_word(wanted[0].char) and _goes_on(texts[said[0].segment], said[0].place - 1, -1):
        return False
    if is_word(wanted[-1].char) and _goes_on(texts[said[-1].segment], said[-1].place + 1, 1):
        return False
    for n in range(len(wanted) - 1):
        if not (wanted[n].char.isalpha() and wanted[n + 1].char.isalpha()):
            continue
        if is_han(wanted[n].char) or is_han(wanted[n + 1].char):
            continue
        asked = between([phrase], wanted[n], wanted[n + 1])
        found = between(texts, said[n], said[n + 1])
        if not asked and any(map(is_blank, found)):
            return False
        if any(map(is_blank, asked)) and not _parts(found):
            return False
    return True


def _parts(text: str) -> bool:
    return any(not is_unseen(char) for char in text)


def _goes_on(text: str, place: int, step: int) -> bool:
    passed_apostrophe = False
    while 0 <= place < len(text):
        char = text[place]
        if is_word(char):
            return not passed_apostrophe or char.isalpha()
        if char in "'’" and not passed_apostrophe:
            passed_apostrophe = True
        elif not is_unseen(char):
            return False
        place += step
    return False


# --- sounds and slips ------------------------------------------------------------------------------


def syllables(texts: Sequence[str], letters: list[Letter]) -> list[str]:
    """Each ideograph's syllable without its tone, in the context of its run of ideographs."""
    from pypinyin import lazy_pinyin

    sounds = [letter.char for letter in letters]
    start = 0
    while start < len(letters):
        end = start
        while (
            end < len(letters)
            and is_han(letters[end].char)
            and (
                end == start
                or not any(
                    unicodedata.category(c)[0] == "P"
                    for c in between(texts, letters[end - 1], letters[end])
                )
            )
        ):
            end += 1
        if end > start:
            sounds[start:end] = lazy_pinyin("".join(one.char for one in letters[start:end]))
        start = max(end, start + 1)
    return sounds


def loosely(syllable: str) -> str:
    syllable = re.sub("^([zcs])h", r"\1", syllable)
    syllable = re.sub("^n(?=[aeiouv])", "l", syllable)
    return re.sub("(a|e|i)ng$", r"\1n", syllable)


def slips(one: str, two: str) -> int:
    """Letters lost, added, changed, or two neighbours swapped (optimal string alignment)."""
    table = [[i + j if not i * j else 0 for j in range(len(two) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(two) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (one[i - 1] != two[j - 1]),
            )
            if i > 1 and j > 1 and one[i - 2 : i] == two[j - 1] + two[j - 2]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def words_of(texts: Sequence[str], letters: list[Letter]) -> list[Span]:
    """Words of letters and digits; every other character by itself."""
    spans: list[Span] = []
    for n, letter in enumerate(letters):
        if spans and is_word(letter.char) and is_word(letters[n - 1].char):
            gap = between(texts, letters[n - 1], letter)
            marks = [c for c in gap if unicodedata.category(c)[0] == "P" and c not in "'’"]
            if not marks and not any(map(is_blank, gap)):
                spans[-1] = (spans[-1][0], n + 1)
                continue
        spans.append((n, n + 1))
    return spans


def words_in(turn: PlainTurn, span: Span) -> int:
    """How many words a span of a turn holds."""
    return sum(
        span[0] <= start and end <= span[1] for start, end in words_of(turn.texts, turn.letters)
    )


# --- turns -----------------------------------------------------------------------------------------


@dataclass
class PlainTurn:
    role: str | None
    segments: list[Segment] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [segment.text for segment in self.segments]

    @property
    def letters(self) -> list[Letter]:
        return folded(self.texts, [segment.speech_start for segment in self.segments])


def in_order(transcript: Transcript) -> list[Segment]:
    delivered = sorted(transcript.segments, key=lambda segment: segment.index)
    known = [segment.start_ms for segment in delivered if segment.start_ms is not None]
    latest = known[0] if known else 0
    timed = []
    for segment in delivered:
        latest = latest if segment.start_ms is None else segment.start_ms
        timed.append((latest, segment))
    return [segment for _, segment in sorted(timed, key=lambda pair: pair[0])]


def _size(text: str) -> tuple[int, int]:
    """Chinese characters and words."""
    without = "".join(c for c in text if not is_unseen(c))
    return sum(map(is_han, text)), len(
        re.findall(r"[^\W\u4e00-\u9fff_](?:['’]?[^\W\u4e00-\u9fff_])*", without)
    )


def is_short(size: tuple[int, int]) -> bool:
    characters, words = size
    if characters and words:
        return characters + words <= 2
    return characters <= 3 and words <= 2


def turns_of(transcript: Transcript) -> list[PlainTurn]:
    """Each segment goes on with the last turn of its side, if only a back-channel lies between."""
    ordered = in_order(transcript)
    turns: list[PlainTurn] = []
    last: dict[str | None, tuple[int, PlainTurn]] = {}
    for place, segment in enumerate(ordered):
        before = last.get(segment.role)
        goes_on = False
        if before is not None:
            others: dict[str | None, list[str]] = {}
            for other in ordered[before[0] + 1 : place]:
                others.setdefault(None, []).append(other.text[other.speech_start :])
            sizes = [_size(text) for texts in others.values() for text in texts]
            total = (sum(size[0] for size in sizes), sum(size[1] for size in sizes))
            goes_on = is_short(total)
        if goes_on and before is not None:
            turn = before[1]
        else:
            turn = PlainTurn(segment.role)
            turns.append(turn)
        turn.segments.append(segment)
        last[segment.role] = (place, turn)
    return turns


# --- what a rule finds in a turn -------------------------------------------------------------------


def places_of(rule: Rule, phrase: str, turn: PlainTurn) -> set[Span]:
    """Where a phrase stands in a turn's folded text, literally or by sound."""
    texts, letters = turn.texts, turn.letters
    wanted = phrase_of(phrase)
    forms = [([letter.char for letter in letters], [letter.char for letter in wanted])]
    if rule.homophones != "no" and any(is_han(letter.char) for letter in wanted):
        said, asked = syllables(texts, letters), syllables([phrase], wanted)
        if rule.homophones == "loose":
            said, asked = [loosely(s) for s in said], [loosely(s) for s in asked]
        forms.append((said, asked))
    return {
        (start, start + len(asked))
        for said, asked in forms
        for start in range(len(said) - len(asked) + 1)
        if said[start : start + len(asked)] == asked
        and is_whole(texts, letters[start : start + len(asked)], phrase, wanted)
    }


def slipped_places(rule: Rule, phrase: str, turn: PlainTurn) -> dict[Span, int]:
    """Spans of whole words that differ from a phrase by the edits allowed, and by how many."""
    wanted = "".join(letter.char for letter in phrase_of(phrase))
    if sum(char.isalpha() and not is_han(char) for char in wanted) < 6 or not rule.max_edits:
        return {}
    texts, letters = turn.texts, turn.letters
    fixed = [char for char in wanted if not char.isalpha() or is_han(char)]
    words = words_of(texts, letters)
    found = {}
    for first in range(len(words)):
        for last in range(first, len(words)):
            start, end = words[first][0], words[last][1]
            said = "".join(letter.char for letter in letters[start:end])
            if abs(len(said) - len(wanted)) > rule.max_edits:
                continue
            if [char for char in said if not char.isalpha() or is_han(char)] != fixed:
                continue
            distance = slips(said, wanted)
            if distance <= rule.max_edits:
                found[start, end] = distance
    return found


@dataclass(frozen=True)
class PlainFind:
    """Delivered places (segment of the turn, offset) and the folded span."""

    start: tuple[int, int]
    end: tuple[int, int]
    span: Span

    def overlaps(self, other: PlainFind) -> bool:
        return self.start < other.end and other.start < self.end


def _find(letters: list[Letter], span: Span) -> PlainFind:
    first, last = letters[span[0]], letters[span[1] - 1]
    return PlainFind((first.segment, first.place), (last.segment, last.place + 1), span)


def _patterns(rule: Rule, turn: PlainTurn) -> Iterator[PlainFind]:
    letters = turn.letters
    for pattern in rule.regex:
        for number, segment in enumerate(turn.segments):
            begin = segment.speech_start
            plain = "".join(map(narrow_and_small, segment.text[begin:]))
            for match in re.finditer(pattern, plain, re.IGNORECASE | re.ASCII):
                low, high = (number, begin + match.start()), (number, begin + match.end())
                if low == high:
                    continue
                before = sum((letter.segment, letter.place) < low for letter in letters)
                until = sum((letter.segment, letter.place) < high for letter in letters)
                yield PlainFind(low, high, (before, until))


def _length(turn: PlainTurn, find: PlainFind) -> int:
    if find.start[0] == find.end[0]:
        return find.end[1] - find.start[1]
    texts = turn.texts
    inside = sum(len(texts[n]) + 1 for n in range(find.start[0] + 1, find.end[0]))
    return len(texts[find.start[0]]) - find.start[1] + 1 + inside + find.end[1]


def longest(turn: PlainTurn, finds: set[PlainFind]) -> list[PlainFind]:
    """Two in one place are one, the longest; of two as long the earlier."""
    kept: list[PlainFind] = []
    for find in sorted(finds, key=lambda f: (-_length(turn, f), f.start)):
        if not any(find.overlaps(other) for other in kept):
            kept.append(find)
    return sorted(kept, key=lambda f: f.start)


def is_cleared(rule: Rule, turn: PlainTurn, span: Span) -> bool:
    letters = turn.letters
    low, high = 0, len(letters)
    if rule.unless_window_chars:
        low = max(low, span[0] - rule.unless_window_chars)
        high = min(high, span[1] + rule.unless_window_chars)
    for phrase in rule.unless:
        wanted = phrase_of(phrase)
        for start in range(low, high - len(wanted) + 1):
            said = letters[start : start + len(wanted)]
            if [one.char for one in said] == [one.char for one in wanted] and is_whole(
                turn.texts, said, phrase, wanted
            ):
                return True
    return False


def _prohibited(rule: Rule, turn: PlainTurn) -> list[PlainFind]:
    letters = turn.letters
    every = [places_of(rule, phrase, turn) for phrase in rule.all]
    if rule.any or rule.regex:
        if not all(every):
            return []
        finds = {_find(letters, span) for p in rule.any for span in places_of(rule, p, turn)}
        finds |= set(_patterns(rule, turn))
        return [f for f in longest(turn, finds) if not is_cleared(rule, turn, f.span)]
    if not rule.all or not all(every):
        return []
    # From the first phrase to the last: begun at each place where one stands, until none is left.
    for begin in sorted({span[0] for spans in every for span in spans}):
        firsts = [sorted(span for span in spans if span[0] >= begin) for spans in every]
        if not all(firsts):
            return []
        start = min(spans[0][0] for spans in firsts)
        # The end belongs to what reaches furthest among the first of each.
        end = max(spans[0][1] for spans in firsts)
        if not is_cleared(rule, turn, (start, end)):
            return [_find(letters, (start, end))]
    return []


def plain_hits(
    transcript: Transcript, rules: Sequence[Rule], is_connected: bool | None = None
) -> list[PlainHit]:
    """All hits of rules without `max_edits`, sorted."""
    turns = turns_of(transcript)
    if not transcript.segments:
        return []
    if transcript.is_connected is not None:
        is_connected = transcript.is_connected
    if is_connected is None:
        is_connected = any(turn.letters for turn in turns if turn.role == "customer")
    hits: list[PlainHit] = []
    for rule in rules:
        if not _is_for(rule, transcript.language) or (
            rule.when == "connected" and not is_connected
        ):
            continue
        heard = [turn for turn in turns if rule.role in ("any", turn.role)]
        for turn in heard:
            hits += [_as_hit(rule, turn, find) for find in _prohibited(rule, turn)]
        if rule.require and _is_missing(rule, heard, turns):
            hits.append((rule.id, "missing", rule.role, None, None, None, None, None))
    return sorted(hits, key=str)


def _is_for(rule: Rule, language: str | None) -> bool:
    if rule.language == "any" or not language:
        return True
    return (language.lower() + "-").startswith(rule.language.lower() + "-")


def _is_missing(rule: Rule, heard: list[PlainTurn], turns: list[PlainTurn]) -> bool:
    if not any(turn.letters for turn in heard):
        return False
    first = _first_word(turns, "agent")
    for turn in heard:
        for phrase in rule.require:
            for span in places_of(rule, phrase, turn):
                if is_cleared(rule, turn, span):
                    continue
                letter = turn.letters[span[0]]
                said_at = _time_of(turn.segments[letter.segment], letter.place)
                if rule.within_seconds is None or first is None or said_at is None:
                    return False
                if said_at <= first + rule.within_seconds * 1000:
                    return False
    return True


def _first_word(turns: list[PlainTurn], role: str) -> int | None:
    """When the side says its first word, by order of time."""
    spoken = [
        segment
        for turn in turns
        if turn.role == role
        for segment in turn.segments
        if folded([segment.text], [segment.speech_start])
    ]
    if not spoken:
        return None
    first = spoken[0]
    place = folded([first.text], [first.speech_start])[0].place
    return _time_of(first, place)


def _time_of(segment: Segment, place: int) -> int | None:
    """Of the word at a place, else of its segment."""
    cursor = 0
    for word in segment.words:
        start = segment.text.find(word.text.strip(), cursor)
        if start < 0 or not word.text.strip():
            continue
        cursor = start + len(word.text.strip())
        if start <= place < cursor and word.start_ms is not None:
            return word.start_ms
    return segment.start_ms


def _as_hit(rule: Rule, turn: PlainTurn, find: PlainFind) -> PlainHit:
    (first, start), (last, end) = find.start, find.end
    texts = turn.texts
    if first == last:
        text = texts[first][start:end]
    else:
        text = "\n".join([texts[first][start:], *texts[first + 1 : last], texts[last][:end]])
    return (
        rule.id,
        "prohibited",
        turn.role,
        turn.segments[first].index,
        turn.segments[last].index if last != first else None,
        start,
        end,
        text,
    )
