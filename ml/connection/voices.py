"""Whose voice it is: the same words played again, and one voice or two in one channel."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml.audio.activity import Span
from ml.audio.decode import ANALYSIS_RATE
from ml.audio.spectrum import FRAMES_PER_SECOND, Floats, Frames
from ml.connection.rules import CALIBRATION_PATH, load_rules

_AFTER_RINGING = (
    "greets",
    "log_total",
    "log_first_turn",
    "long_pauses",
    "level_spread",
    "pitch_spread",
)
_WHERE_ALONE = ("log_total", "waits_after_it", "log_first_turn", "long_pauses")
_SEARCHED_SECONDS = 90.0  # a menu or an announcement comes round again well within it


def find_repetition(samples: NDArray[np.int16], speech: list[Span]) -> float | None:
    """Where the last round of a text that is played again and again ends, in seconds, else None.

    No mouth makes the same waveform twice, so that a high normalised cross-correlation with the
    first second or two of speech proves a recording. Shape of `samples`: (samples,), 8 kHz.
    """
    rules = load_rules()["repeat"]
    spoken = 0.0
    for start, end in speech:
        if end - start >= rules["shortest_seconds"]:
            break
        spoken += end - start
    else:
        return None
    if spoken > rules["spoken_before_seconds"]:
        return None
    length = min(end - start - 0.1, rules["template_seconds"])
    first = round((start + 0.1) * ANALYSIS_RATE)
    template = samples[first : first + round(length * ANALYSIS_RATE)]
    begin = round(end * ANALYSIS_RATE)
    rest = samples[begin : begin + round(_SEARCHED_SECONDS * ANALYSIS_RATE)]
    matches = _find_matches(template, rest, rules["likeness"])
    if not matches.size:
        return None
    period = begin + int(matches[0]) - first
    if not _is_round(samples[first : first + 2 * period], period, rules["likeness"]):
        return None
    return float((begin + matches[-1]) / ANALYSIS_RATE + period / ANALYSIS_RATE)


def _find_matches(
    template: NDArray[np.int16], rest: NDArray[np.int16], likeness: float
) -> NDArray[np.intp]:
    """Where in `rest` the template stands with that normalised correlation, in samples.

    Of neighbours that reach it together the best is given.
    """
    from scipy.signal import fftconvolve

    if rest.size < template.size:
        return np.empty(0, dtype=np.intp)
    wanted = template.astype(np.float32)
    heard = rest.astype(np.float32)
    product = fftconvolve(heard, wanted[::-1], mode="valid")
    sums = np.concatenate(([0.0], np.cumsum(heard.astype(np.float64) ** 2)))
    energy = sums[wanted.size :] - sums[: -wanted.size]
    own = float(np.dot(wanted, wanted))
    # Quiet stretches cannot match: a hundredth of the template's power is where they begin.
    similarity = product / np.sqrt(own * np.maximum(energy, 0.01 * own + 1.0))
    near = np.flatnonzero(similarity > likeness)
    groups = np.split(near, np.flatnonzero(np.diff(near) > ANALYSIS_RATE // 10) + 1)
    return np.array([g[similarity[g].argmax()] for g in groups if g.size], dtype=np.intp)


def _is_round(samples: NDArray[np.int16], period: int, likeness: float) -> bool:
    """Whether all that was heard in the first round is heard again a period later.

    Where one sentence comes again but what lay between does not, somebody says it twice.
    """
    length = min(period, samples.size - period)
    once = samples[:length].astype(np.float32)
    again = samples[period : period + length].astype(np.float32)
    norm = float(np.sqrt(np.dot(once, once) * np.dot(again, again))) + 1.0
    return float(np.dot(once, again)) > likeness * norm


def find_echoes(
    near_samples: NDArray[np.int16],
    far_samples: NDArray[np.int16],
    near: list[Span],
    far: list[Span],
) -> list[Span]:
    """The stretches of the far side's speech that are the near side's own, come back delayed.

    Samples of both channels at 8 kHz, shape (samples,). An echo has one delay throughout, so that
    the correlations of all stretches in question are summed over the delay before the best is taken.
    """
    from scipy.signal import fftconvolve

    rules = load_rules()["echo"]
    reach = round(rules["longest_delay_seconds"] * ANALYSIS_RATE)
    total = np.zeros(reach + 1)
    weight = 0.0
    curves: list[tuple[Span, NDArray[np.float64]]] = []
    for start, end in far:
        covered = sum(
            max(0.0, min(end, stop + rules["longest_delay_seconds"]) - max(start, begin))
            for begin, stop in near
        )
        if covered < rules["covered"] * (end - start) or weight > rules["longest_tested_seconds"]:
            continue
        first, last = round(start * ANALYSIS_RATE), round(end * ANALYSIS_RATE)
        back = far_samples[first:last].astype(np.float32)
        sent = np.zeros(reach + back.size, dtype=np.float32)
        source = near_samples[max(0, first - reach) : first + back.size].astype(np.float32)
        sent[sent.size - source.size :] = source
        product = np.abs(fftconvolve(sent, back[::-1], mode="valid"))[::-1]
        sums = np.concatenate(([0.0], np.cumsum(sent.astype(np.float64) ** 2)))
        energy = (sums[back.size :] - sums[: -back.size])[::-1]
        own = float(np.dot(back, back))
        weaker = 10 ** (rules["weaker_db"] / 10)
        curve = product / np.sqrt(own * np.maximum(energy, own * weaker) + 1.0)
        curves.append(((start, end), curve))
        total += (end - start) * curve
        weight += end - start
    if not curves:
        return []
    delay = int(total.argmax())
    if total[delay] < rules["likeness"] * weight * 0.5:
        return []
    window = slice(max(0, delay - 8), delay + 9)  # 1 ms: resampling and clocks
    return [span for span, curve in curves if float(curve[window].max()) > rules["likeness"]]


def describe_voices(
    speech: list[Span], rang: bool, is_alone: bool, frames: Frames, samples: NDArray[np.int16]
) -> dict[str, float]:
    """Figures by which a person is told from a recorded text where all speech is in one channel.

    `speech`: its spans after any ringing, at least one; `is_alone`: the agent has a channel of their
    own and says nothing, so that it is one side's. Two who take turns differ in pitch, level
    and colour, and pause long; a text is of one voice and pauses briefly; one who waits says little.
    """
    rules = load_rules()["voices"]
    turns: list[list[float]] = []
    for start, end in speech:
        if turns and start - turns[-1][1] < rules["turn_pause_seconds"]:
            turns[-1][1] = end
        else:
            turns.append([start, end])
    lengths = [end - start for start, end in speech]
    pauses = [later[0] - sooner[1] for sooner, later in pairwise(speech)]
    whole = speech[-1][1] - speech[0][0]
    total = sum(lengths)
    first = turns[0][1] - turns[0][0]
    wait = turns[1][0] - turns[0][1] if len(turns) > 1 else 0.0
    pitch, level, colour = _spreads(speech, frames, samples, rules)
    figures = {
        "rang": float(rang),
        "is_alone": float(is_alone),
        "begins_in_speech": float(not rang and speech[0][0] < 0.15),
        "log_first_turn": math.log(min(first, 8.0) + 0.1),
        "is_first_turn_short": float(first < 2.0),
        "waits_after_it": float(wait >= 1.0),
        "greets": float(lengths[0] <= 1.5 and len(lengths) > 1 and pauses[0] >= 0.25),
        "is_all_said_at_once": float(len(turns) == 1),
        "first_piece": min(lengths[0], 5.0),
        "longest_piece": min(max(lengths), 15.0),
        "log_total": math.log(total + 0.3),
        "log_pieces": math.log(len(lengths)),
        "mean_pause": min(float(np.mean(pauses)), 5.0) if pauses else 0.0,
        "pause_spread": min(float(np.std(pauses)), 5.0) if pauses else 0.0,
        "long_pauses": 10.0 * sum(pause > 0.6 for pause in pauses) / max(whole, 3.0),
        "density": total / max(whole, 0.3),
        "pitch_spread": pitch,
        "level_spread": level,
        "colour_spread": colour,
    }
    # What counts after ringing differs: without it, a text of any length may be a caller's.
    for name in _AFTER_RINGING:
        figures[f"rang_{name}"] = float(rang) * figures[name]
    for name in _WHERE_ALONE:
        figures[f"alone_{name}"] = float(is_alone) * figures[name]
    return figures


def _spreads(
    speech: list[Span], frames: Frames, samples: NDArray[np.int16], rules: dict[str, float]
) -> tuple[float, float, float]:
    """Standard deviations of pitch (semitones), level and long-term spectrum (dB) over half seconds."""
    size = FRAMES_PER_SECOND // 2
    starts = [
        frame
        for start, end in speech
        for frame in range(
            round(start * FRAMES_PER_SECOND), round(end * FRAMES_PER_SECOND) - size + 10, size
        )
    ]
    most = round(rules["most_windows"])
    if len(starts) > most:
        starts = [starts[i] for i in np.linspace(0, len(starts) - 1, most).astype(int)]
    pitches, levels, colours = [], [], []
    for first in starts:
        piece = slice(first, first + size)
        voiced = frames.harmonicity[piece] > 0.75
        if voiced.sum() < 12:
            continue
        pitches.append(12 * np.log2(np.median(frames.pitch_hz[piece][voiced])))
        levels.append(np.percentile(frames.level_db[piece], 80))
        step = ANALYSIS_RATE // FRAMES_PER_SECOND
        colours.append(_colour(samples[first * step : (first + size) * step]))
    if len(pitches) < 4:
        return 0.0, 0.0, 0.0
    spread = np.std(np.array(colours), axis=0)
    return (
        min(float(np.std(pitches)), 8.0),
        min(float(np.std(levels)), 8.0),
        min(float(np.sqrt(np.mean(spread**2))), 8.0),
    )


def person_probability(figures: dict[str, float]) -> float:
    """Probability of a living person by the figures of `describe_voices`: a logistic model.

    Its weights stand in `calibration.yaml`, written by `python -m ml.connection.calibration`.
    """
    model = load_rules(CALIBRATION_PATH)["voices"]
    value = model["intercept"] + sum(
        model["weights"][name] * (figure - model["means"][name]) / model["scales"][name]
        for name, figure in figures.items()
    )
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, value))))


def _colour(samples: NDArray[np.int16]) -> Floats:
    """Long-term spectrum in 18 bands of 190 Hz, dB around its own mean: the voice and its line."""
    import scipy.fft

    windows = np.lib.stride_tricks.sliding_window_view(samples, 256)[::128]
    spectrum = scipy.fft.rfft(windows * np.hanning(256).astype(np.float32), axis=1)
    power = (np.abs(spectrum) ** 2).mean(axis=0)[6:114].reshape(18, 6).sum(axis=1)
    bands = 10 * np.log10(power + 1e-3)
    centred: Floats = (bands - bands.mean()).astype(np.float32)
    return centred
