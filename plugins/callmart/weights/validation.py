"""How well a score tells good ends from bad: folds, rank, lift, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callmart.weights.settings import FITTING

Floats = NDArray[np.float64]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Decile:
    """A tenth of the contacts, the best scored first."""

    decile: int
    contacts: int
    good: int
    rate: float
    lift: float
    """Its rate over the rate of all."""
    cumulative_lift: float
    cumulative_share: float
    """Share of all good ends found in this decile and the better ones."""


@dataclass(frozen=True)
class Bin:
    """Contacts of similar probability: what was said and what came."""

    contacts: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Quality:
    """Of predictions made for contacts the model had not seen."""

    auc: float
    auc_by_fold: tuple[float, ...]
    log_loss: float
    """Mean of -log of the probability of what came."""
    brier: float
    """Mean squared error of the probability (Brier 1950)."""
    brier_skill: float
    """1 - Brier / that of the plain rate."""
    expected_calibration_error: float
    """Mean distance of said and seen over bins of equal size (Naeini et al. 2015)."""
    calibration_slope: float
    """Of the outcome on the logit of the probability; 1 is right, less is too sure (Cox 1958)."""
    deciles: tuple[Decile, ...]
    reliability: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def folds(
    outcome: NDArray[np.bool_],
    groups: NDArray[Any] | None = None,
    in_order: bool = False,
    count: int | None = None,
) -> Iterator[Fold]:
    """(train, test) row numbers. Each fold holds about the same share of good ends; rows of one group
    are never on both sides. `in_order`: the rows are in order of time, each fold is foretold from
    what came before it, and the first part is only learnt from."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

    count = count or FITTING.folds
    if in_order:
        for train, test in TimeSeriesSplit(count).split(outcome):
            if groups is not None:
                test = test[~np.isin(groups[test], groups[train])]
            yield train, test
    elif groups is None:
        splitter = StratifiedKFold(count, shuffle=True, random_state=FITTING.seed)
        yield from splitter.split(outcome, outcome)
    else:
        grouped = StratifiedGroupKFold(count, shuffle=True, random_state=FITTING.seed)
        yield from grouped.split(outcome, outcome, groups)


def auc(outcome: NDArray[np.bool_], score: Floats) -> float:
    """Chance that a good end has the higher score than a bad one, ties half; NaN without both."""
    from scipy.stats import rankdata

    good = int(outcome.sum())
    bad = len(outcome) - good
    if not good or not bad:
        return float("nan")
    return float((rankdata(score)[outcome].sum() - good * (good + 1) / 2) / (good * bad))


def measure(outcome: NDArray[np.bool_], probability: Floats, fold_of: NDArray[np.intp]) -> Quality:
    """`probability` (n,) said of contacts by a model that had not seen their fold `fold_of` (n,)."""
    by_fold = [
        auc(outcome[fold_of == fold], probability[fold_of == fold]) for fold in np.unique(fold_of)
    ]
    rate = float(outcome.mean())
    brier = float(np.mean((probability - outcome) ** 2))
    safe = np.clip(probability, 1e-9, 1 - 1e-9)
    reliability = _bins(outcome, probability)
    error = sum(one.contacts * abs(one.predicted - one.observed) for one in reliability)
    return Quality(
        # Of each fold and then averaged: probabilities of different models are not ranked together.
        auc=float(np.nanmean(by_fold)),
        auc_by_fold=tuple(by_fold),
        log_loss=float(-np.mean(np.log(np.where(outcome, safe, 1 - safe)))),
        brier=brier,
        brier_skill=1 - brier / (rate * (1 - rate)),
        expected_calibration_error=error / len(outcome),
        calibration_slope=_slope(outcome, probability),
        deciles=_deciles(outcome, probability),
        reliability=reliability,
    )


def _deciles(outcome: NDArray[np.bool_], probability: Floats) -> tuple[Decile, ...]:
    best_first = outcome[np.argsort(-probability, kind="stable")]
    rate, total = float(outcome.mean()), int(outcome.sum())
    deciles = []
    found = seen = 0
    for number, part in enumerate(np.array_split(best_first, 10), start=1):
        if not len(part):
            continue
        good = int(part.sum())
        found, seen = found + good, seen + len(part)
        deciles.append(
            Decile(
                number,
                len(part),
                good,
                good / len(part),
                good / len(part) / rate,
                found / seen / rate,
                found / total,
            )
        )
    return tuple(deciles)


def _bins(outcome: NDArray[np.bool_], probability: Floats) -> tuple[Bin, ...]:
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, min(FITTING.calibration_bins, len(order)))
    return tuple(
        Bin(len(part), float(probability[part].mean()), float(outcome[part].mean()))
        for part in parts
    )


def _slope(outcome: NDArray[np.bool_], probability: Floats) -> float:
    from callmart.weights.curves import sigmoid

    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    design = np.column_stack([np.ones(len(clipped)), np.log(clipped / (1 - clipped))])
    if np.ptp(design[:, 1]) < 1e-9:
        return float("nan")
    coefficients = np.array([0.0, 1.0])
    for _ in range(50):
        chances = sigmoid(design @ coefficients)
        weights = np.maximum(chances * (1 - chances), 1e-9)
        information = (design * weights[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (outcome - chances))
        coefficients = coefficients + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return float(coefficients[1])
