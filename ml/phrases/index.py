"""Finding thousands of phrases in a long text at once.

A window of each phrase is hashed, and the same window at every place of the text, all in numpy;
only the few places whose hash is known are looked at one by one. The cost hardly depends on the
number of phrases (R. Karp, M. Rabin: Efficient randomized pattern-matching algorithms, 1987; the
grouping by window length follows U. Manber and S. Wu: A fast algorithm for multi-pattern
searching, 1994). An Aho–Corasick automaton in C was tried: over the thousands of different
characters of Chinese its nodes get wide, and it ran at a twentieth of the speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ml.phrases import folding

Value = TypeVar("Value")

# Lengths of windows. A phrase goes by the longest that fits into it.
_WINDOWS: Final = (16, 8, 4, 3, 2, 1)
# 2^20 places of a byte stay in the second-level cache; 10 000 phrases fill 1 % of them, and of two
# tables that ask for different bits 0.01 %.
_BITS: Final = 20
_MULTIPLIERS: Final = tuple(map(np.uint32, (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F)))
_SPREAD: Final = np.uint32(0x2C1B3C6D)
# Hashes of this many places stay in the cache too.
_BLOCK: Final = 1 << 15


def _hashes(
    codes: npt.NDArray[np.uint32], windows: Sequence[int]
) -> Iterator[tuple[int, npt.NDArray[np.uint32]]]:
    """For each window, in ascending order, the hashes of all places, shape (n − window + 1,).

    A window's hash is made of those of its two halves, so longer windows cost a step each.
    """
    hashed: npt.NDArray[np.uint32] = codes
    size = 1
    for window in windows:
        for step in _MULTIPLIERS[size.bit_length() - 1 :]:
            if size * 2 > window:
                break
            one = hashed[:-size] * step
            one += hashed[size:]
            hashed, size = one, size * 2
        if size == window:
            mixed = hashed * _SPREAD
        else:  # three characters: two and one
            mixed = hashed[:-1] * _MULTIPLIERS[-1]
            mixed += codes[2:]
            mixed *= _SPREAD
        mixed ^= mixed >> np.uint32(15)
        mixed *= _SPREAD
        yield window, mixed


class PhraseIndex(Generic[Value]):
    """Phrases (folded texts) to look for, each with a value."""

    def __init__(self, phrases: Mapping[str, Value]) -> None:
        self._phrases = dict(phrases)
        by_window: dict[int, dict[str, set[int]]] = {}
        for phrase in phrases:
            window = next(size for size in _WINDOWS if size <= len(phrase))
            starts = by_window.setdefault(window, {})
            starts.setdefault(phrase[:window], set()).add(len(phrase))
        # For each length of window: which hashes occur, and how long phrases with such a start are.
        self._groups: dict[int, tuple[npt.NDArray[np.bool_], dict[str, tuple[int, ...]]]] = {}
        for window, starts in sorted(by_window.items()):
            tables = np.zeros((2, 1 << _BITS), dtype=bool)
            codes = folding.codes_of("".join(starts)).astype(np.uint32, copy=False)
            hashed = next(_hashes(codes, (window,)))[1][::window]
            for table, part in zip(tables, self._parts(hashed), strict=True):
                table[part] = True
            lengths = {start: tuple(sorted(sizes)) for start, sizes in starts.items()}
            self._groups[window] = (tables, lengths)

    @staticmethod
    def _parts(
        hashed: npt.NDArray[np.uint32],
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """The bits of hashes that the first and the second table ask for."""
        return hashed >> np.uint32(32 - _BITS), hashed & np.uint32((1 << _BITS) - 1)

    def find(self, text: str, codes: npt.NDArray[np.uint32]) -> Iterator[tuple[int, int, Value]]:
        """Every occurrence as (start, end, value), those that overlap too.

        codes: the code points of `text`, shape (len(text),).
        """
        windows = tuple(self._groups)
        if not windows:
            return
        codes = codes.astype(np.uint32, copy=False)
        for begin in range(0, len(text), _BLOCK):
            block = codes[begin : begin + _BLOCK + windows[-1] - 1]
            for window, hashed in _hashes(block, tuple(w for w in windows if w <= block.size)):
                yield from self._look(text, begin, window, hashed[:_BLOCK])

    def _look(
        self, text: str, begin: int, window: int, hashed: npt.NDArray[np.uint32]
    ) -> Iterator[tuple[int, int, Value]]:
        """What stands at the places from `begin` on, judging by their hashes."""
        phrases = self._phrases
        (first, second), lengths = self._groups[window]
        places = np.flatnonzero(first[hashed >> np.uint32(32 - _BITS)])
        if not places.size:
            return
        places = places[second[self._parts(hashed[places])[1]]]
        for place in (places + begin).tolist():
            for length in lengths.get(text[place : place + window], ()):
                value = phrases.get(text[place : place + length])
                if value is not None:
                    yield place, place + length, value
