"""Steady tones in a channel, and what they mean by the table of countries.

Two steps: `find_tones` measures every steady tone (start, end, one or two frequencies), whatever it
may be; `read_tones` explains runs of them by cadence. Music and held vowels make steady stretches
too; they fall through because neither frequency nor cadence fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ml.audio.activity import runs
from ml.audio.spectrum import FRAMES_PER_SECOND, Frames

TABLE_PATH = Path(__file__).with_name("tones.yaml")

# A frame belongs to a steady tone when, noise taken off, this share of its power lies in two peaks
# and its spectrum is the same 40 ms earlier and later. White noise 6 dB below a tone leaves 0.8
# and 0.93; speech reaches both together for a few frames only.
_MIN_PURITY = 0.66
_MIN_STEADINESS = 0.88
_MIN_LEVEL_DB = -58.0
_MIN_TONE_SECONDS = 0.035
_SHORT_PURITY = 0.82
_HALF_POWER = 0.5


@dataclass(frozen=True)
class Tone:
    """One steady tone. Times in seconds from the start of the recording."""

    start: float
    end: float
    hz: tuple[float, ...]
    """One or two frequencies, ascending."""
    level_db: float
    share: float
    """Share of the stretch's power (190–3600 Hz) that lies at these frequencies, 0–1."""
    purity: float = 0.0
    """The same with the line's steady noise taken off, mean over its frames."""
    spread_hz: float = 0.0
    """How far its strongest frequency moves (standard deviation over its frames)."""

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Signal:
    """Something that a network or machine said by tones: a run of tones explained by the table."""

    kind: str
    """ringback, busy, congestion, invalid_number, special_information, fax, dtmf."""
    start: float
    end: float
    tones: tuple[Tone, ...]
    detail: str
    fit: float
    """0–1: how closely lengths and frequencies agree with the table."""
    full_periods: int
    period: float = 0.0
    """Seconds of one repetition, 0 where it does not repeat."""
    last_on_cut: bool = False
    """The last tone ended well before its length: something cut in."""
    places: int = 1
    """Tones in one repetition."""
    pause_after: float = 0.0
    """Seconds of quiet that the cadence wants after the last tone."""


@cache
def load_table(path: Path = TABLE_PATH) -> dict[str, Any]:
    """The tone table, read once."""
    table: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return table


def find_tones(frames: Frames, samples: NDArray[np.int16]) -> list[Tone]:
    """Every steady tone of at least 40 ms in a channel, in order of time."""
    power = np.power(10.0, frames.level_db / 10) * frames.purity
    steady = (
        (frames.purity >= _MIN_PURITY)
        & (frames.steadiness >= _MIN_STEADINESS)
        & (frames.level_db >= _MIN_LEVEL_DB)
    )
    tones: list[Tone] = []
    reached = 0
    for first, last in runs(steady):
        # A burst of 100 ms leaves one or two frames steady; a vowel's are less pure.
        if last - first < 3 and frames.purity[first:last].mean() < _SHORT_PURITY:
            continue
        for begin, end in _split_by_frequency(frames, first, last):
            tone = _measure(frames, power, samples, max(begin, reached), end)
            if tone is None:
                continue
            previous = tones[-1] if tones else None
            if (
                previous is not None
                and tone.start - previous.end < 0.035
                and (
                    _same(previous.hz, tone.hz)
                    or (tone.start <= previous.end and _shares_one(previous.hz, tone.hz))
                )
            ):
                tones[-1] = Tone(
                    previous.start,
                    max(tone.end, previous.end),
                    previous.hz if previous.seconds > tone.seconds else tone.hz,
                    max(previous.level_db, tone.level_db),
                    min(previous.share, tone.share),
                    min(previous.purity, tone.purity),
                    max(previous.spread_hz, tone.spread_hz),
                )
            else:
                tones.append(tone)
            reached = max(reached, end)
    return _sharpen(tones, frames, samples)


def _sharpen(tones: list[Tone], frames: Frames, samples: NDArray[np.int16]) -> list[Tone]:
    """The same with the edges, and the tones between, that a low-rate codec has smeared.

    Where a network's frequency was met at least twice, its own power, filtered out of all else,
    tells when it was on: a codec spreads noise and echoes around a tone, but hardly any of its power.
    """
    settings = load_table()["sharpen"]
    tolerance = load_table()["tolerance"]["frequency_hz"]
    groups: list[list[Tone]] = []
    for tone in tones:
        if tone.share < settings["share"] or not any(
            _fits_hz(tone, hz, tolerance) for hz in _network_hz()
        ):
            continue
        for group in groups:
            if _same(group[0].hz, tone.hz):
                group.append(tone)
                break
        else:
            groups.append([tone])
    for group in groups:
        if len(group) >= 2:
            tones = _replace_group(tones, group, frames, samples, settings)
    return tones


def _replace_group(
    tones: list[Tone],
    group: list[Tone],
    frames: Frames,
    samples: NDArray[np.int16],
    settings: dict[str, float],
) -> list[Tone]:
    hz = tuple(float(f) for f in np.median([tone.hz for tone in group], axis=0))
    begin = max(0.0, group[0].start - settings["reach_seconds"])
    stop = min(group[-1].end, begin + settings["longest_seconds"]) + settings["reach_seconds"]
    first = round(begin * 8000)
    piece = samples[first : round(stop * 8000)]
    levels = [_narrow_power(piece, f) for f in hz]
    count = min(len(level) for level in levels)
    if not count:
        return tones
    steps = np.arange(count) * _NARROW_STEP / 8000 + begin
    on = np.ones(count, dtype=bool)
    inside = np.zeros(count, dtype=bool)
    for tone in group:
        inside |= (steps > tone.start + 0.03) & (steps < tone.end - 0.03)
    if not inside.any():
        return tones
    total = np.zeros(count)
    reference = 0.0
    for level in levels:
        own = float(np.median(level[:count][inside]))
        on &= (level[:count] > 0.25 * own) & (level[:count] < 4.0 * own)
        total += level[:count]
        reference += own
    found: list[Tone] = []
    for a, b in _bridged(runs(on), round(settings["gap_seconds"] * 8000 / _NARROW_STEP)):
        start, end = float(steps[a]), float(steps[b - 1] + _NARROW_STEP / 8000)
        if end - start < _MIN_TONE_SECONDS:
            continue
        x, y = round(start * FRAMES_PER_SECOND), round(end * FRAMES_PER_SECOND)
        power = float(np.mean(np.power(10.0, frames.level_db[x : max(y, x + 1)] / 10)))
        share = min(1.0, float(np.mean(total[a:b])) / (power + 1e-12))
        overlapping = [t for t in tones if min(t.end, end) - max(t.start, start) > 0.02]
        others = [t for t in overlapping if t.share >= settings["share"] and not _same(t.hz, hz)]
        if others or (not overlapping and share < settings["new_share"]):
            continue
        level_db = 10 * math.log10(float(np.median(total[a:b])) + 1e-12)
        best = max(overlapping, key=lambda t: t.share, default=None)
        measured = best.hz if best is not None and _same(best.hz, hz) else hz
        share = max(share, best.share) if best is not None and _same(best.hz, hz) else share
        found.append(Tone(start, end, measured, level_db, share, *_steadiness(frames, x, y + 1)))
    # A clean tone that the filter shows in part only is another, softer one: a beep, say.
    for tone in group:
        shown = [f for f in found if _overlap(tone, f) > 0]
        if shown and sum(_overlap(tone, f) for f in shown) < settings["covered"] * tone.seconds:
            found = [f for f in found if f not in shown]
    # What stays: tones of other frequencies beside them, and soft ones, but no codec's echo.
    loudness = 10 * math.log10(reference + 1e-12)
    kept = [
        tone
        for tone in tones
        if not any(_overlap(tone, new) > 0.02 for new in found)
        and not (
            tone.level_db < loudness - settings["echo_db"]
            and any(_gap(tone, new) < settings["echo_seconds"] for new in found)
        )
    ]
    return sorted(kept + found, key=lambda tone: tone.start)


_NARROW_STEP = 40  # samples: 5 ms
_NARROW_STEPS = 5  # 25 ms: as wide as 80 Hz, as sharp as the shortest tone needs


def _narrow_power(samples: NDArray[np.int16], hz: float) -> NDArray[np.float64]:
    """Power at one frequency every 5 ms, of full scale 1, shape (samples // 40,)."""
    count = samples.size // _NARROW_STEP
    blocks = samples[: count * _NARROW_STEP].reshape(count, _NARROW_STEP).astype(np.float32)
    turn = 2 * np.pi * hz / 8000
    inner = np.exp(-1j * turn * np.arange(_NARROW_STEP)).astype(np.complex64) / 32768
    moved = (blocks @ inner) * np.exp(-1j * turn * _NARROW_STEP * np.arange(count))
    window = np.hanning(_NARROW_STEPS + 2)[1:-1]
    smooth = np.convolve(moved, window / window.sum(), mode="same") / _NARROW_STEP
    power: NDArray[np.float64] = 2 * np.abs(smooth) ** 2
    return power


def _bridged(spans: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _split_by_frequency(frames: Frames, first: int, last: int) -> list[tuple[int, int]]:
    """Cut a steady run where its strongest frequency jumps for good (as in the SIT)."""
    centre = (
        frames.first_hz[first:last] * (1 - frames.second_share[first:last])
        + frames.second_hz[first:last] * frames.second_share[first:last]
    )
    jumps = np.flatnonzero(np.abs(centre[4:] - centre[:-4]) > 90.0) + 2
    if jumps.size == 0:
        return [(first, last)]
    cuts = [0]
    for jump in jumps:
        if jump - cuts[-1] >= 4:
            cuts.append(int(jump))
    cuts.append(last - first)
    return [(first + a, first + b) for a, b in pairwise(cuts) if b - a >= 2]


def _measure(
    frames: Frames,
    power: NDArray[np.floating[Any]],
    samples: NDArray[np.int16],
    first: int,
    last: int,
) -> Tone | None:
    """Edges at half power and frequencies of one steady run of frames."""
    if last - first < 1:
        return None
    reference = float(np.median(power[first:last]))
    anchor = float(np.median(frames.first_hz[first:last]))
    # The second peak of a single tone is its own skirt, wherever that happens to be highest.
    is_dual = float(np.median(frames.second_share[first:last])) > 0.05
    other = float(np.median(frames.second_hz[first:last])) if is_dual else anchor
    near = 60.0

    def belongs(index: int) -> bool:
        value = frames.first_hz[index]
        return bool(
            power[index] >= _HALF_POWER * reference
            and min(abs(value - anchor), abs(value - other)) < near
        )

    begin, end = first, last
    while begin > 0 and first - begin < 12 and belongs(begin - 1):
        begin -= 1
    while end < len(frames) and end - last < 12 and belongs(end):
        end += 1
    while begin < end - 1 and power[begin] < _HALF_POWER * reference:
        begin += 1
    while end - 1 > begin and power[end - 1] < _HALF_POWER * reference:
        end -= 1
    start_time = _crossing(power, begin, -1, reference) / FRAMES_PER_SECOND
    end_time = _crossing(power, end - 1, 1, reference) / FRAMES_PER_SECOND
    if end_time - start_time < _MIN_TONE_SECONDS:
        return None
    found = _frequencies(samples, start_time, end_time)
    if found is None:
        return None
    hz, share = found
    return Tone(
        float(start_time),
        float(end_time),
        hz,
        float(10 * np.log10(reference + 1e-12)),
        share,
        *_steadiness(frames, begin, end),
    )


def _steadiness(frames: Frames, begin: int, end: int) -> tuple[float, float]:
    """Mean purity and spread of the strongest frequency of the frames begin … end, edges apart."""
    if end - begin > 4:
        begin, end = begin + 2, end - 2
    return float(frames.purity[begin:end].mean()), float(frames.first_hz[begin:end].std())


def _crossing(power: NDArray[np.floating[Any]], index: int, step: int, reference: float) -> float:
    """Where power falls through half of the reference beyond `index`, in frames."""
    beyond = index + step
    if beyond < 0 or beyond >= len(power):
        return float(max(beyond, 0)) if step > 0 else 0.0
    inside, outside = float(power[index]), float(power[beyond])
    threshold = _HALF_POWER * reference
    if inside <= outside or outside >= threshold:
        return index + 0.5 * step
    part = (inside - threshold) / (inside - outside)
    return index + step * min(max(part, 0.0), 1.0)


def _frequencies(
    samples: NDArray[np.int16], start: float, end: float
) -> tuple[tuple[float, ...], float] | None:
    """One or two frequencies that hold the stretch, and their share of its power."""
    import scipy.fft

    margin = 0.012 if end - start > 0.08 else 0.004
    middle, half = (start + end) / 2, min((end - start) / 2 - margin, 0.3)
    piece = samples[max(0, round((middle - half) * 8000)) : round((middle + half) * 8000)]
    if piece.size < 160:
        return None
    window = np.hanning(piece.size).astype(np.float32)
    size = 4096
    spectrum = np.abs(scipy.fft.rfft(piece.astype(np.float32) * window, size)) ** 2
    bin_hz = 8000 / size
    low, high = round(190 / bin_hz), round(3600 / bin_hz)
    spectrum[:low] = 0
    spectrum[high:] = 0
    total = float(spectrum.sum())
    if total <= 0:
        return None
    # Half the main lobe of a Hann window is two bins of the piece's own length.
    lobe = max(12.0, 2.0 * 8000 / piece.size)
    reach = round(lobe / bin_hz)
    peaks: list[tuple[float, float]] = []
    remaining = spectrum.copy()
    for _ in range(2):
        top = int(remaining.argmax())
        begin, stop = max(0, top - reach), top + reach + 1
        energy = float(remaining[begin:stop].sum())
        offset = 0.0
        if 0 < top < len(spectrum) - 1:
            left, mid, right = (np.sqrt(spectrum[top + d]) for d in (-1, 0, 1))
            denominator = left - 2 * mid + right
            offset = 0.5 * float((left - right) / denominator) if denominator else 0.0
        peaks.append(((top + offset) * bin_hz, energy))
        remaining[begin:stop] = 0
    (hz_1, energy_1), (hz_2, energy_2) = peaks
    # 13 dB: networks send both tones within 6 dB, the line may tilt them by a few more. A peak on
    # the skirt of the first is the window's own side lobe.
    if energy_2 > 0.05 * energy_1 and abs(hz_1 - hz_2) > max(28.0, lobe * 1.1):
        union = np.zeros(len(spectrum), dtype=bool)
        for hz, _ in peaks:
            centre = round(hz / bin_hz)
            union[max(0, centre - reach) : centre + reach + 1] = True
        return tuple(sorted((hz_1, hz_2))), float(spectrum[union].sum()) / total
    return (hz_1,), energy_1 / total


def _same(left: tuple[float, ...], right: tuple[float, ...]) -> bool:
    return len(left) == len(right) and all(
        abs(a - b) < 25 for a, b in zip(left, right, strict=True)
    )


def _shares_one(left: tuple[float, ...], right: tuple[float, ...]) -> bool:
    return any(abs(a - b) < 12 for a in left for b in right)


def read_tones(tones: list[Tone], duration: float, country: str | None = None) -> list[Signal]:
    """Explain tones by the table; what nothing explains is left out.

    `duration`: seconds of the recording, because a tone that its end cuts off is no short tone.
    `country`: ISO code; where two countries' tones fit alike, that country's meaning wins.
    """
    signals = _special_information(tones) + _fax(tones) + _dtmf(tones)
    taken = {tone for signal in signals for tone in signal.tones}
    signals += _progress([t for t in tones if t not in taken], duration, country)
    return sorted(signals, key=lambda s: s.start)


@dataclass(frozen=True)
class _Specification:
    country: str
    kind: str
    hz: tuple[float, ...]
    cadence: tuple[float, ...]


@cache
def _specifications() -> tuple[_Specification, ...]:
    return tuple(
        _Specification(
            country,
            tone["kind"],
            tuple(float(f) for f in tone["hz"]),
            tuple(ms / 1000 for ms in tone["cadence_ms"]),
        )
        for country, block in load_table()["countries"].items()
        for tone in block["tones"]
    )


@cache
def _network_hz() -> frozenset[tuple[float, ...]]:
    """All frequencies, or pairs of them, that some network sends."""
    return frozenset(specification.hz for specification in _specifications())


@dataclass(frozen=True)
class _Chain:
    specification: _Specification
    tones: tuple[Tone, ...]
    error: float
    gaps: int
    last_on_cut: bool
    phase: int


def _progress(tones: list[Tone], duration: float, country: str | None) -> list[Signal]:
    """Ringback, busy, congestion and vacant number by frequency and cadence."""
    table = load_table()
    home = table["aliases"].get(country, country)
    # Only what some network sends: a voice's harmonic between two rings breaks no cadence.
    tolerance = table["tolerance"]["frequency_hz"]
    tones = [
        tone
        for tone in tones
        if tone.share > 0.5 and any(_fits_hz(tone, hz, tolerance) for hz in _network_hz())
    ]
    signals: list[Signal] = []
    at = 0
    while at < len(tones):
        best: _Chain | None = None
        for specification in _specifications():
            for phase in range(0, len(specification.cadence), 2):
                chain = _follow(tones, at, specification, phase, duration)
                if chain is None:
                    continue
                if best is None or _rank(chain, home) > _rank(best, home):
                    best = chain
        if best is None:
            at += 1
            continue
        signals.append(_signal(best))
        at += len(best.tones)
    return signals


def _rank(chain: _Chain, home: str | None) -> float:
    """Many more tones explained first, then the closer fit, the home country a little ahead.

    On a logarithmic scale, because one burst more or less at the ends says nothing, while three
    of twenty explained says that it is another cadence.
    """
    bonus = 0.3 if chain.specification.country == home else 0.0
    return 1.5 * math.log2(len(chain.tones) + 0.5 * chain.gaps) + bonus - 12.0 * chain.error


def _follow(
    tones: list[Tone], at: int, specification: _Specification, phase: int, duration: float
) -> _Chain | None:
    """The longest run of tones from `at` on that keeps the cadence, starting in that phase."""
    tolerance = load_table()["tolerance"]
    ratio, slack = tolerance["cadence_ratio"], tolerance["cadence_slack_ms"] / 1000
    cadence = specification.cadence
    used: list[Tone] = []
    errors: list[float] = []
    gaps, cut = 0, False
    full = 0
    for step in range(len(tones) - at):
        tone = tones[at + step]
        place = (phase + 2 * step) % len(cadence)
        wanted = cadence[place]
        if not _fits_hz(tone, specification.hz, tolerance["frequency_hz"]):
            break
        if step:
            pause = cadence[(place - 1) % len(cadence)]
            gap = tone.start - used[-1].end
            if abs(gap - pause) > ratio * pause + slack:
                break
        limit = ratio * wanted + slack
        short = wanted - tone.seconds
        at_edge = (step == 0 and tone.start < 0.06) or tone.end > duration - 0.06
        last = at + step == len(tones) - 1 or tones[at + step + 1].start - tone.end > 1.2 * max(
            cadence
        )
        if short < -limit:
            break
        if short > limit:
            ringing = specification.kind == "ringback"
            # Cut by an edge of the file, or (ringing only) by the answer.
            if not (at_edge or (ringing and last and (tone.seconds > 0.12 or step > 0))):
                break
            cut = cut or not (step == 0 and tone.start < 0.06)
        else:
            full += 1
            errors.append(abs(short) / wanted)
        if step:
            gaps += 1
            errors.append(abs(gap - pause) / pause)
        used.append(tone)
        if short > limit and cut:
            break
    if not used:
        return None
    ringing = specification.kind == "ringback"
    following = tones[at + len(used)] if at + len(used) < len(tones) else None
    if ringing:
        if full == 0 and not (
            gaps or _is_cut_ring(used[0], specification, duration, len(tones) == 1)
        ):
            return None
        # One ring alone must stand alone: no other tone of its kind may come too close.
        pause = 0.8 * max(cadence[1::2])
        before = tones[at - 1] if at > 0 else None
        if gaps == 0 and any(
            neighbour is not None
            and _fits_hz(neighbour, specification.hz, tolerance["frequency_hz"])
            and _gap(neighbour, used[0]) < pause
            for neighbour in (before, following)
        ):
            return None
    elif full < 2 or gaps < 1 or (len(used) < 3 and used[-1].end < duration - 1.0):
        return None
    # A pattern of several lengths shows only where each of them was met.
    if len(set(cadence)) > 2 and not ringing and len(used) < len(cadence) // 2 + 1:
        return None
    detuned = [abs(a - b) / b for t in used for a, b in zip(t.hz, specification.hz, strict=True)]
    error = (float(np.mean(errors)) if errors else 0.1) + float(np.mean(detuned))
    return _Chain(specification, tuple(used), error, gaps, cut, phase)


def _overlap(left: Tone, right: Tone) -> float:
    """Seconds that two tones sound together."""
    return min(left.end, right.end) - max(left.start, right.start)


def _gap(left: Tone, right: Tone) -> float:
    """Seconds between two tones, whichever comes first."""
    return max(left.start, right.start) - min(left.end, right.end)


def _is_cut_ring(
    tone: Tone, specification: _Specification, duration: float, is_alone: bool
) -> bool:
    """A single ring that never reached its length is believed where the recording ends
    in it, where no other network has its two frequencies, or where nothing else sounds."""
    ends_cut = tone.end > duration - 0.06
    if ends_cut and tone.seconds > 0.1 and min(tone.share, tone.purity) > 0.95:
        return True
    return (
        max(tone.share, tone.purity if ends_cut else 0.0) > 0.8
        and tone.seconds > 0.25
        and (
            ends_cut
            or len(specification.hz) == 2
            or tone.start < 0.06
            or (is_alone and tone.share > 0.93)
        )
    )


def _fits_hz(tone: Tone, wanted: tuple[float, ...], tolerance: float) -> bool:
    return len(tone.hz) == len(wanted) and all(
        abs(a - b) <= tolerance for a, b in zip(tone.hz, wanted, strict=True)
    )


def _signal(chain: _Chain) -> Signal:
    specification = chain.specification
    hz = "+".join(f"{f:.0f}" for f in np.mean([t.hz for t in chain.tones], axis=0))
    lengths = "/".join(f"{ms * 1000:.0f}" for ms in specification.cadence)
    count = len(chain.tones)
    return Signal(
        kind=specification.kind,
        start=chain.tones[0].start,
        end=chain.tones[-1].end,
        tones=chain.tones,
        detail=f"{hz} Hz, {count} × on, as {specification.country} {lengths} ms",
        fit=max(0.0, 1.0 - 5.0 * chain.error),
        full_periods=count // max(1, len(specification.cadence) // 2),
        period=sum(specification.cadence),
        last_on_cut=chain.last_on_cut,
        places=len(specification.cadence) // 2,
        pause_after=specification.cadence[
            (chain.phase + 2 * count - 1) % len(specification.cadence)
        ],
    )


def _special_information(tones: list[Tone]) -> list[Signal]:
    """Three rising tones in a row (ITU-T Q.35, GR-674)."""
    table = load_table()
    tolerance, block = table["tolerance"], table["special_information"]
    shortest, longest = (ms / 1000 for ms in tolerance["sit_duration_ms"])
    found: list[Signal] = []
    for index in range(len(tones) - 2):
        three = tones[index : index + 3]
        if any(len(t.hz) != 1 for t in three):
            continue
        near = all(
            abs(t.hz[0] - hz) <= tolerance["sit_frequency_hz"]
            for t, hz in zip(three, block["international_hz"], strict=True)
        )
        lengths = all(shortest <= t.seconds <= longest for t in three)
        close = all(b.start - a.end <= tolerance["sit_gap_ms"] / 1000 for a, b in pairwise(three))
        if near and lengths and close:
            text = ", ".join(f"{t.hz[0]:.0f} Hz {1000 * t.seconds:.0f} ms" for t in three)
            found.append(
                Signal(
                    "special_information", three[0].start, three[2].end, tuple(three), text, 1.0, 1
                )
            )
    return found


def _fax(tones: list[Tone]) -> list[Signal]:
    """The tones of a calling (CNG) and of an answering (CED) fax machine (ITU-T T.30)."""
    block = load_table()["fax"]
    cng, ced = block["cng"], block["ced"]
    on, off = (ms / 1000 for ms in cng["cadence_ms"])
    found: list[Signal] = []
    calling = [
        t
        for t in tones
        if len(t.hz) == 1
        and abs(t.hz[0] - cng["hz"]) <= cng["frequency_hz"]
        and abs(t.seconds - on) <= cng["on_ratio"] * on + 0.022
        and t.share > 0.8
    ]
    if calling:
        gaps = [b.start - a.end for a, b in pairwise(calling)]
        regular = sum(abs(g - off) <= 0.15 * off for g in gaps)
        if len(calling) == 1 or regular:
            found.append(
                Signal(
                    "fax",
                    calling[0].start,
                    calling[-1].end,
                    tuple(calling),
                    f"calling tone (CNG) {calling[0].hz[0]:.0f} Hz, {len(calling)} ×",
                    1.0 if regular else 0.6,
                    len(calling),
                )
            )
    found += [
        Signal(
            "fax",
            answer.start,
            answer.end,
            (answer,),
            f"answering tone (CED) {answer.hz[0]:.0f} Hz for {answer.seconds:.1f} s",
            1.0,
            1,
        )
        for answer in tones
        if len(answer.hz) == 1
        and abs(answer.hz[0] - ced["hz"]) <= ced["frequency_hz"]
        and answer.seconds >= ced["min_ms"] / 1000
    ]
    return found


def is_network(tone: Tone) -> bool:
    """Whether its frequencies are those of some network's tone."""
    tolerance = load_table()["tolerance"]["frequency_hz"]
    return any(_fits_hz(tone, hz, tolerance) for hz in _network_hz())


def is_key(tone: Tone) -> bool:
    """Whether its two frequencies are those of a key (DTMF)."""
    return _key(tone) is not None


def _key(tone: Tone) -> str | None:
    block = load_table()["dtmf"]
    if len(tone.hz) != 2:
        return None
    row, column = (
        next((i for i, f in enumerate(group) if abs(hz - f) <= block["tolerance_ratio"] * f), None)
        for hz, group in zip(tone.hz, (block["low_hz"], block["high_hz"]), strict=True)
    )
    if row is None or column is None:
        return None
    return str(block["keys"][row][column])


def _dtmf(tones: list[Tone]) -> list[Signal]:
    """Keys pressed, neighbours within 3 s as one signal whose detail is the digits."""
    block = load_table()["dtmf"]
    keys: list[tuple[Tone, str]] = []
    for tone in tones:
        if len(tone.hz) != 2 or tone.seconds > block["max_ms"] / 1000 or tone.share < 0.9:
            continue
        key = _key(tone)
        if key is not None:
            keys.append((tone, key))
    found: list[Signal] = []
    group: list[tuple[Tone, str]] = []
    for tone, key in keys:
        if group and tone.start - group[-1][0].end > 3.0:
            found.append(_keys_signal(group))
            group = []
        group.append((tone, key))
    if group:
        found.append(_keys_signal(group))
    return found


def _keys_signal(group: list[tuple[Tone, str]]) -> Signal:
    return Signal(
        "dtmf",
        group[0][0].start,
        group[-1][0].end,
        tuple(tone for tone, _ in group),
        "keys " + "".join(key for _, key in group),
        1.0,
        len(group),
    )
