"""Evaluation in which no held-out speaker is seen, and training on top of it.

One fold: the family learns (scaler, projection, classifier, mixture) from the other speakers
alone, and judges the held-out ones. Calibration learns from the judgements of folds, so it too
has never seen a voice it is applied to.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.emotion.corpus import Corpus, against_own_voice
from ml.emotion.families import Array, Labels, Stretch, make_family
from ml.emotion.model import EmotionModel, softmax
from ml.emotion.settings import labels as known_labels
from ml.emotion.settings import settings


@dataclass(frozen=True)
class Evaluation:
    """What grouped cross-validation found for one family.

    Attributes:
        logits: float32 (n, labels), each row by a model that never met its speaker.
        truth: indices of the labels (n,).
        speakers: (n,).
        speaker_baseline_uar: UAR where every stretch is in units of its own speaker's mean and
            spread (`against_own_voice`), for which no label is looked at.
        temperature: fitted on all rows of `logits`; for the model that learns from everybody.
        calibration_error: expected calibration error in ten bins of equal width, where each
            speaker's temperature was fitted on the other speakers' rows.
    """

    family: str
    labels: tuple[str, ...]
    logits: Array
    truth: Labels
    speakers: NDArray[np.str_]
    speaker_baseline_uar: float
    temperature: float
    calibration_error: float
    realtime_factor: float

    @property
    def guesses(self) -> Labels:
        result: Labels = self.logits.argmax(axis=1)
        return result

    @property
    def uar(self) -> float:
        return unweighted_average_recall(self.truth, self.guesses, len(self.labels))

    def as_dict(self) -> dict[str, Any]:
        """The keys the command line promises."""
        return {
            "uar": round(self.uar, 4),
            "uar_speaker_baseline": round(self.speaker_baseline_uar, 4),
            "accuracy": round(float((self.truth == self.guesses).mean()), 4),
            "confusion": self.confusion().tolist(),
            "labels": list(self.labels),
            "n": len(self.truth),
            "groups": len(np.unique(self.speakers)),
            "features_realtime_factor": round(self.realtime_factor, 1),
        }

    def confusion(self) -> NDArray[np.intp]:
        """Counts, (labels, labels): rows are the truth, columns the judgement."""
        table = np.zeros((len(self.labels), len(self.labels)), np.intp)
        np.add.at(table, (self.truth, self.guesses), 1)
        return table


def unweighted_average_recall(truth: Labels, guesses: Labels, classes: int) -> float:
    """Mean of the recalls of the classes that occur in `truth`."""
    right = np.bincount(truth[truth == guesses], minlength=classes)
    there = np.bincount(truth, minlength=classes)
    return float((right[there > 0] / there[there > 0]).mean())


def folds(speakers: NDArray[np.str_]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(places to learn from, places held out): whole speakers, each held out once.

    One speaker a fold for few speakers; for many, folds of whole speakers with near-equal numbers
    of rows (`evaluation` in settings.yaml).
    """
    names, counts = np.unique(speakers, return_counts=True)
    options = settings()["evaluation"]
    number = len(names) if len(names) <= options["leave_one_out_up_to"] else options["folds"]
    load = np.zeros(number, np.intp)
    fold_of: dict[str, int] = {}
    for place in np.argsort(-counts, kind="stable"):
        lightest = int(load.argmin())
        fold_of[str(names[place])] = lightest
        load[lightest] += counts[place]
    assigned = np.array([fold_of[str(speaker)] for speaker in speakers])
    for fold in range(number):
        yield np.flatnonzero(assigned != fold), np.flatnonzero(assigned == fold)


def evaluate(corpus: Corpus, family: str, **hyperparameters: Any) -> Evaluation:
    """Grouped cross-validation of one family on a corpus.

    A fold whose other speakers lack a label learns without it; it can then only miss that label.
    """
    present = tuple(label for label in known_labels() if label in corpus.labels)
    truth: Labels = np.array([present.index(label) for label in corpus.labels])
    logits = held_out_logits(
        corpus.stretches, corpus.copies, truth, corpus.speakers, family, **hyperparameters
    )
    own, own_copies = _against_own_voice(corpus)
    own_logits = held_out_logits(own, own_copies, truth, corpus.speakers, family, **hyperparameters)
    calibrated = np.empty_like(logits)
    for learn, held_out in folds(corpus.speakers):
        temperature = fit_temperature(logits[learn], truth[learn])
        calibrated[held_out] = softmax(logits[held_out] / np.float32(temperature))
    return Evaluation(
        family=family,
        labels=present,
        logits=logits,
        truth=truth,
        speakers=corpus.speakers,
        speaker_baseline_uar=unweighted_average_recall(
            truth, own_logits.argmax(axis=1), len(present)
        ),
        temperature=fit_temperature(logits, truth),
        calibration_error=expected_calibration_error(calibrated, truth),
        realtime_factor=corpus.realtime_factor,
    )


def held_out_logits(
    stretches: Sequence[Stretch],
    copies: Sequence[dict[str, Stretch]],
    truth: Labels,
    speakers: NDArray[np.str_],
    family: str,
    **hyperparameters: Any,
) -> Array:
    """Logits of every stretch by a model that learnt from the other folds' speakers only."""
    logits = np.full((len(stretches), int(truth.max()) + 1), -50.0, np.float32)
    with _one_thread():
        for learn, held_out in folds(speakers):
            there, compact = np.unique(truth[learn], return_inverse=True)
            if len(there) == 1:
                logits[held_out, there[0]] = 0
                continue
            fitted = make_family(family, **hyperparameters)
            to_learn, labels = _with_copies(stretches, copies, learn, compact)
            fitted.fit(to_learn, labels, len(there))
            judged = fitted.logits([stretches[place] for place in held_out])
            logits[np.ix_(held_out, there)] = judged
    return logits


def _with_copies(
    stretches: Sequence[Stretch],
    copies: Sequence[dict[str, Stretch]],
    places: NDArray[np.intp],
    labels: Labels,
) -> tuple[list[Stretch], Labels]:
    """The stretches at `places` and their copies, with the labels (one a place) repeated."""
    chosen = [stretches[place] for place in places]
    repeated = list(labels)
    for place, label in zip(places, labels, strict=True):
        chosen += copies[place].values()
        repeated += [label] * len(copies[place])
    return chosen, np.array(repeated, np.intp)


def _against_own_voice(corpus: Corpus) -> tuple[list[Stretch], list[dict[str, Stretch]]]:
    """Stretches and copies in units of their speakers; each variant of a speaker is a speaker of
    its own, as if all of that person's calls had come over that line."""
    own = against_own_voice(corpus.stretches, corpus.speakers)
    own_copies: list[dict[str, Stretch]] = [{} for _ in own]
    for variant in sorted({name for copies in corpus.copies for name in copies}):
        places = [place for place, copies in enumerate(corpus.copies) if variant in copies]
        varied = against_own_voice(
            [corpus.copies[place][variant] for place in places], corpus.speakers[places]
        )
        for place, stretch in zip(places, varied, strict=True):
            own_copies[place][variant] = stretch
    return own, own_copies


def fit_temperature(logits: Array, truth: Labels) -> float:
    """The temperature of the least negative log likelihood, every class weighing the same.

    One parameter (Guo et al., "On calibration of modern neural networks", 2017) by golden-section
    search on its logarithm; rounded, so that a rebuild gives the same digits.
    """
    from scipy.optimize import minimize_scalar

    counts = np.bincount(truth, minlength=logits.shape[1])
    weight = 1 / counts[truth]
    wide = np.maximum(logits.astype(np.float64), logits.max(axis=1, keepdims=True) - 50)

    def loss(log_temperature: float) -> float:
        scaled = wide / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        picked = scaled[np.arange(len(truth)), truth] - np.log(np.exp(scaled).sum(axis=1))
        return float(-(weight * picked).sum())

    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(50.0)), method="bounded")
    return round(float(np.exp(best.x)), 4)


def expected_calibration_error(probabilities: Array, truth: Labels) -> float:
    """Mean gap between confidence and share of right guesses over ten bins, weighted by size."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = [
        abs(float(confidence[bins == b].mean()) - float(right[bins == b].mean()))
        * (bins == b).sum()
        for b in np.unique(bins)
    ]
    return float(sum(gaps) / len(truth))


def train(corpus: Corpus, evaluation: Evaluation, about: dict[str, Any]) -> EmotionModel:
    """A model of the evaluated family that learns from every speaker, with its card.

    Args:
        evaluation: of the same corpus; it brings the calibration and the figures of the card.
        about: goes into the card first: data, licence, training command.
    """
    fitted = make_family(evaluation.family)
    with _one_thread():
        everybody = np.arange(len(corpus.stretches))
        to_learn, labels = _with_copies(
            corpus.stretches, corpus.copies, everybody, evaluation.truth
        )
        fitted.fit(to_learn, labels, len(evaluation.labels))
    return EmotionModel(
        family=fitted,
        labels=evaluation.labels,
        temperature=evaluation.temperature,
        card={**about, **_figures(corpus, evaluation)},
    )


def about(manifest: Path, data: str | None, licence: str) -> dict[str, Any]:
    """The card's first lines: what was learnt from, whose it is, and how to do it again.

    Only the manifest's folder is named, never where it lies: the card reads the same anywhere.
    """
    place = f"{manifest.absolute().parent.name}/{manifest.name}"
    command = ["callmart", "emotion", "train", "--manifest", place, "--out", "models"]
    command += ["--data", data] if data else []
    command += ["--licence", licence]
    return {
        "data": data or manifest.absolute().parent.name,
        "licence": licence,
        "manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "training_command": shlex.join(command),
        "known_failings": list(settings()["card"]["known_failings"]),
    }


def _figures(corpus: Corpus, evaluation: Evaluation) -> dict[str, Any]:
    classes = len(evaluation.labels)
    by_speaker = np.unique(evaluation.speakers)
    rng = np.random.default_rng(settings()["evaluation"]["seed"])
    places = {name: np.flatnonzero(evaluation.speakers == name) for name in by_speaker}
    drawn = []
    for _ in range(settings()["evaluation"]["bootstrap_repeats"]):
        sample = np.concatenate([places[name] for name in rng.choice(by_speaker, len(by_speaker))])
        truth, guesses = evaluation.truth[sample], evaluation.guesses[sample]
        there = np.bincount(truth, minlength=classes).astype(float)
        there[there == 0] = np.nan
        recalls = np.bincount(truth[truth == guesses], minlength=classes) / there
        drawn.append([*recalls, np.nanmean(recalls)])
    low, high = np.nanpercentile(np.array(drawn), [2.5, 97.5], axis=0)
    table = evaluation.confusion()
    recalls = np.diag(table) / table.sum(axis=1)

    def with_interval(value: float, place: int) -> dict[str, Any]:
        return {
            "value": round(float(value), 3),
            "interval_95": [round(float(low[place]), 3), round(float(high[place]), 3)],
        }

    return {
        "n": len(corpus.stretches),
        "speakers": len(by_speaker),
        "skipped": len(corpus.skipped),
        "copies_learnt_from": sorted({name for copies in corpus.copies for name in copies}),
        "evaluation": {
            "protocol": "grouped by speaker; interval: bootstrap of speakers",
            "uar": with_interval(evaluation.uar, classes),
            "recall": {
                label: with_interval(recalls[place], place)
                for place, label in enumerate(evaluation.labels)
            },
            "uar_speaker_baseline": round(evaluation.speaker_baseline_uar, 3),
            "uar_chance": round(1 / classes, 3),
            "expected_calibration_error": round(evaluation.calibration_error, 3),
            "confusion": table.tolist(),
        },
    }


def _one_thread() -> Any:
    """Linear algebra on one thread: sums in a fixed order give the same bits every time."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
