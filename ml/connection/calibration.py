"""Fits what `calibration.yaml` holds: the model of voices, and how often each rule is right.

    python -m ml.connection.calibration FOLDER… [--out FILE]

A folder holds `truth.csv` with the columns `file` (one path, or the agent's and the customer's,
relative to the folder), `outcome`, `also_acceptable` (apart by blanks or bars) and `is_connected`.

The model is a logistic regression over `describe_voices`. A recording of two channels counts twice:
with its far side alone where the agent says nothing, and mixed to one channel. A rule's confidence
is the share of right verdicts, drawn towards that of all rules by `_PRIOR_CALLS` made-up calls, so
that a rule met three times is not sure of itself; where the rule is the model, a slope and an offset
on the model's log odds are fitted instead (Platt 1999). Both are judged by cross-validation over
calls: all that comes of a call lies in one fold.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ml.audio.decode import Recording, UnreadableAudioError, decode, merge
from ml.connection import decision
from ml.connection.rules import CALIBRATION_PATH

_PRIOR_CALLS = 12.0
_PENALTY = 0.3  # scikit-learn's C: the smaller the simpler
_FOLDS = 10
_HIGHEST = 0.995  # nobody is surer of a sound than that
MODELS = ("mono_person", "mono_prompt", "alone_person", "alone_prompt")
"""The rules whose probability comes from the model of voices."""


@dataclass(frozen=True)
class Case:
    """One labelled call, decoded."""

    group: str
    """What belongs to one call."""
    recording: Recording
    outcomes: frozenset[str]
    """Those that count as right."""
    is_connected: bool | None


@dataclass(frozen=True)
class Voices:
    """One set of figures and whether a living person was there."""

    group: str
    figures: dict[str, float]
    person: bool


@dataclass(frozen=True)
class Judged:
    """One verdict and whether it was right."""

    group: str
    rule: str
    probability: float | None
    right: bool


def read_cases(folders: list[Path]) -> Iterator[Case]:
    """The calls of labelled folders, one at a time; what cannot be decoded is left out."""
    for folder in folders:
        with (folder / "truth.csv").open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file)):
                files = [folder / name for name in row["file"].split()]
                try:
                    recording = (
                        decode(files[0])
                        if len(files) == 1
                        else merge(decode(files[0]), decode(files[1]))
                    )
                except UnreadableAudioError:
                    continue
                also = (row.get("also_acceptable") or "").replace("|", " ").split()
                connected = {"true": True, "false": False}.get(row["is_connected"])
                yield Case(
                    f"{folder}:{number}", recording, frozenset({row["outcome"], *also}), connected
                )


def mix(recording: Recording) -> Recording:
    """Both channels in one."""
    wide = recording.samples.astype(np.int32).sum(axis=0, keepdims=True)
    return replace(recording, samples=np.clip(wide, -32768, 32767).astype(np.int16))


def collect(folders: list[Path]) -> tuple[list[Voices], list[Judged]]:
    """What the model learns from, and the verdicts by the model now in force."""
    voices: list[Voices] = []
    judged: list[Judged] = []
    for case in read_cases(folders):
        views = [case.recording]
        if len(case.recording.samples) == 2:
            views.append(mix(case.recording))
        for index, view in enumerate(views):
            seen: list[dict[str, float]] = []
            found = decision.observe(view, listener=seen.append)
            if case.is_connected is not None:
                voices += [Voices(case.group, figures, case.is_connected) for figures in seen[-1:]]
            if index == 0:
                judged.append(
                    Judged(
                        case.group, found.rule, found.probability, found.outcome in case.outcomes
                    )
                )
    return voices, judged


def fit_voices(items: list[Voices]) -> dict[str, Any]:
    """Means, scales, weights and intercept of the logistic model."""
    from sklearn.linear_model import LogisticRegression

    names = list(items[0].figures)
    rows = np.array([[item.figures[name] for name in names] for item in items])
    means, scales = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-3)
    model = LogisticRegression(C=_PENALTY, max_iter=5000)
    model.fit((rows - means) / scales, [item.person for item in items])
    return {
        "intercept": round(float(model.intercept_[0]), 4),
        "means": _named(names, means),
        "scales": _named(names, scales),
        "weights": _named(names, model.coef_[0]),
    }


def _named(names: list[str], values: NDArray[np.float64]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(names, values, strict=True)}


def odds_of(model: dict[str, Any], figures: dict[str, float]) -> float:
    """Log odds of a person by a fitted model."""
    return float(
        model["intercept"]
        + sum(
            model["weights"][name] * (value - model["means"][name]) / model["scales"][name]
            for name, value in figures.items()
        )
    )


def fit_confidence(judged: list[Judged]) -> dict[str, dict[str, float]]:
    """By rule `right`, or `offset` and `slope` where the rule carries a probability."""
    from sklearn.linear_model import LogisticRegression

    overall = float(np.mean([item.right for item in judged]))
    table: dict[str, dict[str, float]] = {}
    for rule in decision.RULES:
        own = [item for item in judged if item.rule == rule]
        if rule not in MODELS:
            rate = (sum(item.right for item in own) + _PRIOR_CALLS * overall) / (
                len(own) + _PRIOR_CALLS
            )
            table[rule] = {"right": round(min(rate, _HIGHEST), 4), "calls": len(own)}
    by_model = [item for item in judged if item.probability is not None]
    offset, slope = 0.0, 1.0
    if len({item.right for item in by_model}) == 2:
        odds = np.array([[_log_odds(item.probability)] for item in by_model])
        line = LogisticRegression(C=1.0).fit(odds, [item.right for item in by_model])
        offset, slope = float(line.intercept_[0]), max(0.0, float(line.coef_[0][0]))
    for rule in MODELS:
        count = sum(item.rule == rule for item in by_model)
        table[rule] = {"offset": round(offset, 4), "slope": round(slope, 4), "calls": count}
    return table


def _log_odds(probability: float | None) -> float:
    value = min(max(probability or 0.5, 1e-9), 1 - 1e-9)
    return math.log(value / (1 - value))


def confidence_of(table: dict[str, dict[str, float]], item: Judged) -> float:
    """The fitted confidence of one verdict."""
    entry = table[item.rule]
    if item.probability is None:
        return entry["right"]
    value = entry["offset"] + entry["slope"] * _log_odds(item.probability)
    return 1 / (1 + math.exp(-value))


def expected_calibration_error(
    confidences: list[float], right: list[bool], bins: int = 10
) -> float:
    """Mean distance between confidence and share of right verdicts over equal bins, by their size."""
    values, truth = np.array(confidences), np.array(right, dtype=float)
    place = np.minimum((values * bins).astype(int), bins - 1)
    return float(
        sum(
            (place == index).mean()
            * abs(values[place == index].mean() - truth[place == index].mean())
            for index in range(bins)
            if (place == index).any()
        )
    )


def folds_of(groups: list[str], folds: int = _FOLDS) -> NDArray[np.intp]:
    """A fold for each item, the same for all of a call, by a fixed shuffle."""
    names = sorted(set(groups))
    order = np.random.default_rng(0).permutation(len(names))
    place = {name: int(order[i]) % folds for i, name in enumerate(names)}
    return np.array([place[group] for group in groups])


def cross_validate(voices: list[Voices], judged: list[Judged]) -> dict[str, float]:
    """Accuracy and false persons of the model, error of the confidences, on folds left out."""
    fold = folds_of([item.group for item in voices])
    guesses = np.zeros(len(voices))
    for index in range(_FOLDS):
        train = [item for item, place in zip(voices, fold, strict=True) if place != index]
        model = fit_voices(train)
        for place in np.flatnonzero(fold == index):
            guesses[place] = odds_of(model, voices[place].figures)
    person = np.array([item.person for item in voices])
    fold = folds_of([item.group for item in judged])
    confidences = [0.0] * len(judged)
    for index in range(_FOLDS):
        table = fit_confidence(
            [item for item, place in zip(judged, fold, strict=True) if place != index]
        )
        for place in np.flatnonzero(fold == index):
            confidences[place] = confidence_of(table, judged[place])
    right = [item.right for item in judged]
    return {
        "voices": len(voices),
        "voices_right": round(float(((guesses > 0) == person).mean()), 4),
        "voices_false_persons": round(float(((guesses > 0) & ~person).mean()), 4),
        "calls": len(judged),
        "right": round(float(np.mean(right)), 4),
        "expected_calibration_error": round(expected_calibration_error(confidences, right), 4),
    }


def main() -> None:
    """Fit on the folders named, twice: the rules' confidence follows the model's verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=CALIBRATION_PATH)
    options = parser.parse_args()
    voices, _ = collect(options.folders)
    first = {"voices": fit_voices(voices), "confidence": _unsure()}
    _write(options.out, first, {})
    voices, judged = collect(options.folders)
    figures = cross_validate(voices, judged)
    _write(options.out, {"voices": first["voices"], "confidence": fit_confidence(judged)}, figures)
    print(yaml.safe_dump(figures, sort_keys=False))


def _unsure() -> dict[str, dict[str, float]]:
    flat = {rule: {"right": 0.9, "calls": 0} for rule in decision.RULES if rule not in MODELS}
    return {**flat, **{rule: {"offset": 0.0, "slope": 1.0, "calls": 0} for rule in MODELS}}


def _write(path: Path, tables: dict[str, Any], figures: dict[str, float]) -> None:
    from ml.connection.rules import load_rules

    head = (
        "# Written by `python -m ml.connection.calibration`; do not edit. `voices`: a logistic model\n"
        "# of whether speech in one channel is a living person's (figures: voices.describe_voices).\n"
        "# `confidence`: by rule, how often it was right on the calls it was fitted on.\n"
    )
    body = yaml.safe_dump({"version": 1, "fitted": figures, **tables}, sort_keys=False)
    path.write_text(head + body, encoding="utf-8")
    load_rules.cache_clear()


if __name__ == "__main__":
    main()
