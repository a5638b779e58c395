"""Phrases of Latin letters with slips of the pen in them.

Every phrase is looked for by one of its words, a rare one: a word of the text within the allowed edits of it
(found by deleting letters on both sides, after W. Garbe's SymSpell) is a place where the whole
phrase is compared, over spans of whole words, by the optimal string alignment distance (Damerau's
four edits; swapping two neighbours counts once).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Generic, TypeVar

import numpy as np
from rapidfuzz.distance import OSA

from ml.phrases import folding
from ml.phrases.folding import GAP_BLANK, GAP_PUNCTUATION, Folded

Value = TypeVar("Value")

MIN_LETTERS: Final = 6
# Beyond this many deletions the index would outgrow its use; longer slips are compared one by one.
_MAX_DELETIONS: Final = 2
# A shorter word has too many words near it.
_ANCHOR_LETTERS: Final = 5
_CACHE_WORDS: Final = 200_000


def edits_allowed(phrase: Folded, wanted: int) -> int:
    """How many edits a phrase may differ by: 0 under six Latin letters.

    Never over half of them: beyond that any words would be any others.
    """
    letters = folding.latin_letters(phrase.text)
    return min(wanted, letters // 2) if letters >= MIN_LETTERS else 0


def _deletions(word: str, count: int) -> Iterator[str]:
    yield word
    for size in range(1, min(count, len(word) - 1) + 1):
        for places in combinations(range(len(word)), size):
            yield "".join(char for place, char in enumerate(word) if place not in places)


def token_bounds(text: Folded) -> tuple[list[int], list[int]]:
    """Starts and ends of words; every character of another kind stands by itself."""
    if not text.text:
        return [], []
    spaced = np.frombuffer(text.spaced, dtype=np.uint8) != 0
    gaps = np.frombuffer(text.gaps, dtype=np.uint8)
    joined = spaced[:-1] & spaced[1:] & (gaps[:-1] != GAP_BLANK) & (gaps[:-1] != GAP_PUNCTUATION)
    cuts = np.flatnonzero(~joined) + 1
    starts = [0, *cuts.tolist()]
    return starts, [*starts[1:], len(text.text)]


@dataclass(frozen=True)
class _Phrase(Generic[Value]):
    text: str
    fixed: str  # what must be there as it is: all but letters
    edits: int
    value: Value


@dataclass(frozen=True)
class _Anchor:
    word: str
    phrase: int
    start: int  # of the word in the folded phrase
    # Parts of the rest with their place from the word's start on. An edit spoils two neighbours at
    # most, so with 2 × edits + 1 parts one of them is still there.
    witnesses: tuple[tuple[int, str], ...]


def _fixed(text: str, spaced: Sequence[int]) -> str:
    return "".join(char for char, kind in zip(text, spaced, strict=True) if kind != 1)


def _witnesses(phrase: str, start: int, end: int, edits: int) -> tuple[tuple[int, str], ...]:
    """Parts of a phrase outside [start, end), or none where the rest is too short for them."""
    wanted = 2 * edits + 1
    rest = len(phrase) - (end - start)
    if rest < 2 * wanted:
        return ()
    size = rest // wanted
    parts = [
        (place - start, phrase[place : place + size])
        for low, high in ((0, start), (end, len(phrase)))
        for place in range(low, high - size + 1, size)
    ]
    return tuple(parts) if len(parts) >= wanted else ()


class SlipIndex(Generic[Value]):
    """Phrases to be found with slips; those that allow none are left out."""

    def __init__(self, phrases: Sequence[tuple[Folded, int, Value]]) -> None:
        """phrases: (folded phrase, edits wanted, value)."""
        self._phrases: list[_Phrase[Value]] = []
        self._anchors: list[_Anchor] = []
        self._by_deletion: dict[str, list[int]] = {}
        self._known: dict[str, tuple[int, ...]] = {}
        self._most_edits = 0
        self._longest = 0
        tolerant = [
            (folded, edits, value)
            for folded, wanted, value in phrases
            if (edits := edits_allowed(folded, wanted))
        ]
        # Words that many phrases share are frequent in speech too, and make poor anchors.
        shared = Counter(
            folded.text[start:end]
            for folded, _, _ in tolerant
            for start, end in zip(*token_bounds(folded), strict=True)
        )
        for folded, edits, value in tolerant:
            number = len(self._phrases)
            self._most_edits = max(self._most_edits, edits)
            self._phrases.append(
                _Phrase(folded.text, _fixed(folded.text, folded.spaced), edits, value)
            )
            for anchor in self._anchors_of(folded, number, edits, shared):
                self._anchors.append(anchor)
                self._longest = max(self._longest, len(anchor.word) + edits)
                for form in set(_deletions(anchor.word, min(edits, _MAX_DELETIONS))):
                    self._by_deletion.setdefault(form, []).append(len(self._anchors) - 1)

    def __bool__(self) -> bool:
        return bool(self._phrases)

    @staticmethod
    def _anchors_of(folded: Folded, number: int, edits: int, shared: Counter[str]) -> list[_Anchor]:
        """The rarest word that is long enough, and that word run together with a neighbour."""
        starts, ends = token_bounds(folded)
        words = [i for i, start in enumerate(starts) if folded.spaced[start]]
        sizes = {i: ends[i] - starts[i] for i in words}
        enough = min(max(sizes.values()), _ANCHOR_LETTERS)
        chosen = min(
            (i for i in words if sizes[i] >= enough),
            key=lambda i: (shared[folded.text[starts[i] : ends[i]]], -sizes[i]),
        )
        spans = [(starts[chosen], ends[chosen])]
        if chosen - 1 in words:
            spans.append((starts[chosen - 1], ends[chosen]))
        if chosen + 1 in words:
            spans.append((starts[chosen], ends[chosen + 1]))
        return [
            _Anchor(
                folded.text[start:end], number, start, _witnesses(folded.text, start, end, edits)
            )
            for start, end in spans
        ]

    def _near(self, word: str) -> tuple[int, ...]:
        """The anchors within their phrase's edits of a word."""
        if len(word) > self._longest:
            return ()
        near: set[int] = set()
        tried: set[int] = set()
        for form in _deletions(word, min(self._most_edits, _MAX_DELETIONS)):
            for number in self._by_deletion.get(form, ()):
                if number not in tried:
                    tried.add(number)
                    if self._is_near(word, number):
                        near.add(number)
        if self._most_edits > _MAX_DELETIONS:
            near.update(n for n in range(len(self._anchors)) if self._is_near(word, n))
        return tuple(sorted(near))

    def _is_near(self, word: str, number: int) -> bool:
        anchor = self._anchors[number]
        edits = self._phrases[anchor.phrase].edits
        return OSA.distance(word, anchor.word, score_cutoff=edits) <= edits

    def find(self, text: Folded) -> Iterator[tuple[int, int, Value]]:
        """Occurrences as (start, end, value) in the folded text: the nearest span at each place."""
        if not self._phrases or not any(text.spaced):
            return
        starts, ends = token_bounds(text)
        words = [text.text[start:end] for start, end in zip(starts, ends, strict=True)]
        if len(self._known) > _CACHE_WORDS:
            self._known.clear()
        known = self._known
        # A blank that slipped into a word makes two of it.
        pairs = [one + two for one, two in itertools.pairwise(words)]
        wanted: set[str] = set()
        for word in {*words, *pairs}:
            near = known.get(word)
            if near is None:
                near = known[word] = self._near(word) if len(word) > 1 else ()
            if near:
                wanted.add(word)
        if not wanted:
            return
        places = [
            *((place, place, word) for place, word in enumerate(words) if word in wanted),
            *((place, place + 1, pair) for place, pair in enumerate(pairs) if pair in wanted),
        ]
        spans: dict[int, set[tuple[int, int, int, int]]] = {}
        for first, last, word in places:
            for number in known[word]:
                anchor = self._anchors[number]
                span = self._compare(text, starts, ends, (first, last), anchor)
                if span is not None:
                    spans.setdefault(anchor.phrase, set()).add(span)
        for phrase, found in spans.items():
            kept: list[tuple[int, int]] = []  # in order of place, none over another
            for _, _, start, end in sorted(found):
                at = bisect_left(kept, (start, start))
                is_free = at == len(kept) or kept[at][0] >= end
                if is_free and (at == 0 or kept[at - 1][1] <= start):
                    kept.insert(at, (start, end))
                    yield start, end, self._phrases[phrase].value

    def _compare(
        self,
        text: Folded,
        starts: list[int],
        ends: list[int],
        place: tuple[int, int],
        anchor: _Anchor,
    ) -> tuple[int, int, int, int] | None:
        """The nearest span around an anchor that was met in the words [place[0], place[1]].

        Returns (distance, less its length, start, end), so that the nearest sorts first.
        """
        phrase = self._phrases[anchor.phrase]
        edits = phrase.edits
        if anchor.witnesses:
            said, begin = text.text, starts[place[0]]
            if not any(
                part in said[max(0, begin + offset - edits) : begin + offset + len(part) + edits]
                for offset, part in anchor.witnesses
            ):
                return None
        before = starts[place[0]] - anchor.start
        behind = ends[place[1]] + len(phrase.text) - anchor.start - len(anchor.word)
        first = bisect_left(starts, before - edits)
        last = min(bisect_right(starts, before + edits), place[1] + 1)
        low = max(bisect_left(ends, behind - edits), place[0])
        high = bisect_right(ends, behind + edits)
        best: tuple[int, int, int, int] | None = None
        for i in range(first, last):
            for j in range(max(low, i), high):
                start, end = starts[i], ends[j]
                said = text.text[start:end]
                distance = OSA.distance(said, phrase.text, score_cutoff=edits)
                if distance > edits or folding.BARRIER in said:
                    continue
                if _fixed(said, text.spaced[start:end]) != phrase.fixed:
                    continue
                rank = (distance, start - end, start, end)
                if best is None or rank < best:
                    best = rank
        return best
