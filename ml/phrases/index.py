"""Finding thousands of phrases in a long text at once.

A window of each phrase is hashed, and the same window at every place of the text, all in numpy;
only the few places whose hash is known are looked at one by one. The cost hardly depends on the
number of phrases (R. Karp, M. Rabin: Efficient randomized pattern-matching algorithms, 1987; the
grouping by window length follows U. Manber and S. Wu: A fast algorithm for multi-pattern
searching, 1994). An Aho–Corasick automaton in C was tried: over the thousands of different
characters of Chinese its nodes get wide, and it ran at a twentieth of the speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ml.phrases import folding

Value = TypeVar("Value")

# Lengths of windows. A phrase goes by the longest that fits into it.
_WINDOWS: Final = (16, 8, 4, 3, 2, 1)
# 2^20 places of a byte stay in the second-level cache; 10 000 phrases fill 1 % of them.
_BITS: Final = 20
_MULTIPLIER: Final = np.uint32(0x9E3779B1)  # 2^32 / golden ratio, odd (Knuth, TAOCP 6.4)


def _mix(left: npt.NDArray[np.uint32], right: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    mixed: npt.NDArray[np.uint32] = left * _MULTIPLIER
    mixed ^= right
    mixed *= np.uint32(0x85EBCA6B)  # murmur3's finaliser
    mixed ^= mixed >> np.uint32(15)
    return mixed


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
        self._groups: list[tuple[int, npt.NDArray[np.bool_], dict[str, tuple[int, ...]]]] = []
        for window, starts in sorted(by_window.items()):
            table = np.zeros(1 << _BITS, dtype=bool)
            table[self._hash(folding.codes_of("".join(starts)), window)[::window]] = True
            lengths = {start: tuple(sorted(sizes)) for start, sizes in starts.items()}
            self._groups.append((window, table, lengths))

    @staticmethod
    def _hash(codes: npt.NDArray[np.uint32], window: int) -> npt.NDArray[np.uint32]:
        """Hashes of all windows, shape (len(codes) − window + 1,)."""
        one = codes.astype(np.uint32, copy=False)
        if window == 1:
            mixed = _mix(one, one)
        elif window == 3:
            mixed = _mix(_mix(one[:-2], one[1:-1]), one[2:])
        else:
            mixed = _mix(one[:-1], one[1:])
            size = 2
            while size < window:
                mixed = _mix(mixed[:-size], mixed[size:])
                size *= 2
        shifted: npt.NDArray[np.uint32] = mixed >> np.uint32(32 - _BITS)
        return shifted

    def find(self, text: str, codes: npt.NDArray[np.uint32]) -> Iterator[tuple[int, int, Value]]:
        """Every occurrence as (start, end, value), those that overlap too.

        codes: the code points of `text`, shape (len(text),).
        """
        phrases = self._phrases
        for window, table, lengths in self._groups:
            if len(text) < window:
                continue
            for place in np.flatnonzero(table[self._hash(codes, window)]).tolist():
                for length in lengths.get(text[place : place + window], ()):
                    value = phrases.get(text[place : place + length])
                    if value is not None:
                        yield place, place + length, value
