"""Learns the judge of who answered from labelled calls: makes `judge.npz` and its card.

    python -m ml.connection.training FOLDER… [--held-out FOLDER…] [--out DIR]

A folder holds `truth.csv` as `benchmarks.calls` writes it. Each call is heard as it is, and in other
views of the same truth: both sides mixed to one channel, the far side or the agent alone, and a piece
out of the middle, because centres record in all these ways. Boosted trees (scikit-learn's
HistGradientBoostingClassifier) are fitted to the traits; all views of a call lie in one fold of the
cross-validation, by which the temperature of the probabilities is set.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.audio.decode import ANALYSIS_RATE, Recording, UnreadableAudioError, decode, merge
from ml.connection.calibration import expected_calibration_error, mix
from ml.connection.decision import SPOKEN, observe
from ml.connection.judge import CARD_PATH, GROUPS, JUDGE_PATH, Judge
from ml.connection.traits import describe

SETTINGS: dict[str, Any] = {
    # Small trees, slowly: trees twice the size were better on calls made like those they had
    # learnt from and worse on calls made otherwise.
    "max_iter": 220,
    "learning_rate": 0.05,
    "max_leaf_nodes": 6,
    "min_samples_leaf": 25,
    "l2_regularization": 10.0,
    "max_features": 0.3,
    "random_state": 0,
}
_CLASS_POWER = 0.5  # a class counts by its size to this power less: rare ones are heard too
_VIEW_WEIGHT = 0.5  # of a view beside the call as it was recorded
_FOLDS = 5
_PIECE_SECONDS = (6.0, 40.0)


@dataclass(frozen=True)
class Example:
    """One view of one call, where speech is heard and so the judge is asked."""

    call: str
    """Folder and number: what belongs to one call."""
    is_view: bool
    group: str
    """Of `GROUPS`."""
    is_connected: bool
    traits: dict[str, float]


def read_examples(folder: Path, views: bool, jobs: int = 1) -> list[Example]:
    """The calls of a labelled folder as examples, in the order of `truth.csv`.

    `views`: whether the other views are made too. Left out: what cannot be decoded, what the truth
    calls undecidable, and what is decided without the judge.
    """
    with (folder / "truth.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(folder, number, row, views) for number, row in enumerate(csv.DictReader(file))]
    if jobs == 1:
        return [example for row in rows for example in _examples_of(row)]
    with ProcessPoolExecutor(jobs) as pool:
        return [e for found in pool.map(_examples_of, rows, chunksize=20) for e in found]


def _examples_of(work: tuple[Path, int, dict[str, str], bool]) -> list[Example]:
    folder, number, row, views = work
    if row["is_connected"] not in ("true", "false"):
        return []
    files = [folder / name for name in row["file"].split()]
    try:
        whole = decode(files[0]) if len(files) == 1 else merge(decode(files[0]), decode(files[1]))
    except UnreadableAudioError:
        return []
    found = []
    recordings = [whole, *(_views(whole, row, number) if views else ())]
    for index, recording in enumerate(recordings):
        scene = observe(recording, row.get("country") or None)
        if scene.far_speech and scene.outcome in SPOKEN:
            found.append(
                Example(
                    call=f"{folder.name}:{number}",
                    is_view=index > 0,
                    group=_group(row, scene.terminal is not None),
                    is_connected=row["is_connected"] == "true",
                    traits=describe(scene),
                )
            )
    return found


def _group(row: dict[str, str], has_tone: bool) -> str:
    """The group a call belongs to; words of the network without a tone are a prompt's."""
    accepted = (row.get("also_acceptable") or "").replace("|", " ").split()
    if row["outcome"] in GROUPS:
        return row["outcome"]
    return "ivr" if "ivr" in accepted and not has_tone else "tones"


def _views(whole: Recording, row: dict[str, str], number: int) -> Iterator[Recording]:
    random = np.random.default_rng([7, number])
    mono = whole
    if len(whole.samples) == 2:
        mono = mix(whole)
        yield mono
        yield replace(whole, samples=whole.samples[1:])
        if row["is_connected"] == "true":
            yield replace(whole, samples=whole.samples[:1])
    if row["is_answered"] != "true" or not row.get("answered_at_seconds"):
        return
    first = float(row["answered_at_seconds"]) + float(random.uniform(1.0, 15.0))
    length = float(random.uniform(*_PIECE_SECONDS))
    source = whole if random.random() < 0.5 else mono
    piece = source.samples[
        :, round(first * ANALYSIS_RATE) : round((first + length) * ANALYSIS_RATE)
    ]
    if piece.shape[1] > 4 * ANALYSIS_RATE and row["outcome"] in ("human", "ivr"):
        yield replace(source, samples=np.ascontiguousarray(piece))


def fit(examples: list[Example]) -> tuple[Judge, NDArray[np.float64]]:
    """The judge, and the probabilities that folds left out gave each example, (examples, groups)."""
    names = tuple(examples[0].traits)
    rows = np.array([[e.traits[name] for name in names] for e in examples], dtype=np.float32)
    groups = np.array([GROUPS.index(e.group) for e in examples])
    folds = _folds([e.call for e in examples])
    odds = np.full((len(examples), len(GROUPS)), -20.0)
    for fold in range(_FOLDS):
        train = folds != fold
        model = _fit_trees(rows[train], groups[train], _weights(examples, groups)[train])
        left = np.flatnonzero(~train)
        odds[np.ix_(left, model.classes_)] = model.decision_function(rows[left])
    temperature = _temperature(odds, groups)
    model = _fit_trees(rows, groups, _weights(examples, groups))
    return _pack(model, names, temperature), _softmax(odds / temperature)


def _fit_trees(rows: NDArray[Any], groups: NDArray[Any], weights: NDArray[Any]) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**SETTINGS).fit(rows, groups, sample_weight=weights)


def _weights(examples: list[Example], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    sizes = np.bincount(groups, minlength=len(GROUPS)).clip(1)
    weights = (1.0 / sizes[groups]) ** _CLASS_POWER
    weights *= np.where([e.is_view for e in examples], _VIEW_WEIGHT, 1.0)
    scaled: NDArray[np.float64] = weights / weights.mean()
    return scaled


def _folds(calls: list[str]) -> NDArray[np.intp]:
    """A fold for each example, the same for all views of a call."""
    names = sorted(set(calls))
    order = np.random.default_rng(0).permutation(len(names))
    place = {name: int(order[index]) % _FOLDS for index, name in enumerate(names)}
    return np.array([place[call] for call in calls])


def _softmax(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(odds - odds.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _temperature(odds: NDArray[np.float64], groups: NDArray[np.intp]) -> float:
    """The divisor of the log odds under which the truth is likeliest (Guo et al. 2017)."""
    steps = np.linspace(0.6, 2.5, 96)
    loss = [
        -np.log(_softmax(odds / step)[np.arange(len(groups)), groups] + 1e-12).mean()
        for step in steps
    ]
    return round(float(steps[int(np.argmin(loss))]), 3)


def _pack(model: Any, names: tuple[str, ...], temperature: float) -> Judge:
    """The trees of a fitted model as plain arrays, padded to the size of the largest."""
    trees = [
        (int(model.classes_[place]), tree.nodes)
        for round_ in model._predictors
        for place, tree in enumerate(round_)
    ]
    shape = (len(trees), max(len(nodes) for _, nodes in trees))
    arrays: dict[str, NDArray[Any]] = {
        "feature": np.full(shape, -1, np.int16),
        "threshold": np.zeros(shape, np.float32),
        "left": np.zeros(shape, np.int16),
        "right": np.zeros(shape, np.int16),
        "missing_left": np.zeros(shape, bool),
        "value": np.zeros(shape, np.float32),
    }
    for index, (_, nodes) in enumerate(trees):
        place = slice(0, len(nodes))
        arrays["feature"][index, place] = np.where(nodes["is_leaf"], -1, nodes["feature_idx"])
        arrays["threshold"][index, place] = nodes["num_threshold"]
        arrays["left"][index, place] = nodes["left"]
        arrays["right"][index, place] = nodes["right"]
        arrays["missing_left"][index, place] = nodes["missing_go_to_left"]
        arrays["value"][index, place] = nodes["value"]
    prior = np.full(len(GROUPS), -20.0, np.float32)
    prior[model.classes_] = np.ravel(model._baseline_prediction)
    return Judge(
        names=names,
        group=np.array([group for group, _ in trees], np.int16),
        prior=prior,
        temperature=temperature,
        **arrays,
    )


def save(judge: Judge, card: dict[str, Any], folder: Path) -> None:
    """Write `judge.npz` and `judge.json`; the same judge makes the same bytes."""
    arrays = {name: value for name, value in vars(judge).items() if name != "names"}
    np.savez_compressed(folder / JUDGE_PATH.name, names=np.array(judge.names), **arrays)
    text = json.dumps(card, indent=2, ensure_ascii=False)
    (folder / CARD_PATH.name).write_text(text + "\n", encoding="utf-8")


def evaluate(examples: list[Example], shares: NDArray[np.float64]) -> dict[str, Any]:
    """Figures of the judge alone on examples, by the probabilities it gave them."""
    groups = np.array([GROUPS.index(e.group) for e in examples])
    person = np.array([e.is_connected for e in examples])
    best = shares.argmax(axis=1)
    right = best == groups
    false = (best == 0) & ~person
    return {
        "n": len(examples),
        "persons": int(person.sum()),
        "group_right": round(float(right.mean()), 4),
        "connected_right": round(float(((best == 0) == person).mean()), 4),
        "false_persons": round(float(false.sum() / max(1, (~person).sum())), 4),
        "expected_calibration_error": round(
            expected_calibration_error(shares.max(axis=1).tolist(), right.tolist()), 4
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--held-out", nargs="*", type=Path, default=[])
    parser.add_argument("--out", type=Path, default=JUDGE_PATH.parent)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    examples = [e for folder in given.folders for e in read_examples(folder, True, given.jobs)]
    judge, shares = fit(examples)
    whole = [index for index, example in enumerate(examples) if not example.is_view]
    card: dict[str, Any] = {
        "made_by": "python -m ml.connection.training "
        + " ".join(folder.name for folder in given.folders),
        "settings": SETTINGS,
        "calls": len({e.call for e in examples}),
        "cross_validated": {
            "calls_as_recorded": evaluate([examples[i] for i in whole], shares[whole]),
            "all_views": evaluate(examples, shares),
        },
        "held_out": {},
    }
    for folder in given.held_out:
        others = read_examples(folder, False, given.jobs)
        told = np.array([[judge.weigh(e.traits)[g] for g in GROUPS] for e in others])
        card["held_out"][folder.name] = evaluate(others, told)
    save(judge, card, given.out)
    print(json.dumps(card, indent=2))


if __name__ == "__main__":
    main()
