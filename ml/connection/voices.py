"""Whose voice it is: the same words played again, and one voice or two in one channel."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml.audio.activity import Span
from ml.audio.decode import ANALYSIS_RATE
from ml.audio.spectrum import FRAMES_PER_SECOND, Floats, Frames
from ml.connection.rules import load_rules

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


def are_two_voices(speech: list[Span], frames: Frames, samples: NDArray[np.int16]) -> bool:
    """Whether the pieces of speech in one channel sound like two people taking turns."""
    weights = load_rules()["two_voices"]
    pitches, levels, colours = [], [], []
    for start, end in speech:
        piece = slice(round(start * FRAMES_PER_SECOND), round(end * FRAMES_PER_SECOND))
        voiced = frames.harmonicity[piece] > 0.75
        if voiced.sum() < 15:
            continue
        pitches.append(12 * np.log2(np.median(frames.pitch_hz[piece][voiced])))
        levels.append(np.percentile(frames.level_db[piece], 80))
        if end - start >= weights["colour_seconds"]:
            first, last = round(start * ANALYSIS_RATE), round(end * ANALYSIS_RATE)
            colours.append(_colour(samples[first:last]))
    points = 0.0
    if len(pitches) >= 2:
        if np.std(pitches) > weights["pitch_semitones"]:
            points += weights["pitch_points"]
        if np.std(levels) > weights["level_db"]:
            points += weights["level_points"]
    if len(colours) >= weights["colour_pieces"]:
        spread = np.std(np.array(colours), axis=0)
        if np.sqrt(np.mean(spread**2)) > weights["colour_db"]:
            points += weights["colour_points"]
    pauses = [later[0] - sooner[1] for sooner, later in pairwise(speech)]
    if pauses and speech[0][1] - speech[0][0] <= weights["greeting_seconds"]:
        if pauses[0] >= weights["waiting_pause_seconds"]:
            points += weights["waiting_points"]
        elif pauses[0] >= weights["greeting_pause_seconds"]:
            points += weights["greeting_points"]
    if sum(pause >= weights["turn_pause_seconds"] for pause in pauses) >= 2:
        points += weights["turn_points"]
    if len(speech) >= weights["many_pieces"]:
        points += weights["many_points"]
    return bool(points >= weights["needed_points"])


def _colour(samples: NDArray[np.int16]) -> Floats:
    """Long-term spectrum in 18 bands of 190 Hz, dB around its own mean: the voice and its line."""
    import scipy.fft

    windows = np.lib.stride_tricks.sliding_window_view(samples, 256)[::128]
    spectrum = scipy.fft.rfft(windows * np.hanning(256).astype(np.float32), axis=1)
    power = (np.abs(spectrum) ** 2).mean(axis=0)[6:114].reshape(18, 6).sum(axis=1)
    bands = 10 * np.log10(power + 1e-3)
    centred: Floats = (bands - bands.mean()).astype(np.float32)
    return centred
