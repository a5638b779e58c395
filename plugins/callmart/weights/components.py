"""Weights of an evaluation learnt from won and lost demands, pulled to those in force.

    logit P(won) = intercept + Σ b_j · f_j        b_j >= 0, f_j the component's worth, 0 to 1, good is high

The curves stay as they are, so a higher worth can never lower the score. The weights are
100 · b_j / Σ b. Each b_j is pulled to s · (weight in force)_j, s one free scale for all, by a
quadratic penalty that counts as so many outcomes of average spread (a Gaussian prior around the
weights in force, narrower for light components); how many is chosen by cross-validation inside the
training rows, and the strongest pull within one standard error of the best is taken (the one
standard error rule: Breiman et al. 1984). `keep` is the pull without end: the weights in force.
Components of weight 0 are context and stay so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callmart.weights.contacts import require_outcomes
from callmart.weights.curves import in_cents, sigmoid
from callmart.weights.settings import FITTING
from callmart.weights.validation import Quality, folds, measure

Floats = NDArray[np.float64]
KEEP = float("inf")


@dataclass(frozen=True)
class PulledWeights:
    """Weights and the probability that goes with them."""

    weights: Floats
    """(m,), in cents, adding up to 100."""
    pull: float
    intercept: float
    slope: float
    """logit P = intercept + slope · score / 100, never negative."""

    def probability(self, worths: Floats) -> Floats:
        """(n,) of worths (n, m)."""
        return sigmoid(self.intercept + self.slope * (worths @ self.weights) / 100)


@dataclass(frozen=True)
class ComponentsFit:
    """Learnt weights, and their quality beside that of the weights in force, in the same folds."""

    learnt: PulledWeights
    quality: Quality
    in_force: Quality
    pull_by_fold: tuple[float, ...]
    rows: int
    good: int
    groups: int

    @property
    def is_better(self) -> bool:
        """Something was learnt, and it foretells unseen outcomes better than what is in force."""
        return self.learnt.pull != KEEP and self.quality.log_loss < self.in_force.log_loss


def fit_components(
    worths: Floats,
    outcome: NDArray[np.bool_],
    groups: NDArray[Any],
    in_force: Floats,
    in_order: bool = False,
) -> ComponentsFit:
    """`worths` (n, m) of components the day before each of n outcomes; `groups` (n,) customers,
    never on both sides of a fold; `in_force` (m,) the weights to improve on.

    Raises:
        TooFewOutcomesError: too few outcomes of one kind.
    """
    require_outcomes(outcome)
    chance, kept = np.full(len(outcome), np.nan), np.full(len(outcome), np.nan)
    fold_of = np.full(len(outcome), -1)
    pulls = []
    for number, (train, test) in enumerate(folds(outcome, groups, in_order)):
        if not len(test) or not 0 < outcome[train].sum() < len(train):
            continue
        pull = _choose_pull(worths[train], outcome[train], groups[train], in_force)
        chance[test] = fit_pulled(worths[train], outcome[train], in_force, pull).probability(
            worths[test]
        )
        kept[test] = fit_pulled(worths[train], outcome[train], in_force, KEEP).probability(
            worths[test]
        )
        fold_of[test] = number
        pulls.append(pull)
    judged = np.flatnonzero(fold_of >= 0)
    pull = _choose_pull(worths, outcome, groups, in_force)
    return ComponentsFit(
        learnt=fit_pulled(worths, outcome, in_force, pull),
        quality=measure(outcome[judged], chance[judged], fold_of[judged]),
        in_force=measure(outcome[judged], kept[judged], fold_of[judged]),
        pull_by_fold=tuple(pulls),
        rows=len(outcome),
        good=int(outcome.sum()),
        groups=len(np.unique(groups)),
    )


def fit_pulled(
    worths: Floats, outcome: NDArray[np.bool_], in_force: Floats, pull: float
) -> PulledWeights:
    """The weights under one pull; `KEEP` fits intercept and slope alone."""
    from scipy.optimize import minimize

    ends = outcome.astype(np.float64)
    counted = in_force > 0
    shares = in_force[counted] / in_force[counted].sum()
    seen = worths[:, counted]
    share = float(np.clip(ends.mean(), 1e-3, 1 - 1e-3))
    unit = share * (1 - share) * max(float(seen.var(axis=0).mean()), 1e-6)
    # A component of average weight has penalty `pull · unit`; a light one is held more tightly.
    tightness = np.zeros(len(shares)) if pull == KEEP else pull * unit * shares.mean() / shares

    def loss(parameters: Floats) -> tuple[float, Floats]:
        intercept, scale, own = parameters[0], parameters[1], parameters[2:]
        apart = own - scale * shares
        effects = scale * shares if pull == KEEP else own
        linear = intercept + seen @ effects
        wrong = sigmoid(linear) - ends
        slopes = seen.T @ wrong
        value = np.logaddexp(0, linear).sum() - ends @ linear
        if pull == KEEP:
            gradient = np.concatenate([[wrong.sum(), slopes @ shares], np.zeros(len(shares))])
            return float(value), gradient
        value += 0.5 * tightness @ apart**2
        gradient = np.concatenate(
            [[wrong.sum(), -(tightness * apart) @ shares], slopes + tightness * apart]
        )
        return float(value), gradient

    start = np.concatenate([[np.log(share / (1 - share)), 1.0], shares])
    bounds = [(None, None)] + [(0, None)] * (1 + len(shares))
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    effects = found[1] * shares if pull == KEEP else found[2:]
    slope = float(effects.sum())
    weights = np.zeros(len(in_force))
    if pull == KEEP or slope <= 0:
        weights[:] = in_force
        slope = max(slope, 0.0)
        intercept = float(found[0]) if slope > 0 else float(np.log(share / (1 - share)))
        return PulledWeights(weights, KEEP, intercept, slope)
    weights[counted] = in_cents(effects / slope)
    return PulledWeights(weights, pull, float(found[0]), slope)


def _choose_pull(
    worths: Floats, outcome: NDArray[np.bool_], groups: NDArray[Any], in_force: Floats
) -> float:
    """The strongest pull whose inner cross-validated surprise is within one standard error of the best."""
    candidates = [*FITTING.pulls, KEEP]
    surprises = []
    for train, test in folds(outcome, groups, count=FITTING.inner_folds):
        if not len(test) or not 0 < outcome[train].sum() < len(train):
            continue
        surprises.append(
            [
                _surprise(
                    outcome[test],
                    fit_pulled(worths[train], outcome[train], in_force, pull).probability(
                        worths[test]
                    ),
                )
                for pull in candidates
            ]
        )
    table = np.array(surprises)
    if len(table) < 2:
        return KEEP
    best = int(np.argmin(table.mean(axis=0)))
    # Fold by fold against the best: what is hard in a fold is hard for all.
    behind = table - table[:, [best]]
    error = behind.std(axis=0, ddof=1) / np.sqrt(len(table))
    near = behind.mean(axis=0) <= error
    return candidates[int(np.flatnonzero(near)[-1])]


def _surprise(outcome: NDArray[np.bool_], chance: Floats) -> float:
    clipped = np.clip(chance, 1e-9, 1 - 1e-9)
    return float(-np.mean(np.where(outcome, np.log(clipped), np.log(1 - clipped))))
