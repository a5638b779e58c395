"""A score for any labelled table of contacts, and how well it does on contacts it has not seen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callmart.weights.curves import AdditiveScore, fit_curves
from callmart.weights.settings import FITTING, Published
from callmart.weights.tables import Column, Table
from callmart.weights.validation import Quality, auc, folds, measure

Floats = NDArray[np.float64]


class TooFewOutcomesError(ValueError):
    """Too few ends of one kind to learn from; the message says how many there are and how many it takes."""


@dataclass(frozen=True)
class ContactsFit:
    """A score learnt from all rows, and its quality on rows it had not seen."""

    score: AdditiveScore
    quality: Quality
    peer: Quality
    """Gradient boosted trees without constraints (scikit-learn), in the same folds."""
    published: tuple[tuple[Published, bool], ...]
    """Figures of others for such a table, and whether ours compares: it does not when a column that
    they did without is used."""
    column_aucs: dict[str, float]
    """What each column ranks alone, in the same folds."""
    suspects: tuple[str, ...]
    """Columns that alone rank so well that they were probably known only after the outcome."""
    rows: int
    good: int
    notes: tuple[str, ...]


def require_outcomes(outcome: NDArray[np.bool_]) -> None:
    """Raise TooFewOutcomesError where either end occurs too rarely."""
    good = int(outcome.sum())
    bad = len(outcome) - good
    if min(good, bad) < FITTING.minimum_of_each:
        raise TooFewOutcomesError(
            f"{good} good and {bad} bad outcomes: at least {FITTING.minimum_of_each} of each are needed;"
            " nothing is proposed"
        )


def fit_contacts(
    table: Table,
    increasing: Collection[str] = (),
    decreasing: Collection[str] = (),
    in_order: bool = False,
) -> ContactsFit:
    """Cross-validate, then fit all rows. Everything, knots and levels and strengths included, is
    learnt inside the folds.

    Raises:
        TooFewOutcomesError: too few ends of one kind.
        ValueError: `increasing` or `decreasing` name a column that is not numeric.
    """
    numeric = {column.name for column in table.columns if column.numbers is not None}
    strange = sorted((set(increasing) | set(decreasing)) - numeric)
    if strange:
        raise ValueError(f"not a numeric column of the table: {', '.join(strange)}")
    require_outcomes(table.outcome)
    rows = len(table.outcome)
    chance, peer = np.full(rows, np.nan), np.full(rows, np.nan)
    alone = {column.name: np.full(rows, np.nan) for column in table.columns}
    fold_of = np.full(rows, -1)
    for number, (train, test) in enumerate(folds(table.outcome, table.groups, in_order)):
        learnt, seen = table.take(train), table.take(test)
        if not 0 < learnt.outcome.sum() < len(train):
            continue
        fitted = fit_curves(learnt.columns, learnt.outcome, increasing, decreasing)
        chance[test] = fitted.probability(seen.columns)
        peer[test] = _boosted(learnt, seen)
        for own, other in zip(learnt.columns, seen.columns, strict=True):
            alone[own.name][test] = _rates(own, learnt.outcome, other)
        fold_of[test] = number
    judged = np.flatnonzero(fold_of >= 0)
    outcome, fold_of = table.outcome[judged], fold_of[judged]
    aucs = {
        name: float(
            np.nanmean(
                [
                    auc(outcome[fold_of == fold], rates[judged][fold_of == fold])
                    for fold in np.unique(fold_of)
                ]
            )
        )
        for name, rates in alone.items()
    }
    names = {column.name for column in table.columns}
    return ContactsFit(
        score=fit_curves(table.columns, table.outcome, increasing, decreasing),
        quality=measure(outcome, chance[judged], fold_of),
        peer=measure(outcome, peer[judged], fold_of),
        published=tuple(
            (known, not names & set(known.without))
            for known in FITTING.published
            if set(known.columns) <= names
        ),
        column_aucs=dict(sorted(aucs.items(), key=lambda item: -item[1])),
        suspects=tuple(name for name, value in aucs.items() if value > FITTING.leak_auc),
        rows=rows,
        good=int(table.outcome.sum()),
        notes=table.notes,
    )


def seed_rows(
    fit: ContactsFit, evaluation: str, version: int, effective_from: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(weights, knots) in the columns of the seeds evaluation_weights and evaluation_knots.

    A word's worth stands in the column `level` of its knot, which the seed does not have: such a
    column's words go into evaluation_code_values, and its curve is the straight line.
    """
    reason = "learnt from outcomes by callmart weights fit"
    source = (
        f"{fit.good} good of {fit.rows} contacts; cross-validated AUC {fit.quality.auc:.4f},"
        f" alone {{alone:.4f}}"
    )
    weights = []
    knots: list[dict[str, Any]] = []
    for curve in fit.score.curves:
        key = {"evaluation": evaluation, "rule_version": version, "component": curve.name}
        weights.append(
            {
                **key,
                "weight": curve.weight,
                "half_life_days": "",
                "prior": round(fit.good / fit.rows, 4),
                "prior_strength": 0,
                "effective_from": effective_from,
                "effective_to": "",
                "reason": reason,
                "source": source.format(alone=fit.column_aucs.get(curve.name, float("nan"))),
            }
        )
        points: list[tuple[float | str, str, float]] = [
            (raw, "", worth) for raw, worth in curve.knots
        ]
        points += [("", word, worth) for word, worth in curve.levels]
        knots += [
            {
                **key,
                "knot_number": i,
                "raw_value": raw,
                "level": word,
                "value": worth,
                "reason": reason,
            }
            for i, (raw, word, worth) in enumerate(points, start=1)
        ]
    return weights, knots


def _boosted(learnt: Table, seen: Table) -> Floats:
    """(n,) chances of `seen` by gradient boosted trees fitted to `learnt`."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    numbers = []
    for own, other in zip(learnt.columns, seen.columns, strict=True):
        pair = []
        codes = {word: i for i, word in enumerate(sorted(set(own.words)))}
        for column in (own, other):
            words = np.array([codes.get(word, -1) for word in column.words], dtype=np.float64)
            if column.numbers is None:
                # Trees have room for 255 categories; rarer words than those are missing.
                pair.append(np.where((words >= 0) & (words < 255), words, np.nan))
            else:
                # What stands for "none" lies below all numbers.
                special = (column.words != "") & (column.words != "(empty)")
                pair.append(np.where(special, -1e9, column.numbers))
        numbers.append(pair)
    train = np.column_stack([pair[0] for pair in numbers])
    test = np.column_stack([pair[1] for pair in numbers])
    model = HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=300,
        categorical_features=[column.numbers is None for column in learnt.columns],
        early_stopping=True,
        random_state=FITTING.seed,
    )
    chances: Floats = model.fit(train, learnt.outcome).predict_proba(test)[:, 1]
    return chances


def _rates(own: Column, outcome: NDArray[np.bool_], other: Column) -> Floats:
    """(n,) rate of good ends, in training, of contacts like these in one column: in fiftieths of a
    numeric one, by word of another."""
    rate = float(outcome.mean())
    if own.numbers is None or other.numbers is None:
        places = {word: i for i, word in enumerate(sorted(set(own.words)))}
        at_own = np.array([places[word] for word in own.words])
        at_other = np.array([places.get(word, len(places)) for word in other.words])
        size = len(places) + 1
    else:
        present = own.numbers[np.isfinite(own.numbers)]
        edges = (
            np.unique(np.quantile(present, np.linspace(0, 1, 51)[1:-1]))
            if len(present)
            else np.empty(0)
        )
        at_own = np.where(
            np.isfinite(own.numbers), np.searchsorted(edges, own.numbers), len(edges) + 1
        )
        at_other = np.where(
            np.isfinite(other.numbers), np.searchsorted(edges, other.numbers), len(edges) + 1
        )
        size = len(edges) + 2
    seen = np.bincount(at_own, minlength=size)
    good = np.bincount(at_own, weights=outcome, minlength=size)
    # As if ten more contacts had come at the rate of all, so that thin places do not jump about.
    rates: Floats = ((good + 10 * rate) / (seen + 10))[at_other]
    return rates
