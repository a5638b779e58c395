"""When a call was picked up: where the ringing, or the ring-back music, gives way to a line.

The moment lies between the last sound of the ringing and the first sound of whoever answered. Where
in between is told, in this order, by a ring that breaks off, by a lone click, by a change of the
line's own noise, and otherwise by how long people and machines take to say their first word.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml.audio.activity import Span
from ml.audio.decode import ANALYSIS_RATE
from ml.audio.spectrum import FRAMES_PER_SECOND, Frames
from ml.connection.rules import load_rules
from ml.connection.tones import Signal, Tone, load_table

_STEP = 80  # samples: 10 ms
_SIZE = 160  # samples a short frame: 20 ms
# Edges of the bands whose noise is compared, in Hz: hum, then about an octave each.
_BANDS_HZ = (50.0, 190.0, 400.0, 800.0, 1600.0, 2600.0, 3700.0)
_QUIETEST_DB = -90.0  # below it there is only rounding


@dataclass(frozen=True)
class Answer:
    """When it was picked up, in seconds, and what tells it."""

    at: float
    sign: str
    """ring_cut, together, click, line_change, music_end, first_word, next_ring, middle, line_opens,
    start or fax."""


def find_answer(
    samples: NDArray[np.int16],
    frames: Frames,
    rings: list[Signal],
    music: Span | None,
    far_sounds: list[Span],
    near_speech: list[Span],
    fax: Signal | None,
    outcome: str,
    duration: float,
) -> Answer:
    """The moment of the answer in the called side's channel.

    `rings`: the ringing before anybody spoke; `music`: music that was the ring-back; `far_sounds`:
    the called side's speech and music; `fax`: its tone, where a machine answered.
    """
    sounds = [start for start, _ in far_sounds]
    if music is not None:
        speech = [start for start, _ in far_sounds if start > music[0] + 0.1]
        return Answer(_music_end(frames, music, speech, duration), "music_end")
    if fax is not None:
        sounds.append(fax.start)
    if not rings:
        return _without_ringing(frames, min(sounds, default=0.0))
    last = rings[-1]
    tone = last.tones[-1]
    ced = load_table()["fax"]["ced"]
    if fax is not None and abs(fax.tones[0].hz[0] - ced["hz"]) <= ced["frequency_hz"]:
        return Answer(max(tone.end, fax.start - float(ced["after_answer_seconds"])), "fax")
    if outcome != "silence" and _is_cut(last):
        return Answer(tone.end, "ring_cut")
    expected = min(tone.end + _pause_after(last), duration)
    following = [t for t in sounds + [s for s, _ in near_speech] if t > tone.end - 0.05]
    first = min(following, default=duration)
    rules = load_rules()["answer"]
    near_first = min((s for s, _ in near_speech if s > tone.end - 0.05), default=duration)
    far_first = min((s for s in sounds if s > tone.end - 0.05), default=duration)
    if first < duration and abs(far_first - near_first) < rules["together_seconds"]:
        # Nobody starts on the other's first syllable: the line was switched through then.
        return Answer(min(first, expected), "together")
    latest = max(tone.end, min(expected, first))
    found = _sign_on_the_line(samples, rings, tone.end, latest)
    if found is not None:
        return found
    if not following:
        # Without any sound it lies anywhere before the ring that stayed out: the middle is nearest.
        return Answer((tone.end + expected) / 2, "middle")
    reaction = rules["reaction_seconds"]
    if first - reaction >= expected:
        return Answer(expected, "next_ring")
    return Answer(max(tone.end, first - reaction), "first_word")


def _is_cut(ring: Signal) -> bool:
    """Whether the last ring broke off: shorter than the table says, or than the rings before it."""
    if ring.last_on_cut:
        return True
    tone = ring.tones[-1]
    lengths = [other.seconds for other in _alike(ring)]
    if not lengths:
        return False
    return bool(tone.seconds < np.median(lengths) - load_rules()["answer"]["cut_seconds"])


def _alike(ring: Signal) -> list[Tone]:
    """Earlier tones at the same place of the cadence, but for a first one that may be cut."""
    count = max(1, ring.places)
    before = list(ring.tones[:-1][::-1][count - 1 :: count])
    return [tone for tone in before if tone.start > 0.06]


def _pause_after(ring: Signal) -> float:
    """How long it would have been quiet after the last ring: as in this call, else by the table."""
    count = max(1, ring.places)
    tones = ring.tones
    pauses = [
        tones[index + 1].start - tones[index].end
        for index in range(len(tones) - 1 - count, -1, -count)
    ]
    return float(np.median(pauses)) if pauses else ring.pause_after


def _sign_on_the_line(
    samples: NDArray[np.int16], rings: list[Signal], start: float, stop: float
) -> Answer | None:
    """A lone click, or a change of the line's noise, between the last ring and the first sound."""
    rules = load_rules()["answer"]
    begin = start + rules["after_ring_seconds"]
    end = stop - rules["before_sound_seconds"]
    if end - begin < 2 * rules["hold_seconds"]:
        return None
    levels, times = _band_levels(samples, begin, end)
    click = _lone_click(levels, rules)
    clear = click is not None and times[click] < stop - rules["click_before_sound_seconds"]
    if click is not None and clear and not _clicks_before(samples, rings, rules):
        return Answer(float(times[click]), "click")
    change = _change(levels, rules)
    if change is not None:
        return Answer(float(times[change]), "line_change")
    return None


def _lone_click(levels: NDArray[np.float64], rules: dict[str, float]) -> int | None:
    """The frame of the only short burst that stands far out of the line's noise, else None."""
    if not len(levels):
        return None
    power = 10 * np.log10(np.power(10.0, levels / 10).sum(axis=1))
    usual = float(np.median(power))
    out = np.flatnonzero(power > max(usual + 0.5 * rules["click_over_line_db"], _QUIETEST_DB + 10))
    top = int(power.argmax())
    if power[top] < max(usual + rules["click_over_line_db"], rules["click_quietest_dbfs"]):
        return None
    return top if out[-1] - out[0] <= rules["click_seconds"] * FRAMES_PER_SECOND else None


def _clicks_before(
    samples: NDArray[np.int16], rings: list[Signal], rules: dict[str, float]
) -> bool:
    """Whether the line crackled in the two pauses before already, so that a click says nothing."""
    tones = [tone for ring in rings for tone in ring.tones]
    for left, right in list(pairwise(tones))[-2:]:
        levels, _ = _band_levels(
            samples, left.end + rules["after_ring_seconds"], right.start - 0.05
        )
        if not len(levels):
            continue
        power = 10 * np.log10(np.power(10.0, levels / 10).sum(axis=1))
        if power.max() > np.median(power) + rules["click_over_line_db"]:
            return True
    return False


def _band_levels(
    samples: NDArray[np.int16], start: float, stop: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Levels of each band in dB, shape (frames, bands), and the frames' middles in seconds."""
    import scipy.fft

    first = max(0, round(start * ANALYSIS_RATE))
    piece = samples[first : max(first, round(stop * ANALYSIS_RATE))].astype(np.float32) / 32768
    if piece.size < _SIZE:
        return np.empty((0, len(_BANDS_HZ) - 1)), np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(piece, _SIZE)[::_STEP]
    window = np.hanning(_SIZE).astype(np.float32)
    power = np.abs(scipy.fft.rfft(windows * window, axis=1)) ** 2 * (
        2.0 / np.sum(window**2) / _SIZE
    )
    edges = [round(hz / ANALYSIS_RATE * _SIZE) for hz in _BANDS_HZ]
    bands = np.stack([power[:, a:b].sum(axis=1) for a, b in pairwise(edges)], 1)
    levels = 10 * np.log10(bands.astype(np.float64) + 10 ** (_QUIETEST_DB / 10))
    times = (first + _SIZE / 2 + _STEP * np.arange(len(levels))) / ANALYSIS_RATE
    return levels, times


def _change(levels: NDArray[np.float64], rules: dict[str, float]) -> int | None:
    """The frame at which the noise becomes another one, or None where it stays the same.

    The best split in two by the likelihood ratio of Gaussians with a common variance in each band
    (a single change point; Page 1955, Basseville and Nikiforov 1993). It counts where the ratio
    exceeds what chance makes of frames that overlap, and where the levels differ enough to be heard.
    """
    hold = round(rules["hold_seconds"] * FRAMES_PER_SECOND)
    total = len(levels)
    if total < 2 * hold + 2:
        return None
    # A single loud frame (a click) must not pass for a change of the noise.
    low, high = np.percentile(levels, [5, 95], axis=0)
    levels = np.clip(levels, low, high)
    sums = np.concatenate((np.zeros((1, levels.shape[1])), np.cumsum(levels, axis=0)))
    squares = np.concatenate((np.zeros((1, levels.shape[1])), np.cumsum(levels**2, axis=0)))
    count = np.arange(hold, total - hold + 1)[:, None]
    left, right = sums[count[:, 0]] / count, (sums[-1] - sums[count[:, 0]]) / (total - count)
    spread = squares[-1] - count * left**2 - (total - count) * right**2
    whole = squares[-1] - sums[-1] ** 2 / total
    floor = total * rules["quietest_spread_db"] ** 2
    # Frames overlap by half, so that two count as one.
    ratio = 0.25 * total * np.log((whole + floor) / (spread + floor)).sum(axis=1)
    best = int(ratio.argmax())
    difference = np.abs(right[best] - left[best])
    if ratio[best] < rules["change_ratio"] or difference.max() < rules["change_db"]:
        return None
    return int(count[best, 0])


def _music_end(frames: Frames, music: Span, speech: list[float], duration: float) -> float:
    """Where ring-back music breaks off: its steepest fall near its measured end."""
    rules = load_rules()["answer"]
    reach, drop = rules["music_reach_seconds"], rules["music_drop_db"]
    rate = FRAMES_PER_SECOND
    level = np.maximum(frames.level_db, _QUIETEST_DB).astype(np.float64)
    sums = np.concatenate(([0.0], np.cumsum(level)))
    limit = min([duration, *(t + 0.3 for t in speech if t > music[1] - reach)])
    first = max(round((music[1] - reach) * rate), round(music[0] * rate) + 30, 30)
    last = min(round((music[1] + 0.5) * rate), round(limit * rate), len(level) - 18)
    if last <= first:
        return music[1]
    at = np.arange(first, last)
    before = (sums[at - 2] - sums[at - 27]) / 25
    after = (sums[at + 17] - sums[at + 2]) / 15
    fall = before - after
    best = int(fall.argmax())
    return float(at[best] / rate) if fall[best] >= drop else music[1]


def _without_ringing(frames: Frames, first_sound: float) -> Answer:
    """The end of a digital silence at the start, where there is one; else the start itself."""
    head = frames.level_db[: max(1, round(first_sound * FRAMES_PER_SECOND))]
    dead = head < -95.0
    if dead[: min(20, dead.size)].mean() < 0.8 or first_sound < 0.2:
        return Answer(0.0, "start")
    alive = np.flatnonzero(~dead[2:])
    at = float((alive[0] + 2) / FRAMES_PER_SECOND) if alive.size else first_sound
    return Answer(at, "line_opens")


def has_brief_sound(samples: NDArray[np.int16], start: float, stop: float) -> bool:
    """Whether between two times a sound stands out of the line, longer than a click, and short."""
    rules = load_rules()["brief_sound"]
    margin = load_rules()["answer"]["after_ring_seconds"]
    levels, _ = _band_levels(samples, start + margin, stop - margin)
    if len(levels) < 0.3 * FRAMES_PER_SECOND:
        return False
    # From 400 Hz up: no hum, and little of the tones' own edges.
    power = 10 * np.log10(np.power(10.0, levels[:, 2:] / 10).sum(axis=1))
    usual = float(np.median(power))
    loud = power > max(usual + rules["over_line_db"], rules["quietest_dbfs"])
    seconds = float(loud.sum()) / FRAMES_PER_SECOND
    return bool(rules["shortest_seconds"] <= seconds <= rules["longest_seconds"])
