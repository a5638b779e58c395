"""An additive score learnt from outcomes: a curve from 0 to 1 and a weight for each column.

The form is that of the evaluations: score = Σ weight · curve(value), the weights adding up to 100.
Nothing goes with a pair of columns. What is learnt is a generalised additive logistic model

    logit P(good end) = intercept + Σ g_j(x_j)

g_j piecewise linear through knots for numbers, a step a level for words and for numbers that stand
for "none". Neighbouring knots are pulled together and levels to their mean; how strongly is chosen
for each column by restricted maximum likelihood (generalised Fellner-Schall update: Wood, Fasiolo
2017, Biometrics 73:1071), so that a column which says nothing becomes flat. Then
curve = (g - min g) / (max g - min g) and weight ~ max g - min g: the probability of a good end rises
with the score, and with each curve, and never falls.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callmart.weights.settings import FITTING
from callmart.weights.tables import CALENDAR_COLUMN, Column

Floats = NDArray[np.float64]

OTHER = "(other)"
_RIDGE = 1e-3
"""Keeps the directions that the penalties leave free (a constant a column) from drifting."""
_LEAST, _MOST = 1e-3, 1e8
"""Bounds of a penalty's strength."""
_MOST_TURNS = 40


@dataclass(frozen=True)
class Curve:
    """What a column's values are worth, 0 to 1; a flat one is worth the same everywhere."""

    name: str
    weight: float
    knots: tuple[tuple[float, float], ...]
    """(value of a number, worth), values rising; straight lines between, constant outside."""
    levels: tuple[tuple[str, float], ...]
    """(word, worth); `(other)` is every word that is not listed."""

    def worth(self, column: Column) -> Floats:
        """(n,), 0 to 1."""
        known = dict(self.levels)
        # A word that was never seen: as the rare ones, else halfway.
        by_word = {word: known.get(word, known.get(OTHER, 0.5)) for word in set(column.words)}
        values = np.array([by_word[word] for word in column.words], dtype=np.float64)
        if column.numbers is None:
            return values
        present = np.isfinite(column.numbers)
        if self.knots:
            raw, worth = zip(*self.knots, strict=True)
            values[present] = np.interp(column.numbers[present], raw, worth)
        return values


@dataclass(frozen=True)
class AdditiveScore:
    """A score from 0 to 100, and the probability of a good end that goes with it."""

    curves: tuple[Curve, ...]
    intercept: float
    slope: float
    """logit P = intercept + slope · score / 100; never negative."""

    def score(self, columns: Sequence[Column]) -> Floats:
        """(n,), 0 to 100."""
        by_name = {column.name: column for column in columns}
        parts = [curve.weight * curve.worth(by_name[curve.name]) for curve in self.curves]
        total: Floats = np.sum(parts, axis=0)
        return total

    def probability(self, columns: Sequence[Column]) -> Floats:
        """(n,), 0 to 1."""
        return sigmoid(self.intercept + self.slope * self.score(columns) / 100)


def fit_curves(
    columns: Sequence[Column],
    outcome: NDArray[np.bool_],
    increasing: Collection[str] = (),
    decreasing: Collection[str] = (),
) -> AdditiveScore:
    """Learn a score from n contacts and how they ended; `increasing` and `decreasing` name numeric
    columns whose curve may only rise or only fall."""
    blocks = _blocks(columns)
    design = _design(blocks, columns)
    terms = [term for block in blocks for term in _terms(block)]
    ends = outcome.astype(np.float64)
    coefficients, penalty = _fit(design, ends, terms)
    directions = {**dict.fromkeys(increasing, 1), **dict.fromkeys(decreasing, -1)}
    if directions:
        coefficients = _fit_directed(design, ends, penalty, coefficients, blocks, directions)
    return _normalised(blocks, coefficients)


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + e^-x), without overflow."""
    result: Floats = 0.5 * (1 + np.tanh(0.5 * values))
    return result


@dataclass(frozen=True)
class _Block:
    """The place of a column's knots, then levels, among the coefficients; the intercept is at 0."""

    name: str
    start: int
    knots: Floats
    levels: tuple[str, ...]

    @property
    def numbers(self) -> slice:
        return slice(self.start, self.start + len(self.knots))

    @property
    def words(self) -> slice:
        return slice(self.start + len(self.knots), self.end)

    @property
    def end(self) -> int:
        return self.start + len(self.knots) + len(self.levels)


@dataclass(frozen=True)
class _Term:
    """A quadratic penalty on a run of coefficients, its strength still to be found."""

    place: slice
    matrix: Floats
    rank: int


def _blocks(columns: Sequence[Column]) -> list[_Block]:
    blocks = []
    start = 1
    for column in columns:
        block = _Block(column.name, start, _knots(column), _levels(column))
        blocks.append(block)
        start = block.end
    return blocks


def _levels(column: Column) -> tuple[str, ...]:
    words, counts = np.unique(column.words.astype(str), return_counts=True)
    if column.numbers is not None:
        return tuple(str(word) for word in words if word)
    most_first = np.argsort(-counts, kind="stable")[: FITTING.most_levels]
    kept = [str(words[i]) for i in most_first if counts[i] >= FITTING.minimum_level_rows]
    return (*sorted(kept), OTHER) if len(kept) < len(words) else tuple(sorted(kept))


def _knots(column: Column) -> Floats:
    if column.numbers is None:
        return np.empty(0)
    present = column.numbers[np.isfinite(column.numbers)]
    values = np.unique(present)
    most = FITTING.calendar_knots if column.name == CALENDAR_COLUMN else FITTING.knots
    if len(values) <= most:
        return values
    # The outermost half per cent is too thin to have a slope of its own.
    return np.unique(np.quantile(present, np.linspace(0.005, 0.995, most), method="nearest"))


def _design(blocks: Sequence[_Block], columns: Sequence[Column]) -> Any:
    """Sparse (n, 1 + knots and levels): for a number the shares of the knots beside it, for a word a 1."""
    from scipy.sparse import csr_array

    everyone = np.arange(len(columns[0].words))
    parts = [(everyone, np.zeros_like(everyone), np.ones(len(everyone)))]
    for block, column in zip(blocks, columns, strict=True):
        if column.numbers is not None and len(block.knots):
            present = np.flatnonzero(np.isfinite(column.numbers))
            values = np.clip(column.numbers[present], block.knots[0], block.knots[-1])
            left = np.clip(np.searchsorted(block.knots, values, "right") - 1, 0, None)
            right = np.minimum(left + 1, len(block.knots) - 1)
            width = np.where(right > left, block.knots[right] - block.knots[left], 1)
            share = (values - block.knots[left]) / width
            parts.append((present, block.start + left, 1 - share))
            parts.append((present, block.start + right, share))
        names, inverse = np.unique(column.words.astype(str), return_inverse=True)
        place_of = {word: block.words.start + i for i, word in enumerate(block.levels)}
        # A number's row has no word; a word that is not listed is a rare one, where there are rare ones.
        other = place_of.get(OTHER, -1)
        places = [
            -1 if name == "" and column.numbers is not None else place_of.get(str(name), other)
            for name in names
        ]
        place = np.array(places, dtype=np.intp)[inverse]
        listed = np.flatnonzero(place >= 0)
        parts.append((listed, place[listed], np.ones(len(listed))))
    rows, place, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    # Both shares of the last knot fall on one place: they are added up.
    return csr_array((values, (rows, place)), shape=(len(everyone), blocks[-1].end))


def _terms(block: _Block) -> list[_Term]:
    terms = []
    if len(block.knots) > 1:
        steps = np.diff(np.eye(len(block.knots)), axis=0)
        terms.append(_Term(block.numbers, steps.T @ steps, len(steps)))
    if block.levels:
        terms.append(_Term(block.words, np.eye(len(block.levels)), len(block.levels)))
    return terms


def _fit(design: Any, ends: Floats, terms: Sequence[_Term]) -> tuple[Floats, Floats]:
    """Coefficients and the penalty matrix under which they were found."""
    strengths = np.full(len(terms), 10.0)
    share = np.clip(ends.mean(), 1e-6, 1 - 1e-6)
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log(share / (1 - share))
    freedom = np.zeros(len(terms))
    for _ in range(_MOST_TURNS):
        penalty = _penalty(strengths, terms, len(coefficients))
        loss = _loss(design, ends, coefficients, penalty)
        chances = sigmoid(design @ coefficients)
        weights = np.maximum(chances * (1 - chances), 1e-8)
        information = (design.T @ (design * weights[:, None])).toarray()
        inverse = np.linalg.inv(information + penalty)
        step = inverse @ (design.T @ (ends - chances) - penalty @ coefficients)
        for _ in range(10):
            if _loss(design, ends, coefficients + step, penalty) <= loss + 1e-9 * abs(loss):
                break
            step /= 2
        coefficients = coefficients + step
        before, freedom = freedom, np.zeros(len(terms))
        for i, term in enumerate(terms):
            own = coefficients[term.place]
            traced = float(np.sum(inverse[term.place, term.place] * term.matrix))
            freedom[i] = max(term.rank - strengths[i] * traced, 1e-9)
            size = max(float(own @ term.matrix @ own), 1e-12)
            # At most e^3 a turn, so that Newton can follow.
            moved = np.clip(freedom[i] / size / strengths[i], np.exp(-3), np.exp(3))
            strengths[i] = np.clip(strengths[i] * moved, _LEAST, _MOST)
        if np.abs(freedom - before).max() < 0.1 and np.abs(step).max() < 0.05:
            break
    return coefficients, penalty


def _penalty(strengths: Floats, terms: Sequence[_Term], size: int) -> Floats:
    penalty = np.eye(size) * _RIDGE
    penalty[0, 0] = 0
    for strength, term in zip(strengths, terms, strict=True):
        penalty[term.place, term.place] += strength * term.matrix
    return penalty


def _loss(design: Any, ends: Floats, coefficients: Floats, penalty: Floats) -> float:
    """Minus the penalised log likelihood."""
    linear = design @ coefficients
    surprise = np.logaddexp(0, linear).sum() - ends @ linear
    return float(surprise + 0.5 * coefficients @ penalty @ coefficients)


def _fit_directed(
    design: Any,
    ends: Floats,
    penalty: Floats,
    start: Floats,
    blocks: Sequence[_Block],
    directions: dict[str, int],
) -> Floats:
    """The same fit with curves that only rise (1) or only fall (-1): in the steps from knot to knot,
    which then have a sign."""
    from scipy.optimize import minimize

    from_steps = np.eye(len(start))
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * len(start)
    for block in blocks:
        direction = directions.get(block.name)
        if direction is None:
            continue
        from_steps[block.numbers, block.numbers] = np.tril(np.ones((len(block.knots),) * 2))
        for place in range(block.start + 1, block.numbers.stop):
            bounds[place] = (0, None) if direction > 0 else (None, 0)

    def loss(steps: Floats) -> tuple[float, Floats]:
        coefficients = from_steps @ steps
        linear = design @ coefficients
        gradient = design.T @ (sigmoid(linear) - ends) + penalty @ coefficients
        surprise = np.logaddexp(0, linear).sum() - ends @ linear
        value = float(surprise + 0.5 * coefficients @ penalty @ coefficients)
        return value, from_steps.T @ gradient

    first = np.linalg.solve(from_steps, start)
    lower = np.array([-np.inf if low is None else low for low, _ in bounds])
    upper = np.array([np.inf if high is None else high for _, high in bounds])
    found = minimize(
        loss,
        np.clip(first, lower, upper),
        jac=True,
        bounds=bounds,
        method="L-BFGS-B",
        options={"maxiter": 500, "maxcor": 30},
    )
    coefficients: Floats = from_steps @ found.x
    return coefficients


def _normalised(blocks: Sequence[_Block], coefficients: Floats) -> AdditiveScore:
    """Worths to 4 decimals and weights in cents that add up to 100, as the seeds hold them: what is
    measured afterwards is the very table that is written down."""
    own = [coefficients[block.start : block.end] for block in blocks]
    ranges = np.array([np.ptp(values) for values in own])
    total = float(ranges.sum())
    weights = in_cents(ranges / total if total > 0 else np.full(len(own), 1 / len(own)))
    curves = []
    intercept = float(coefficients[0])
    for block, values, spread, weight in zip(blocks, own, ranges, weights, strict=True):
        worths = np.round((values - values.min()) / spread if spread > 0 else values * 0 + 0.5, 4)
        # A flat curve's constant (one half) is paid back by the intercept.
        intercept += float(values.min()) - (0.0 if spread > 0 else total * weight / 100 * 0.5)
        knots = zip(block.knots, worths[: len(block.knots)], strict=True)
        levels = zip(block.levels, worths[len(block.knots) :], strict=True)
        curves.append(
            Curve(
                block.name,
                float(weight),
                tuple((float(knot), float(worth)) for knot, worth in knots),
                tuple((word, float(worth)) for word, worth in levels),
            )
        )
    return AdditiveScore(tuple(curves), intercept, total)


def in_cents(shares: Floats) -> Floats:
    """Shares of 1 as weights with two decimals that add up to 100 exactly (largest remainder)."""
    cents = np.floor(np.round(shares * 10_000, 6))
    left = int(10_000 - cents.sum())
    cents[np.argsort(-(shares * 10_000 - cents), kind="stable")[:left]] += 1
    weights: Floats = np.round(cents / 100, 2)
    return weights
