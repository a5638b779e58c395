"""What a recording's voices feel: by segment, then by side.

Speech is cut into segments of about four seconds, each described and judged alone; a side is the
mean of its segments, weighted by their speech.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from ml.emotion import features
from ml.emotion.corpus import stretch_of
from ml.emotion.families import FAMILIES, Array, Reading, Stretch
from ml.emotion.model import EmotionModel, shipped_model
from ml.emotion.settings import default_family, labels, settings

_BATCH = 64  # segments read at a time: some four minutes of speech
_OUT_OF_THE_QUESTION = -50.0


class Samples(Protocol):
    """Channels of samples that can be cut: a NumPy array, or a store that reads from a disk."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, channel: int, /) -> Any: ...


@dataclass(frozen=True)
class EmotionSegment:
    """A few seconds of one side's speech; times in seconds from the recording's start.

    `parameters` are what the family extracted (principal-component scores, hidden layer, or
    mixture posteriors), `relative_scores` (a number a label, in the order of the settings) what
    a speaker's baseline is applied to later: facts, both. Arousal and
    valence lie in −1 to 1; the index in 0 to 100, 50 neutral, higher more positive.
    """

    start_seconds: float
    end_seconds: float
    speech_seconds: float
    label: str
    probabilities: dict[str, float]
    arousal: float
    valence: float
    index: float
    parameters: list[float]
    relative_scores: list[float]


@dataclass(frozen=True)
class SideEmotion:
    """One side of a recording.

    `start_index` and `end_index` are those of the first and the last segment, `peak_index` the
    one farthest from 50. `trend_per_minute` is the slope of the index over the segments' middles,
    weighted by speech; None for a single segment. `speech_seconds` is the voiced speech judged.
    """

    label: str
    probabilities: dict[str, float]
    arousal: float
    valence: float
    index: float
    family: str
    model_version: str
    start_index: float
    end_index: float
    peak_index: float
    trend_per_minute: float | None
    speech_seconds: float
    segments: list[EmotionSegment]

    def as_dict(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "label": self.label,
            "probabilities": self.probabilities,
            "arousal": self.arousal,
            "valence": self.valence,
            "index": self.index,
            "family": self.family,
            "model_version": self.model_version,
        }

    def as_facts(self) -> dict[str, Any]:
        """Everything, segments and their parameters included."""
        return asdict(self)


def describe_sides(
    samples: Samples,
    sampling_rate: int,
    speech: Mapping[str, Sequence[tuple[float, float]]],
    sides: Sequence[str],
    family: str = default_family(),
    model: EmotionModel | None = None,
) -> dict[str, SideEmotion | None]:
    """Judge the emotion of each side of a recording by one family.

    Arguments and errors as for `describe_families`; `model` is one of your own in place of the
    shipped one of `family`.

    Returns:
        Side → judgement, or None where it speaks too little (settings, `speech`).
    """
    judge = model or shipped_model(family)
    described = describe_families(samples, sampling_rate, speech, sides, {judge.family.name: judge})
    return {
        side: described[side][judge.family.name] if side in described else None
        for side in _channels(speech, sides)
    }


def describe_families(
    samples: Samples,
    sampling_rate: int,
    speech: Mapping[str, Sequence[tuple[float, float]]],
    sides: Sequence[str],
    models: Mapping[str, EmotionModel] | None = None,
) -> dict[str, dict[str, SideEmotion]]:
    """Judge the emotion of each side of a recording by several families in one pass.

    The descriptors are computed once for all of them. Only a few minutes of speech are held at a
    time, whatever the length of the recording.

    Args:
        samples: (channels, samples) at 8000 Hz, int16 or float32 of −1 to 1; anything with a
            `shape` whose rows can be cut (`samples[channel][a:b]`), so that it may lie on a disk.
        sampling_rate: 8000.
        speech: side → intervals of its speech, (start, end) in seconds, in order.
        sides: the side that each channel carries. In a single channel every side of `speech` is
            looked for, so that one in which two speakers were told apart needs no second channel.
        models: by family; default: the three that come with the project.

    Returns:
        Side → family → judgement; a side that speaks too little (settings, `speech`) is left out.

    Raises:
        ValueError: another sampling rate, or another number of channels than of sides.
        ModelError: a shipped model cannot be read, or there is no such family.
    """
    if sampling_rate != features.SAMPLING_RATE:
        raise ValueError(f"{sampling_rate} Hz; emotion is described at {features.SAMPLING_RATE}")
    if len(samples.shape) != 2 or samples.shape[0] != len(sides):
        raise ValueError(f"samples of shape {samples.shape} for {len(sides)} sides")
    judges = {name: shipped_model(name) for name in FAMILIES} if models is None else models
    described = {}
    for side, channel in _channels(speech, sides).items():
        judged = _describe_side(samples[channel], speech.get(side, ()), judges)
        if judged:
            described[side] = judged
    return described


def _channels(speech: Mapping[str, Any], sides: Sequence[str]) -> dict[str, int]:
    """Side → the channel it is heard in."""
    channels = {side: channel for channel, side in enumerate(sides)}
    if len(sides) == 1:
        channels |= dict.fromkeys(speech, 0)
    return channels


def voiced_intervals(channel: Any) -> list[tuple[float, float]]:
    """Where a channel holds a voice, by pitch alone: for a recording without voice activity.

    Runs of voiced frames, joined across pauses below half a second. `channel` is (samples,) at
    8 kHz, float32 or int16.
    """
    block = 30 * features.SAMPLING_RATE  # bounds the memory of a long recording
    spans: list[tuple[float, float]] = []
    for start in range(0, len(channel), block):
        frames = features.frames_of(_as_float(channel[start : start + block]))
        for first, last in zip(*features.runs(frames.voiced), strict=True):
            begin = (start + first * features.HOP) / features.SAMPLING_RATE
            end = (start + (last - 1) * features.HOP + features.FRAME) / features.SAMPLING_RATE
            if spans and begin - spans[-1][1] < 0.5:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((begin, end))
    return spans


def _describe_side(
    channel: Any, speech: Sequence[tuple[float, float]], models: Mapping[str, EmotionModel]
) -> dict[str, SideEmotion]:
    """Family → judgement of one side; empty where it speaks too little."""
    times: list[tuple[float, float]] = []
    seconds: list[float] = []
    readings: dict[str, list[Reading]] = {name: [] for name in models}
    batch: list[Stretch] = []

    def read() -> None:
        for name, model in models.items():
            readings[name].append(model.read(batch))
        batch.clear()

    for pieces in segments_of(speech):
        stretch = _stretch_of_pieces(channel, pieces)
        if stretch is None:
            continue
        times.append((pieces[0][0], pieces[-1][1]))
        seconds.append(stretch.seconds)
        batch.append(stretch)
        if len(batch) == _BATCH:
            read()
    if sum(seconds) < settings()["speech"]["minimum_voiced_seconds"]:
        return {}
    if batch:
        read()
    return {
        name: _side(model, readings[name], times, np.array(seconds))
        for name, model in models.items()
    }


def _side(
    model: EmotionModel,
    readings: Sequence[Reading],
    times: Sequence[tuple[float, float]],
    seconds: Array,
) -> SideEmotion:
    """One side as one family hears it, from the readings of its segments."""
    probabilities = model.calibrated(np.concatenate([each.logits for each in readings]))
    segments = []
    rows = [
        (p, r)
        for each in readings
        for p, r in zip(each.parameters, each.relative_scores, strict=True)
    ]
    for place, (parameters, relative) in enumerate(rows):
        start, end = times[place]
        segments.append(
            EmotionSegment(
                start_seconds=round(start, 3),
                end_seconds=round(end, 3),
                speech_seconds=round(float(seconds[place]), 2),
                parameters=np.round(parameters.astype(np.float64), 5).tolist(),
                relative_scores=_of_all_labels(relative, model.labels),
                **_judge(probabilities[place], model.labels),
            )
        )
    indices = np.array([segment.index for segment in segments])
    middles = np.array([(start + end) / 2 for start, end in times])
    return SideEmotion(
        **_judge(seconds @ probabilities / seconds.sum(), model.labels),
        family=model.family.name,
        model_version=model.version,
        start_index=float(indices[0]),
        end_index=float(indices[-1]),
        peak_index=float(indices[np.abs(indices - 50).argmax()]),
        trend_per_minute=_trend(middles, indices, seconds),
        speech_seconds=round(float(seconds.sum()), 2),
        segments=segments,
    )


def _of_all_labels(scores: Array, known: Sequence[str]) -> list[float]:
    """A score a label of the settings; one that the model does not know is out of the question."""
    by_label = {label: round(float(score), 5) for label, score in zip(known, scores, strict=True)}
    return [by_label.get(label, _OUT_OF_THE_QUESTION) for label in labels()]


def segments_of(speech: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Intervals of speech → segments, each a list of intervals with no long pause between them.

    A segment holds between the minimum and the maximum length of the settings wherever the speech
    allows it: long intervals are cut into equal pieces, short ones joined.
    """
    options = settings()["speech"]
    longest, target = options["maximum_segment_seconds"], options["target_segment_seconds"]
    pieces: list[tuple[float, float]] = []
    for start, end in speech:
        if end <= start:
            continue
        cuts = 1 if end - start <= longest else int(np.ceil((end - start) / target))
        edges = np.linspace(start, end, cuts + 1)
        pieces += [(float(a), float(b)) for a, b in itertools.pairwise(edges)]
    segments: list[list[tuple[float, float]]] = []
    held = 0.0
    for piece in pieces:
        length = piece[1] - piece[0]
        joins = (
            bool(segments)
            and piece[0] - segments[-1][-1][1] <= options["maximum_pause_seconds"]
            and held + length <= longest
            and (held < target or length < options["minimum_segment_seconds"])
        )
        if joins:
            segments[-1].append(piece)
            held += length
        else:
            segments.append([piece])
            held = length
    return segments


def _as_float(samples: Any) -> Array:
    """A cut of a channel as float32 of −1 to 1."""
    cut = np.asarray(samples)
    scale = np.float32(1 / 32768) if cut.dtype == np.int16 else np.float32(1)
    result: Array = cut.astype(np.float32) * scale
    return result


def _stretch_of_pieces(channel: Any, pieces: Sequence[tuple[float, float]]) -> Stretch | None:
    """One segment described, or None where it holds too little voice."""
    rate = features.SAMPLING_RATE
    start = max(0, int(pieces[0][0] * rate))
    signal = _as_float(channel[start : int(np.ceil(pieces[-1][1] * rate))])
    # Pauses stay in: rhythm lies in them. What is no speech of this side is not its voice.
    frames = features.frames_of(signal)
    centres = (start + features.FRAME / 2 + features.HOP * np.arange(len(frames))) / rate
    spoken = np.zeros(len(frames), bool)
    for first, last in pieces:
        spoken |= (centres >= first) & (centres <= last)
    frames = features.Frames(frames.values, frames.voiced & spoken, frames.level_db)
    if frames.voiced_seconds < settings()["speech"]["minimum_segment_voiced_seconds"]:
        return None
    return stretch_of(frames)


def _judge(probabilities: Array, labels: Sequence[str]) -> dict[str, Any]:
    """Label, probabilities of all four labels, arousal, valence and index of one row."""
    share = np.asarray(probabilities, np.float64) / np.sum(probabilities, dtype=np.float64)
    by_label = dict(zip(labels, share, strict=True))
    plane = settings()["plane"]
    known = {label: float(by_label.get(label, 0.0)) for label in plane}
    arousal = sum(share * plane[label]["arousal"] for label, share in known.items())
    valence = sum(share * plane[label]["valence"] for label, share in known.items())
    return {
        "label": max(known, key=lambda label: known[label]),
        "probabilities": {label: round(share, 6) for label, share in known.items()},
        "arousal": round(arousal, 4),
        "valence": round(valence, 4),
        "index": round(50 * (1 + valence), 2),
    }


def _trend(middles: Array, indices: Array, weights: Array) -> float | None:
    """Weighted least-squares slope in points a minute."""
    if len(middles) < 2:
        return None
    x = middles - np.average(middles, weights=weights)
    spread = float((weights * x * x).sum())
    if spread < 1e-9:
        return None
    return round(float((weights * x * indices).sum() / spread) * 60, 3)
