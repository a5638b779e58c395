"""Who makes speech, music or neither, when: voice activity by channel from the shared frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import yaml
from numpy.typing import NDArray

from ml.audio.spectrum import FRAMES_PER_SECOND, Floats, Frames

THRESHOLDS_PATH = Path(__file__).with_name("speech.yaml")
Span = tuple[float, float]
"""Start and end in seconds from the start of the recording."""
Mask = NDArray[np.bool_]
_EDGE_SECONDS = 0.15


@cache
def load_thresholds(path: Path = THRESHOLDS_PATH) -> dict[str, Any]:
    """The thresholds of `speech.yaml`, read once."""
    thresholds: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return thresholds


@dataclass(frozen=True)
class Activity:
    """What one channel holds; spans in order, none overlapping within a kind."""

    speech: list[Span]
    music: list[Span]
    floor_db: Floats
    """Noise floor by frame, dBFS."""
    level_db: float
    """Median level of the speech, dBFS; −120 without any."""


def find_activity(
    frames: Frames, blocked: list[Span], other: Frames | None = None, likeness: Floats | None = None
) -> Activity:
    """Voice activity of one channel.

    `blocked`: spans known to be tones. `other`, `likeness`: the other channel and the likeness of
    both (from `compute_frames`), by which leaked speech is told from one's own.
    """
    settings = load_thresholds()["activity"]
    floor = noise_floor(frames.level_db, settings["floor_window_seconds"])
    free = ~_mask(blocked, len(frames), grow=0.05)
    if other is not None and likeness is not None:
        free &= ~_is_crosstalk(frames, other, likeness)
    music = _find_music(frames, free)
    free &= ~_mask(music, len(frames))
    high = free & (
        frames.level_db
        > np.maximum(floor + settings["on_over_floor_db"], settings["quietest_on_dbfs"])
    )
    low = free & (
        frames.level_db
        > np.maximum(floor + settings["off_over_floor_db"], settings["quietest_off_dbfs"])
    )
    # A creaky deep voice has no two periods in a frame, but its spectrum is as far from noise as
    # any vowel's.
    coloured = frames.flatness < settings["coloured_flatness"]
    harmonic = (
        high
        & (frames.harmonicity > settings["voiced_harmonicity"])
        & (frames.flatness < settings["voiced_flatness"])
    )
    held = _hold_pitch(harmonic, frames.pitch_hz)
    # The deepest voices have no two periods in a frame: there a long coloured sound must do.
    dense = (frames.flatness < settings["dense_flatness"]) & (
        frames.level_db > floor + settings["dense_over_floor_db"]
    )
    dense_hold = _count_run(high & dense)
    voiced = harmonic | (high & (coloured | dense))
    noisy = free & _find_noisy(frames, floor)
    if noisy.any():
        # Little stands far above a loud noise: there periodicity over some 90 ms and the band that
        # stands out most say together what a single frame's level cannot.
        score = _score_in_noise(frames)
        # What is steady may be periodic too, but it never rises.
        risen = _smooth(frames.level_db) - floor
        low |= noisy & (score > settings["noisy_off_score"]) & (risen > settings["noisy_off_db"])
        sounding = noisy & (score > settings["noisy_on_score"]) & (risen > settings["noisy_on_db"])
        voiced |= sounding
        held = np.maximum(held, _hold_pitch(sounding, frames.pitch_hz))
    wanted_hold = seconds_to_frames(settings["shortest_voiced_seconds"])
    islands: list[tuple[int, int, float]] = []
    for first, last in bridge(runs(low), seconds_to_frames(settings["bridge_seconds"])):
        places = np.flatnonzero(voiced[first:last])
        wanted = max(
            seconds_to_frames(settings["shortest_voiced_seconds"]),
            settings["voiced_share"] * (last - first),
        )
        # A short piece must hold a pitch, else it is a knock or a click; a longer one need not.
        short = last - first < seconds_to_frames(settings["sure_seconds"])
        if (
            places.size < wanted
            or last - first < seconds_to_frames(settings["shortest_seconds"])
            or (
                short
                and held[first:last].max() < wanted_hold
                and dense_hold[first:last].max() < seconds_to_frames(settings["dense_seconds"])
            )
        ):
            continue
        steady = frames.steadiness[first:last][places] > 0.9
        if (
            places.size > seconds_to_frames(settings["longest_steady_seconds"])
            and steady.mean() > 0.85
        ):
            continue
        begin = max(first, first + int(places[0]) - seconds_to_frames(settings["lead_seconds"]))
        end = min(last, first + int(places[-1]) + 1 + seconds_to_frames(settings["trail_seconds"]))
        loudness = float(np.percentile(frames.level_db[first:last][places], 90))
        # What lies far below the piece's own loudness is room and breath before and after it.
        level = frames.level_db[begin:end]
        hiss = (frames.flatness[begin:end] > 0.4) & (level < loudness - settings["hiss_below_db"])
        loud = np.flatnonzero((level > loudness - settings["edge_below_db"]) & ~hiss)
        islands.append((begin + int(loud[0]), begin + int(loud[-1]) + 1, loudness))
    loudest = max((island[2] for island in islands), default=0.0)
    spans = [
        (begin / FRAMES_PER_SECOND, end / FRAMES_PER_SECOND)
        for begin, end, loudness in islands
        if loudness > loudest - settings["weaker_than_loudest_db"]
        and not _belongs_to_music(begin, end, loudness, music, frames)
    ]
    talking = _mask(spans, len(frames))
    median_db = float(np.median(frames.level_db[talking])) if talking.any() else -120.0
    return Activity(spans, music, floor, median_db)


def noise_floor(level_db: Floats, window_seconds: float) -> Floats:
    """Quietest 50 ms around each frame, shape (frames,), dBFS, never below −80.

    The first and last 150 ms do not count: a codec's padding and fading are quieter than any line.
    """
    smooth = scipy.ndimage.uniform_filter1d(level_db, 5, mode="nearest")
    edge = seconds_to_frames(_EDGE_SECONDS)
    if len(smooth) > 10 * edge:
        smooth[:edge] = np.maximum(smooth[:edge], smooth[edge])
        smooth[-edge:] = np.maximum(smooth[-edge:], smooth[-edge - 1])
    size = seconds_to_frames(window_seconds) | 1
    floor = scipy.ndimage.minimum_filter1d(smooth, size, mode="nearest")
    limited: Floats = np.maximum(floor, np.float32(-80.0))
    return limited


def _find_noisy(frames: Frames, floor: Floats) -> Mask:
    """Where the noise reaches so near to the loud sounds of the recording that it hides voices.

    Nowhere in a recording whose noise is periodic itself: there periodicity says nothing of voices.
    """
    settings = load_thresholds()["activity"]
    loud = float(np.percentile(frames.level_db, 95)) if len(frames) else 0.0
    quiet = frames.harmonicity[frames.level_db < floor + 3.0]
    if not quiet.size or float(np.median(quiet)) > settings["noise_harmonicity"]:
        return np.zeros(len(frames), dtype=bool)
    noisy: Mask = floor > max(loud - settings["noisy_within_db"], settings["quietest_off_dbfs"])
    return noisy


def _score_in_noise(frames: Frames) -> Floats:
    """Log-odds of a voice by frame, from periodicity and the band that is farthest above its noise."""
    settings = load_thresholds()["activity"]
    weights = settings["noisy_score"]
    bands = frames.bands_db.astype(np.float32)
    best = np.zeros(len(frames), dtype=np.float32)
    for band in bands.T:
        np.maximum(best, band - noise_floor(band, settings["floor_window_seconds"]), out=best)
    # 3 dB: noise itself stands so far above its quietest 50 ms.
    above = _smooth(np.maximum(best - np.float32(3), 0))
    score: Floats = (
        np.float32(weights["per_db_above_noise"]) * above
        + np.float32(weights["per_harmonicity"]) * _smooth(frames.harmonicity)
        + np.float32(weights["constant"])
    )
    return score


def _smooth(values: Floats) -> Floats:
    """Mean over 90 ms."""
    mean: Floats = scipy.ndimage.uniform_filter1d(values, 9, mode="nearest")
    return mean


def _hold_pitch(harmonic: Mask, pitch_hz: Floats) -> NDArray[np.int64]:
    """For each frame, for how many frames voice has held its pitch up to it (octaves folded).

    A click rings through the three or four frames whose windows hold it; a vowel lasts longer.
    """
    octaves = np.log2(pitch_hz[1:] / pitch_hz[:-1])
    holds = harmonic.copy()
    holds[1:] &= harmonic[:-1] & (np.abs(octaves - np.round(octaves)) < 0.2)
    holds[:1] = False
    return np.where(holds, _count_run(holds) + 1, harmonic.astype(np.int64))


def _count_run(mask: Mask) -> NDArray[np.int64]:
    """For each frame, how many frames in a row up to it are True."""
    index = np.arange(len(mask))
    return index - np.maximum.accumulate(np.where(mask, -1, index))


def _belongs_to_music(
    begin: int, end: int, loudness: float, music: list[Span], frames: Frames
) -> bool:
    """A scrap that touches music before it, or after it at the recording's end; a short piece right
    before music, fairly steady; or a quiet piece right beside music: no word."""
    touching = 0.05 * FRAMES_PER_SECOND
    for start, stop in music:
        first, last = seconds_to_frames(start), seconds_to_frames(stop)
        length = (end - begin) / FRAMES_PER_SECOND
        at_end = end >= len(frames) - FRAMES_PER_SECOND
        if length < 0.6 and (
            abs(first - end) <= touching or (at_end and abs(begin - last) <= touching)
        ):
            return True
        if length < 2.5 and abs(first - end) < 0.3 * FRAMES_PER_SECOND:
            return float(frames.steadiness[begin:end].mean()) > 0.6
        distance = min(abs(begin - last), abs(end - first))
        inside = first <= begin and end <= last
        if length < 1.0 and (distance < FRAMES_PER_SECOND or inside):
            return loudness < float(np.median(frames.level_db[first:last])) - 6.0
    return False


def _is_crosstalk(frames: Frames, other: Frames, likeness: Floats) -> Mask:
    """Frames in which this channel is but a weak copy of the other one, delayed or not."""
    settings = load_thresholds()["crosstalk"]
    weaker = frames.level_db < other.level_db - settings["weaker_db"]
    alike = scipy.ndimage.uniform_filter1d(likeness, 7, mode="nearest") > settings["likeness"]
    loud = other.level_db > -50.0
    leaked: Mask = scipy.ndimage.binary_closing(weaker & alike & loud, np.ones(9, dtype=bool))
    leaked &= frames.level_db < other.level_db
    return leaked | _is_echo(frames, other)


def _is_echo(frames: Frames, other: Frames) -> Mask:
    """Frames that the other channel explains: delayed and filtered the same way all through.

    The delay is the one at which both levels go together best; the filter is the median difference
    of both in each band at that delay. Where neither side echoes the median is that of the noise
    beside the other's speech, which explains nothing that rises from it.
    """
    settings = load_thresholds()["crosstalk"]
    nothing = np.zeros(len(frames), dtype=bool)
    delay = _find_delay(frames.level_db, other.level_db)
    if delay is None:
        return nothing
    theirs = np.empty((len(frames), other.bands_db.shape[1]), dtype=np.float32)
    theirs[delay:] = other.bands_db[: len(other) - delay]
    theirs[:delay] = -80.0
    own = frames.bands_db.astype(np.float32)
    level = other.level_db[: len(other) - delay]
    talking = np.flatnonzero(level > max(-50.0, float(np.percentile(level, 95)) - 20.0)) + delay
    if talking.size < settings["fewest_frames"]:
        return nothing
    sample = talking[:: max(1, talking.size // 6000)]
    gain = np.median(own[sample] - theirs[sample], axis=0)
    quiet = np.percentile(own[:: max(1, len(own) // 6000)], 10, axis=0)
    # Rooms and networks smear an echo over some frames.
    explained = scipy.ndimage.maximum_filter1d(theirs + gain, 7, axis=0, mode="nearest")
    rises = (explained > quiet + 3.0).any(axis=1)
    np.maximum(explained, quiet, out=explained)
    excess = _sum_db(own) - _sum_db(explained)
    most = (own - explained).max(axis=1)
    if float(np.median(frames.level_db[sample] - other.level_db[sample - delay])) > -3.0:
        return nothing
    more = (_smooth(excess) > settings["own_over_echo_db"]) | (
        _smooth(most) > settings["own_band_over_echo_db"]
    )
    # Somebody's own words last; a burst that the median filter misjudges does not.
    more = scipy.ndimage.binary_opening(more, np.ones(settings["shortest_own_frames"], dtype=bool))
    more = scipy.ndimage.binary_dilation(more, np.ones(settings["own_reach_frames"], dtype=bool))
    echo: Mask = rises & ~more
    return echo


def _find_delay(own: Floats, other: Floats) -> int | None:
    """Frames by which this level follows the other one; None where it follows nowhere."""
    settings = load_thresholds()["crosstalk"]
    longest = seconds_to_frames(settings["longest_delay_seconds"])
    if len(own) < 4 * longest:
        return None
    places = np.arange(longest, len(own), max(1, len(own) // settings["delay_frames"]))
    window = scipy.ndimage.maximum_filter1d(
        other, longest + 1, origin=longest // 2, mode="nearest"
    )[places]
    best, delay = float(settings["delay_correlation"]), None
    # Where this side is about as loud it talks itself; how weak an echo is nobody knows beforehand.
    for weaker in settings["echo_weaker_db"]:
        chosen = places[(window > -50.0) & (own[places] < window - weaker)]
        if chosen.size < settings["fewest_frames"]:
            break
        heard = np.maximum(own[chosen], np.percentile(own[chosen], 10))
        heard = heard - heard.mean()
        delayed = np.maximum(other[chosen - np.arange(longest + 1)[:, None]], -60.0)
        delayed -= delayed.mean(axis=1, keepdims=True)
        norm = np.sqrt(np.einsum("ij,ij->i", delayed, delayed) * (heard @ heard)) + 1e-6
        together = delayed @ heard / norm
        if together.max() > best:
            best, delay = float(together.max()), int(together.argmax())
    return delay


def _sum_db(bands: Floats) -> Floats:
    """Level of all bands together; shape (frames,)."""
    total: Floats = np.float32(4.342945) * np.log(np.exp(bands * np.float32(0.2302585)).sum(axis=1))
    return total


def _find_music(frames: Frames, free: Mask) -> list[Span]:
    """Stretches of music: full, harmonic, and much steadier than speech for seconds on end."""
    settings = load_thresholds()["music"]
    size = seconds_to_frames(settings["window_seconds"])
    if len(frames) < seconds_to_frames(settings["shortest_seconds"]):
        return []
    smooth = scipy.ndimage.uniform_filter1d(frames.level_db, 5, mode="nearest")
    peak = scipy.ndimage.maximum_filter1d(smooth, size, mode="nearest")
    loud = free & (frames.level_db > peak - 20.0) & (frames.level_db > -55.0)
    loud &= frames.clear_share > 0.4
    weight = loud.astype(np.float32)

    def mean(values: Floats) -> Floats:
        average: Floats = scipy.ndimage.uniform_filter1d(values, size, mode="constant")
        return average

    share = mean(weight) + np.float32(1e-6)
    steadiness = mean(weight * frames.steadiness) / share
    harmonicity = mean(weight * frames.harmonicity) / share
    is_music = (
        (steadiness > settings["steadiness"])
        & (harmonicity > settings["harmonicity"])
        & (share > settings["fullness"])
    )
    spans = [
        (first / FRAMES_PER_SECOND, last / FRAMES_PER_SECOND)
        for first, last in bridge(runs(is_music), seconds_to_frames(settings["bridge_seconds"]))
        if last - first >= seconds_to_frames(settings["shortest_seconds"]) - size // 2
    ]
    # The window smears both ends: they reach as far as it stays loud and fairly steady.
    near = scipy.ndimage.uniform_filter1d(frames.steadiness, 41, mode="nearest")
    loud &= near > settings["edge_steadiness"]
    grown = []
    for begin, end in spans:
        first, last = int(begin * FRAMES_PER_SECOND), int(end * FRAMES_PER_SECOND)
        reach = size
        while first > 0 and reach > 0 and loud[max(0, first - 10) : first].mean() > 0.6:
            first, reach = first - 1, reach - 1
        reach = size
        while last < len(frames) and reach > 0 and loud[last : last + 10].mean() > 0.6:
            last, reach = last + 1, reach - 1
        grown.append((first / FRAMES_PER_SECOND, last / FRAMES_PER_SECOND))
    return [span for span in grown if span[1] - span[0] >= settings["shortest_seconds"]]


def runs(mask: Mask) -> list[tuple[int, int]]:
    """[start, end) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def bridge(spans: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Join neighbours that lie at most `gap` apart."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def seconds_to_frames(seconds: float) -> int:
    return round(seconds * FRAMES_PER_SECOND)


def _mask(spans: list[Span], length: int, grow: float = 0.0) -> Mask:
    mask = np.zeros(length, dtype=bool)
    for begin, end in spans:
        mask[
            max(0, round((begin - grow) * FRAMES_PER_SECOND)) : round(
                (end + grow) * FRAMES_PER_SECOND
            )
        ] = True
    return mask
