"""Evaluation in which no held-out speaker is seen, training on top of it, and the gate.

One fold: the family learns (scaler, projection, classifiers, mixture) from the other speakers
alone, and judges the held-out ones. Calibration learns from the judgements of folds, so it too
has never seen a voice it is applied to.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.emotion.corpus import Corpus, RowFault, against_own_voice, load_corpus
from ml.emotion.families import FAMILIES, Array, Family, Labels, Stretch, make_family
from ml.emotion.model import EmotionModel, load_models, softmax
from ml.emotion.settings import labels as known_labels
from ml.emotion.settings import settings


@dataclass(frozen=True)
class Evaluation:
    """What grouped cross-validation found for one family.

    Attributes:
        logits: float32 (n, labels), each row by a model that never met its speaker.
        truth: indices of the labels (n,).
        speakers: (n,).
        speaker_baseline_guesses: judgements (n,) where every stretch is in units of its own
            speaker's mean and spread (`against_own_voice`), for which no label is looked at.
        temperature: fitted on all rows of `logits`; for the model that learns from everybody.
        calibration_error: expected calibration error in ten bins of equal width, where each
            speaker's temperature was fitted on the other speakers' rows.
        relative_scores: float32 (n, labels): the second classifier's scores and bias, each row by
            a model that never met its speaker; nothing taken off yet.
        realtime_factor: of the features alone.
    """

    family: str
    labels: tuple[str, ...]
    logits: Array
    truth: Labels
    speakers: NDArray[np.str_]
    speaker_baseline_guesses: Labels
    temperature: float
    calibration_error: float
    relative_scores: Array
    relative_bias: Array
    relative_population: Array
    realtime_factor: float

    @property
    def guesses(self) -> Labels:
        result: Labels = self.logits.argmax(axis=1)
        return result

    @property
    def uar(self) -> float:
        return unweighted_average_recall(self.truth, self.guesses, len(self.labels))

    @property
    def speaker_baseline_uar(self) -> float:
        guesses = self.speaker_baseline_guesses
        return unweighted_average_recall(self.truth, guesses, len(self.labels))

    def intervals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ends of the 95 % intervals of each label's recall and, last, of the UAR."""
        return bootstrap(self.truth, self.guesses, self.speakers, len(self.labels))

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
    held_out = judge_held_out(
        corpus.stretches, corpus.copies, truth, corpus.speakers, family, True, **hyperparameters
    )
    own, own_copies = in_units_of_speakers(corpus.stretches, corpus.copies, corpus.speakers)
    own_logits = judge_held_out(
        own, own_copies, truth, corpus.speakers, family, False, **hyperparameters
    ).logits
    logits = held_out.logits
    calibrated = np.empty_like(logits)
    for learn, judged in folds(corpus.speakers):
        temperature = fit_temperature(logits[learn], truth[learn])
        calibrated[judged] = softmax(logits[judged] / np.float32(temperature))
    return Evaluation(
        family=family,
        labels=present,
        logits=logits,
        truth=truth,
        speakers=corpus.speakers,
        speaker_baseline_guesses=own_logits.argmax(axis=1),
        temperature=fit_temperature(logits, truth),
        calibration_error=expected_calibration_error(calibrated, truth),
        relative_scores=held_out.relative_scores,
        relative_bias=held_out.relative_bias,
        relative_population=held_out.relative_population,
        realtime_factor=corpus.realtime_factor,
    )


@dataclass(frozen=True)
class HeldOut:
    """Judgements of every stretch by a model that learnt from the other folds' speakers only.

    All float32 (n, labels): `logits`, and of the second classifier the scores, the bias and the
    mean speaker's scores of the fold's model (zeros where it was not asked for).
    """

    logits: Array
    relative_scores: Array
    relative_bias: Array
    relative_population: Array


def judge_held_out(
    stretches: Sequence[Stretch],
    copies: Sequence[dict[str, Stretch]],
    truth: Labels,
    speakers: NDArray[np.str_],
    family: str,
    with_relative: bool,
    **hyperparameters: Any,
) -> HeldOut:
    """Fold by fold: learn from the others, judge the held out."""
    shape = (len(stretches), int(truth.max()) + 1)
    result = HeldOut(
        np.full(shape, -50.0, np.float32), *(np.zeros(shape, np.float32) for _ in range(3))
    )
    with one_thread():
        for fold in learn_folds(
            stretches, copies, truth, speakers, family, with_relative, **hyperparameters
        ):
            held_out, fitted = fold.held_out, fold.fitted
            if fitted is None:
                result.logits[held_out, fold.labels[0]] = 0
                continue
            to_judge = [stretches[place] for place in held_out]
            cells = np.ix_(held_out, fold.labels)
            if not with_relative:
                result.logits[cells] = fitted.logits(to_judge)
                continue
            reading = fitted.read(to_judge)
            result.logits[cells] = reading.logits
            result.relative_scores[cells] = reading.relative_scores
            result.relative_bias[cells] = fitted.arrays_["relative_bias"]
            result.relative_population[cells] = fitted.arrays_["relative_population"]
    return result


@dataclass(frozen=True)
class Fold:
    """A model and whom it never heard.

    Attributes:
        held_out: places of the held-out speakers' stretches.
        labels: indices of the labels that the others have; the model's classes in this order.
        fitted: None where the others have a single label.
    """

    held_out: NDArray[np.intp]
    labels: Labels
    fitted: Family | None


def learn_folds(
    stretches: Sequence[Stretch],
    copies: Sequence[dict[str, Stretch]],
    truth: Labels,
    speakers: NDArray[np.str_],
    family: str,
    with_relative: bool = False,
    **hyperparameters: Any,
) -> Iterator[Fold]:
    """A model a fold, each learnt from the stretches and copies of the other folds' speakers."""
    for learn, held_out in folds(speakers):
        there, compact = np.unique(truth[learn], return_inverse=True)
        if len(there) == 1:
            yield Fold(held_out, there, None)
            continue
        fitted = make_family(family, **hyperparameters)
        to_learn, labels, voices = _with_copies(stretches, copies, speakers, learn, compact)
        fitted.fit(to_learn, labels, len(there))
        if with_relative:
            fitted.fit_relative(to_learn, labels, voices, len(there))
        yield Fold(held_out, there, fitted)


def relative_logits(evaluation: Evaluation, prior: float, seed: int | None = None) -> Array:
    """Logits in difference to each speaker's own mean, float32 (n, labels).

    The mean is that of all the speaker's stretches; or, with a seed, of those before it in a
    shuffled order, as in a warehouse that knows the earlier calls alone. `prior` stretches of the
    mean speaker are counted in.
    """
    scores, population = evaluation.relative_scores, evaluation.relative_population
    result = np.empty_like(scores)
    for speaker in np.unique(evaluation.speakers):
        places = np.flatnonzero(evaluation.speakers == speaker)
        if seed is None:
            mean = scores[places].mean(axis=0)
            result[places] = scores[places] - mean
            continue
        places = np.random.default_rng(seed).permutation(places)
        before = np.cumsum(scores[places], axis=0) - scores[places]
        count = np.arange(len(places), dtype=np.float32)[:, None]
        mean = (before + prior * population[places]) / (count + prior)
        result[places] = scores[places] - mean
    return result + evaluation.relative_bias


def _with_copies(
    stretches: Sequence[Stretch],
    copies: Sequence[dict[str, Stretch]],
    speakers: NDArray[np.str_],
    places: NDArray[np.intp],
    labels: Labels,
) -> tuple[list[Stretch], Labels, NDArray[np.str_]]:
    """The stretches at `places` and their copies, with the labels (one a place) repeated, and
    whose voice each is: a variant of a speaker is a speaker of its own, as if all of that person's
    calls had come over that line."""
    chosen = [stretches[place] for place in places]
    repeated = list(labels)
    voices = [str(speakers[place]) for place in places]
    for place, label in zip(places, labels, strict=True):
        chosen += copies[place].values()
        repeated += [label] * len(copies[place])
        voices += [f"{speakers[place]}\n{variant}" for variant in copies[place]]
    return chosen, np.array(repeated, np.intp), np.array(voices)


def in_units_of_speakers(
    stretches: Sequence[Stretch],
    copies: Sequence[dict[str, Stretch]],
    speakers: NDArray[np.str_],
) -> tuple[list[Stretch], list[dict[str, Stretch]]]:
    """Stretches and copies in units of their speakers, variants apart as in `_with_copies`."""
    own = against_own_voice(stretches, speakers)
    own_copies: list[dict[str, Stretch]] = [{} for _ in own]
    for variant in sorted({name for each in copies for name in each}):
        places = [place for place, each in enumerate(copies) if variant in each]
        varied = against_own_voice([copies[place][variant] for place in places], speakers[places])
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


def bootstrap(
    truth: Labels, guesses: Labels, speakers: NDArray[np.str_], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """2.5 and 97.5 percentiles of each label's recall and, last, of their mean, over samples of
    whole speakers and, within each drawn speaker, of their recordings."""
    drawn = []
    for sample in _samples(speakers):
        recalls = _recalls(truth[sample], guesses[sample], classes)
        drawn.append([*recalls, np.nanmean(recalls)])
    low, high = np.nanpercentile(np.array(drawn), [2.5, 97.5], axis=0)
    return low, high


def difference_interval(
    truth: Labels, ours: Labels, theirs: Labels, speakers: NDArray[np.str_], classes: int
) -> tuple[float, float]:
    """The 95 % interval of the UAR of `ours` above that of `theirs`, on the same draws."""
    drawn = [
        float(
            np.nanmean(_recalls(truth[sample], ours[sample], classes))
            - np.nanmean(_recalls(truth[sample], theirs[sample], classes))
        )
        for sample in _samples(speakers)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _samples(speakers: NDArray[np.str_]) -> Iterator[NDArray[np.intp]]:
    options = settings()["evaluation"]
    rng = np.random.default_rng(options["seed"])
    places = [np.flatnonzero(speakers == name) for name in np.unique(speakers)]
    for _ in range(options["bootstrap_repeats"]):
        chosen = rng.integers(len(places), size=len(places))
        yield np.concatenate([rng.choice(places[one], len(places[one])) for one in chosen])


def _recalls(truth: Labels, guesses: Labels, classes: int) -> NDArray[np.float64]:
    there = np.bincount(truth, minlength=classes).astype(float)
    there[there == 0] = np.nan
    result: NDArray[np.float64] = np.bincount(truth[truth == guesses], minlength=classes) / there
    return result


def train(corpus: Corpus, evaluation: Evaluation, about: dict[str, Any]) -> EmotionModel:
    """A model of the evaluated family that learns from every speaker, with its card.

    Args:
        evaluation: of the same corpus; it brings the calibration and the figures of the card.
        about: goes into the card first: data, licence, training command.
    """
    fitted = make_family(evaluation.family)
    everybody = np.arange(len(corpus.stretches))
    with one_thread():
        to_learn, labels, voices = _with_copies(
            corpus.stretches, corpus.copies, corpus.speakers, everybody, evaluation.truth
        )
        fitted.fit(to_learn, labels, len(evaluation.labels))
        fitted.fit_relative(to_learn, labels, voices, len(evaluation.labels))
    return EmotionModel(
        family=fitted,
        labels=evaluation.labels,
        temperature=evaluation.temperature,
        card={
            **about,
            **_figures(corpus, evaluation),
            "speaker_baseline": _speaker_baseline(evaluation, fitted),
            "recordings": sorted(set(corpus.digests)),
        },
    )


def _speaker_baseline(evaluation: Evaluation, fitted: Family) -> dict[str, Any]:
    """How the second classifier's scores become probabilities where a speaker's earlier ones are
    known, and how well that went: see `relative_logits`. In the order of all labels."""
    prior = float(settings()["evaluation"]["speaker_prior"])
    known = relative_logits(evaluation, prior)
    repeats = [relative_logits(evaluation, prior, seed) for seed in range(5)]
    classes = len(evaluation.labels)

    def uar(logits: Array) -> float:
        return unweighted_average_recall(evaluation.truth, logits.argmax(axis=1), classes)

    def of_all(name: str, missing: float) -> list[float]:
        by_label = dict(zip(evaluation.labels, fitted.arrays_[name].tolist(), strict=True))
        return [round(by_label.get(label, missing), 5) for label in known_labels()]

    return {
        "population": of_all("relative_population", 0.0),
        "bias": of_all("relative_bias", 0.0),
        "k": prior,
        "temperature": fit_temperature(
            np.concatenate(repeats), np.tile(evaluation.truth, len(repeats))
        ),
        "uar_all_recordings_known": round(uar(known), 3),
        "uar_earlier_recordings_known": round(float(np.mean([uar(each) for each in repeats])), 3),
    }


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
    low, high = evaluation.intervals()
    table = evaluation.confusion()
    recalls = np.diag(table) / table.sum(axis=1)

    def with_interval(value: float, place: int) -> dict[str, Any]:
        return {
            "value": round(float(value), 3),
            "interval_95": [round(float(low[place]), 3), round(float(high[place]), 3)],
        }

    return {
        "n": len(corpus.stretches),
        "speakers": len(np.unique(evaluation.speakers)),
        "rows_left_out": len(corpus.faults),
        "copies_learnt_from": sorted({name for copies in corpus.copies for name in copies}),
        "evaluation": {
            "protocol": "grouped by speaker; interval: bootstrap of speakers and their recordings",
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


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may be put in the place of the model in force, and why.

    Attributes:
        reason: a sentence for a person.
        compared_with: version of the model in force.
        compared_uar, candidate_uar: on the same `rows` recordings, of `speakers` whom neither had
            heard when it judged them.
    """

    passes: bool
    reason: str
    compared_with: str
    compared_uar: float
    candidate_uar: float
    rows: int
    speakers: int


@dataclass(frozen=True)
class Candidate:
    """One family trained on a corpus: model, figures and the gate's verdict."""

    model: EmotionModel
    evaluation: Evaluation
    verdict: Verdict
    folder: Path

    @property
    def family(self) -> str:
        return self.model.family.name

    @property
    def version(self) -> str:
        return self.model.version

    @property
    def card(self) -> dict[str, Any]:
        return self.model.card

    @property
    def uar(self) -> float:
        return self.evaluation.uar

    @property
    def uar_interval(self) -> tuple[float, float]:
        low, high = self.evaluation.intervals()
        return float(low[-1]), float(high[-1])

    @property
    def uar_speaker_baseline(self) -> float:
        return self.evaluation.speaker_baseline_uar

    @property
    def n(self) -> int:
        return len(self.evaluation.truth)

    @property
    def speakers(self) -> int:
        return len(np.unique(self.evaluation.speakers))


@dataclass(frozen=True)
class Training:
    """What a training came to: candidates by family, and the manifest's rows left out."""

    candidates: dict[str, Candidate]
    faults: list[RowFault]
    rows_used: int


def train_families(
    manifest: Path,
    out: Path,
    families: Sequence[str] = tuple(FAMILIES),
    data: str | None = None,
    licence: str = "not stated",
    in_force: Mapping[str, EmotionModel] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Evaluate by speaker, train on everybody, hold against the models in force, write it all.

    `out` receives `<family>.npz` and `<family>.json` (the card), `evaluation.json` (the figures of
    `evaluate`), `gate.json` (the verdicts) and `COMPARISON.md` (one page over the families).
    The same recordings, settings and library versions give the same models, bit for bit.

    Args:
        data, licence: what the recordings are and whose, for the card.
        in_force: the models that judge now, by family; default: those that come with the project.
        progress: called with (done, total) after each recording.

    Raises:
        ManifestError: too little can be used of the manifest.
        ModelError: a model in force cannot be read.
    """
    from ml.emotion.comparison import compare

    corpus = load_corpus(manifest, progress)
    judges = in_force if in_force is not None else load_models()
    candidates = {}
    for name in families:
        evaluation = evaluate(corpus, name)
        model = train(corpus, evaluation, about(manifest, data, licence))
        verdict = hold_against(corpus, evaluation, judges.get(name))
        model.save(out)
        candidates[name] = Candidate(model, evaluation, verdict, out)
    _write_json(out / "evaluation.json", {n: c.evaluation.as_dict() for n, c in candidates.items()})
    _write_json(
        out / "gate.json",
        {n: {"version": c.version, **asdict(c.verdict)} for n, c in candidates.items()},
    )
    cards = {model.family.name: model.card for model in load_models(out).values()}
    (out / "COMPARISON.md").write_text(compare(cards), encoding="utf-8")
    return Training(candidates, corpus.faults, len(corpus.rows))


def _write_json(path: Path, found: dict[str, Any]) -> None:
    """Write by family, beside what an earlier training of other families left there."""
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**earlier, **found}, indent=2) + "\n", encoding="utf-8")


def hold_against(corpus: Corpus, evaluation: Evaluation, in_force: EmotionModel | None) -> Verdict:
    """The gate: whether an evaluated family may be put in the place of the model in force.

    Both are compared on the recordings of speakers from whom neither had learnt when it judged
    them: the candidate's held-out judgements, and the model in force wherever its card names none
    of a speaker's recordings. Where it has met every speaker, the figure of its own card stands.
    A candidate fails when it is worse by more than chance explains (the 95 % interval of the
    paired difference, or of its own figure, lies below), or when its own interval holds the
    UAR of guessing.
    """
    classes = len(evaluation.labels)
    low, high = evaluation.intervals()
    uar = evaluation.uar
    rows, voices = len(evaluation.truth), len(np.unique(evaluation.speakers))
    if low[-1] <= 1 / classes:
        reason = f"UAR {uar:.3f} is not clearly above guessing ({1 / classes:.3f})"
        version, other = (in_force.version, float("nan")) if in_force else ("none", float("nan"))
        return Verdict(False, reason, version, other, uar, rows, voices)
    if in_force is None:
        reason = f"UAR {uar:.3f}, clearly above guessing; no model is in force"
        return Verdict(True, reason, "none", float("nan"), uar, rows, voices)
    met = {
        speaker
        for speaker, digest in zip(corpus.speakers, corpus.digests, strict=True)
        if digest in set(in_force.card.get("recordings", ()))
    }
    places = np.flatnonzero([speaker not in met for speaker in corpus.speakers])
    truth = evaluation.truth[places]
    if len(np.unique(truth)) < classes or len(np.unique(corpus.speakers[places])) < 2:
        other = float(in_force.card["evaluation"]["uar"]["value"])
        passes = bool(high[-1] >= other)
        reason = (
            f"UAR {uar:.3f} (95 % interval {low[-1]:.3f} to {high[-1]:.3f}) against {other:.3f}, "
            "the own figure of the model in force, which has met these speakers"
        )
        return Verdict(passes, reason, in_force.version, other, uar, rows, voices)
    order = [known_labels().index(label) for label in evaluation.labels]
    heard = np.full((len(places), len(known_labels())), -np.inf, np.float32)
    columns = [known_labels().index(label) for label in in_force.labels]
    heard[:, columns] = in_force.family.logits([corpus.stretches[place] for place in places])
    theirs: Labels = heard[:, order].argmax(axis=1)
    ours = evaluation.guesses[places]
    worst, best = difference_interval(truth, ours, theirs, corpus.speakers[places], classes)
    candidate_uar = unweighted_average_recall(truth, ours, classes)
    other = unweighted_average_recall(truth, theirs, classes)
    reason = (
        f"UAR {candidate_uar:.3f} against {other:.3f} of the model in force on the same "
        f"{len(places)} recordings (95 % interval of the difference {worst:+.3f} to {best:+.3f})"
    )
    return Verdict(
        bool(best >= 0), reason, in_force.version, other, candidate_uar, len(places),
        len(np.unique(corpus.speakers[places])),
    )  # fmt: skip


def one_thread() -> Any:
    """Linear algebra on one thread: sums in a fixed order give the same bits every time."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
