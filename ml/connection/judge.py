"""The last word on who answered: boosted trees over the traits of a call, as probabilities.

Rules find what a network plays and propose an outcome; whether speech is a person's, a voicemail's or
a prompt's is a matter of weighing many weak signs, which trees learnt from labelled calls do better
than thresholds by hand. The rules' proposal is one of the traits. `training.py` makes `judge.npz`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

JUDGE_PATH = Path(__file__).with_name("judge.npz")
CARD_PATH = Path(__file__).with_name("judge.json")
GROUPS = ("human", "voicemail", "ivr", "music", "silence", "tones")
"""What is told apart. `tones`: nobody answered, or a fax; which, the tones say."""


@dataclass(frozen=True)
class Judge:
    """Trees as arrays of shape (trees, nodes): plain numbers, which can run no code."""

    names: tuple[str, ...]
    """Traits, in the order of `feature`."""
    feature: NDArray[np.int16]
    """The trait that a node asks for; −1 in a leaf."""
    threshold: NDArray[np.float32]
    left: NDArray[np.int16]
    """Where a value up to the threshold goes on."""
    right: NDArray[np.int16]
    missing_left: NDArray[np.bool_]
    """Whether a value that cannot be told goes left."""
    value: NDArray[np.float32]
    group: NDArray[np.int16]
    """Shape (trees,): the place in `GROUPS` that a tree speaks for."""
    prior: NDArray[np.float32]
    """Log odds before any tree, shape (groups,)."""
    temperature: float
    """Divides the log odds, so that probabilities come true (fitted on held-out folds)."""

    def weigh(self, traits: Mapping[str, float]) -> dict[str, float]:
        """Probability of each group, summing to 1. Raises `KeyError` for a missing trait."""
        values = np.array([traits[name] for name in self.names], dtype=np.float32)
        trees = np.arange(len(self.feature))
        node = np.zeros(len(trees), dtype=np.int16)
        for _ in range(self.feature.shape[1]):
            asked = self.feature[trees, node]
            inner = asked >= 0
            if not inner.any():
                break
            value = values[asked]
            goes_left = np.where(
                np.isnan(value),
                self.missing_left[trees, node],
                value <= self.threshold[trees, node],
            )
            onward = np.where(goes_left, self.left[trees, node], self.right[trees, node])
            node = np.where(inner, onward, node)
        odds = self.prior.astype(np.float64)
        np.add.at(odds, self.group, self.value[trees, node])
        odds = odds / self.temperature
        weights = np.exp(odds - odds.max())
        return dict(zip(GROUPS, (weights / weights.sum()).tolist(), strict=True))


@cache
def load_judge(path: Path = JUDGE_PATH) -> Judge:
    """The shipped judge, read once. Raises `OSError`, `ValueError` or `KeyError` for a broken file."""
    with np.load(path, allow_pickle=False) as stored:
        arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
    names = tuple(str(name) for name in arrays.pop("names"))
    temperature = float(arrays.pop("temperature"))
    return Judge(names=names, temperature=temperature, **arrays)
