"""The sounds that are not speech: tones, noises, music, and what a telephone line does to a signal.

Signals are float32 `(samples,)` at `RATE`. Every function that chooses takes a NumPy generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

Signal = npt.NDArray[np.float32]
Random = np.random.Generator

RATE = 16000
_TABLE = Path(__file__).with_name("tones.yaml")


@cache
def tables() -> dict[str, Any]:
    """tones.yaml."""
    with _TABLE.open(encoding="utf-8") as file:
        table: dict[str, Any] = yaml.safe_load(file)
    return table


def gain(decibels: float) -> float:
    """Amplitude of a level in dB."""
    return float(10 ** (decibels / 20))


def silence(seconds: float) -> Signal:
    return np.zeros(max(0, round(seconds * RATE)), np.float32)


def active_level(signal: Signal) -> float:
    """RMS over the 20 ms frames within 30 dB of the loudest, in dBFS; −120 for nothing."""
    frames = len(signal) // 320
    if frames == 0:
        return -120.0
    power = (signal[: frames * 320].reshape(frames, 320).astype(np.float64) ** 2).mean(axis=1)
    active = power[power > power.max() * 1e-3]
    return float(10 * np.log10(active.mean())) if len(active) and power.max() > 0 else -120.0


def at_level(signal: Signal, decibels: float) -> Signal:
    """The signal with its active level set, dBFS."""
    scaled: Signal = (signal * gain(decibels - active_level(signal))).astype(np.float32)
    return scaled


def tone(hz: Sequence[float], seconds: float) -> Signal:
    """A steady tone of equal parts at 0 dBFS RMS of a full sine, edges of 4 ms."""
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    wave = sum((np.sin(2 * np.pi * f * time) for f in hz), np.zeros(count)) / max(1, len(hz))
    edge = min(64, count // 2)
    if edge:
        ramp = np.linspace(0, 1, edge)
        wave[:edge] *= ramp
        wave[count - edge :] *= ramp[::-1]
    return wave.astype(np.float32)


def cadence(
    hz: Sequence[float], on_off_ms: Sequence[float], seconds: float, offset_seconds: float = 0.0
) -> Signal:
    """A tone switched on and off for `seconds`, begun `offset_seconds` into its cycle."""
    total = round((seconds + offset_seconds) * RATE)
    signal = np.zeros(total, np.float32)
    at, step = 0, 0
    while at < total:
        length = round(on_off_ms[step % len(on_off_ms)] * RATE / 1000)
        if step % 2 == 0:
            piece = tone(hz, min(length, total - at) / RATE)
            signal[at : at + len(piece)] = piece[: total - at]
        at += length
        step += 1
    return signal[round(offset_seconds * RATE) :]


def progress_tone(
    country: str, name: str, seconds: float, random: Random, offset_seconds: float = 0.0
) -> Signal:
    """A call-progress tone off its nominal values by up to ±2 % and ±10 %, −6 to −35 dBFS."""
    entry = tables()["countries"][country][name]
    pitch, pace = random.uniform(0.98, 1.02), random.uniform(0.9, 1.1)
    signal = cadence(
        [f * pitch for f in entry["hz"]], [ms * pace for ms in entry["ms"]], seconds, offset_seconds
    )
    return at_peak(signal, random.uniform(-35, -6))


def at_peak(signal: Signal, decibels: float) -> Signal:
    """The signal with its peak set, dBFS; nothing stays nothing."""
    peak = float(np.abs(signal).max()) if len(signal) else 0.0
    scaled: Signal = (signal * (gain(decibels) / peak if peak else 0.0)).astype(np.float32)
    return scaled


def information_tone(random: Random) -> tuple[Signal, str]:
    """A special information tone and the outcome it stands for (invalid_number by default)."""
    kind = str(random.choice(["itu", "us"]))
    entries = tables()["information_tones"][kind]
    entry = entries[int(random.integers(len(entries)))]
    pitch = random.uniform(0.985, 1.015)
    gap = silence(random.uniform(0.0, 0.03))
    pieces: list[Signal] = []
    for hz, ms in zip(entry["hz"], entry["ms"], strict=True):
        pieces += [tone([hz * pitch], ms * random.uniform(0.95, 1.05) / 1000), gap]
    joined = np.concatenate(pieces)
    return at_peak(joined, random.uniform(-26, -8)), entry.get("outcome", "invalid_number")


def voicemail_beep(random: Random) -> Signal:
    entries = tables()["beeps"]
    entry = entries[int(random.integers(len(entries)))]
    pitch, pace = random.uniform(0.94, 1.06), random.uniform(0.8, 1.2)
    wave = tone([f * pitch for f in entry["hz"]], entry["ms"] * pace / 1000)
    return at_peak(wave, random.uniform(-26, -8))


_KEYS = {
    key: (row, column)
    for row, keys in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for column, key in zip((1209, 1336, 1477, 1633), keys, strict=True)
}


def dialled_keys(keys: str, random: Random) -> Signal:
    """DTMF (ITU-T Q.23): 80 to 200 ms a key with gaps of 80 to 250 ms."""
    pieces: list[Signal] = []
    for key in keys:
        pieces += [tone(_KEYS[key], random.uniform(0.08, 0.2)), silence(random.uniform(0.08, 0.25))]
    return at_peak(np.concatenate(pieces), random.uniform(-20, -8))


def noise(kind: str, seconds: float, random: Random) -> Signal:
    """Noise of RMS 1 (0 dB): white, pink, brown, hum50, hum60, comfort, street or room."""
    count = max(1, round(seconds * RATE))
    time = np.arange(count) / RATE
    if kind in ("hum50", "hum60"):
        base = 50.0 if kind == "hum50" else 60.0
        wave = np.zeros(count)
        for harmonic in range(1, 12):
            phase = random.uniform(0, 2 * np.pi)
            strength = random.uniform(0.3, 1.0) / harmonic**0.5
            wave += strength * np.sin(2 * np.pi * base * harmonic * time + phase)
    else:
        slope = {"white": 0.0, "comfort": 0.2, "pink": 0.5, "room": 0.6, "brown": 1.0}
        wave = _coloured(count, slope.get(kind, 0.5), random)
        if kind == "street":
            # Cars pass: slow swells of low-pitched noise over a pink floor.
            swell = np.zeros(count)
            for _ in range(max(1, round(seconds / 6))):
                middle, width = random.uniform(0, seconds), random.uniform(0.8, 2.5)
                swell += random.uniform(1, 3) * np.exp(-(((time - middle) / width) ** 2))
            wave = wave + swell * _coloured(count, 0.8, random)
    level = float(np.sqrt(np.mean(wave**2)))
    scaled: Signal = (wave / max(level, 1e-12)).astype(np.float32)
    return scaled


def _coloured(count: int, slope: float, random: Random) -> npt.NDArray[np.float64]:
    """Noise whose amplitude falls as frequency^−slope, RMS 1; made in blocks, faded together."""
    if slope == 0.0:
        return random.standard_normal(count)
    block = 1 << 16
    spectrum_hz = np.fft.rfftfreq(2 * block, 1 / RATE)
    shape = np.where(spectrum_hz > 40, np.maximum(spectrum_hz, 40.0) ** -slope, 0.0)
    fade = np.sin(np.linspace(0, np.pi, 2 * block, endpoint=False))
    wave = np.zeros(count + 4 * block)
    for start in range(0, count + block, block):
        white = np.fft.rfft(random.standard_normal(2 * block))
        wave[start : start + 2 * block] += fade * np.fft.irfft(white * shape)
    wave = wave[block : block + count]
    normal: npt.NDArray[np.float64] = wave / np.sqrt(np.mean(wave**2))
    return normal


def breath(random: Random) -> Signal:
    """A breath in and out: band noise swelling for 0.6 to 1.4 s, peak 1."""
    from scipy.signal import butter, sosfilt

    pieces: list[Signal] = []
    for _ in range(2):
        seconds = random.uniform(0.6, 1.4)
        wave = noise("white", seconds, random)
        low = random.uniform(250, 600)
        band = butter(2, [low, low * random.uniform(3, 5)], "bandpass", fs=RATE, output="sos")
        shaped = sosfilt(band, wave) * np.sin(np.linspace(0, np.pi, len(wave))) ** 1.5
        pieces += [shaped.astype(np.float32), silence(random.uniform(0.1, 0.6))]
    return at_peak(np.concatenate(pieces), 0.0)


def knock(random: Random) -> Signal:
    """A click of the handset or a thing put down: some decaying noise, peak 1."""
    count = round(random.uniform(0.01, 0.06) * RATE)
    decay = np.exp(-np.linspace(0, random.uniform(4, 9), count))
    return at_peak((random.standard_normal(count) * decay).astype(np.float32), 0.0)


def line_click(random: Random) -> Signal:
    """The switch of the line: a pulse of a few milliseconds, peak 1."""
    count = round(random.uniform(0.001, 0.004) * RATE)
    wave = np.zeros(count + 32)
    wave[:count] = random.choice([-1.0, 1.0])
    return at_peak(np.convolve(wave, np.hanning(9), "same").astype(np.float32), 0.0)


def whistle(random: Random, seconds: float) -> Signal:
    """A person's whistling: a gliding near-sine that wavers, in phrases; peak 1."""
    count = round(seconds * RATE)
    knots = max(3, round(seconds / 0.35))
    pitch = random.choice([700, 900, 1100, 1300]) * 2 ** (random.integers(-4, 8, knots) / 12)
    hz = np.interp(np.arange(count), np.linspace(0, count, knots), pitch)
    hz = hz * (1 + 0.01 * np.sin(2 * np.pi * random.uniform(4, 7) * np.arange(count) / RATE))
    held = np.interp(
        np.arange(count),
        np.linspace(0, count, knots * 3),
        np.clip(random.normal(0.7, 0.4, knots * 3), 0, 1),
    )
    wave = np.sin(2 * np.pi * np.cumsum(hz) / RATE) * held
    wave = wave + 0.03 * random.standard_normal(count) * held
    return at_peak(wave.astype(np.float32), 0.0)


def held_vowel(random: Random, seconds: float, sing: bool = False) -> Signal:
    """A hummed or sung vowel: a pulse train through three formants, with vibrato; peak 1."""
    from scipy.signal import lfilter

    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    base = random.uniform(100, 260)
    if sing:
        steps = max(2, round(seconds / 0.6))
        notes = base * 2 ** (random.choice([0, 2, 4, 5, 7, 9, 12], steps) / 12)
        hz = notes[np.minimum((np.arange(count) * steps) // count, steps - 1)]
    else:
        hz = np.full(count, base)
    hz = hz * (1 + 0.015 * np.sin(2 * np.pi * random.uniform(4.5, 6.5) * time))
    hz = hz * (1 + 0.002 * np.cumsum(random.standard_normal(count)) / np.sqrt(count))
    phase = np.cumsum(hz) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0)
    formants = [(700, 1200, 2600), (300, 2200, 2900), (400, 800, 2500), (500, 1700, 2500)]
    wave = pulses
    for centre in formants[int(random.integers(len(formants)))]:
        radius = np.exp(-np.pi * random.uniform(60, 140) / RATE)
        angle = 2 * np.pi * centre / RATE
        wave = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], wave)
    edge = np.minimum(1, np.minimum(time, time[::-1]) / 0.08)
    return at_peak((wave * edge).astype(np.float32), 0.0)


def bark(random: Random) -> Signal:
    """A dog-like bark: a noisy pulse train whose pitch falls, 0.15 to 0.3 s; peak 1."""
    count = round(random.uniform(0.15, 0.3) * RATE)
    ramp = np.linspace(0, 1, count)
    hz = random.uniform(350, 700) * (1.3 - 0.6 * ramp)
    wave = np.sign(np.sin(2 * np.pi * np.cumsum(hz) / RATE)) + random.normal(0, 0.8, count)
    shaped = np.convolve(wave, np.hanning(9) / 4, "same") * np.sin(np.pi * ramp**0.5)
    return at_peak(shaped.astype(np.float32), 0.0)


def cry(random: Random) -> Signal:
    """A baby-like cry: rich harmonics rising and falling about 400 Hz for a second; peak 1."""
    count = round(random.uniform(0.7, 1.4) * RATE)
    ramp = np.linspace(0, 1, count)
    hz = random.uniform(350, 500) * (1 + 0.25 * np.sin(np.pi * ramp))
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    wave = sum((np.sin(k * phase) / k**0.7 for k in range(1, 7)), np.zeros(count))
    shaped = wave * np.sin(np.pi * ramp) * (1 + 0.2 * random.standard_normal(count))
    return at_peak(shaped.astype(np.float32), 0.0)


def tune(random: Random, seconds: float) -> Signal:
    """A made-up tune of a plucked voice, chords and a beat; peak 1."""
    count = round(seconds * RATE)
    wave = np.zeros(count + 2 * RATE)
    beat = random.uniform(0.22, 0.5)
    key = 220.0 * 2 ** (random.integers(0, 12) / 12)
    scale = [[0, 2, 4, 5, 7, 9, 11, 12], [0, 2, 3, 5, 7, 8, 10, 12], [0, 2, 4, 7, 9, 12, 14, 16]]
    steps = scale[int(random.integers(3))]
    length = round(2.2 * beat * RATE)
    time = np.arange(length) / RATE
    overtones = random.uniform(0.2, 0.9, 5) / np.arange(1, 6)
    has_drum, at = random.random() < 0.5, 0
    place = int(random.integers(len(steps)))
    while at < count:
        place = int(np.clip(place + random.integers(-2, 3), 0, len(steps) - 1))
        notes = [key * 2 * 2 ** (steps[place] / 12)] if random.random() > 0.12 else []
        if random.random() < 0.35:
            root = int(random.integers(0, 5))
            notes += [key * 2 ** (steps[(root + k) % len(steps)] / 12) for k in (0, 2, 4)]
        for index, hz in enumerate(notes):
            note = sum(
                (
                    strength * np.sin(2 * np.pi * hz * (k + 1) * time)
                    for k, strength in enumerate(overtones)
                    if hz * (k + 1) < RATE / 2
                ),
                np.zeros(length),
            )
            wave[at : at + length] += (
                (1.0 if index == 0 else 0.4)
                * np.exp(-time * random.uniform(1.5, 5))
                * note[: max(0, len(wave) - at)]
            )
        if has_drum:
            hit = random.standard_normal(1200) * np.exp(-np.arange(1200) / 200)
            wave[at : at + 1200] += 0.4 * hit[: len(wave) - at]
        at += round(beat * RATE)
    return at_peak(wave[:count].astype(np.float32), 0.0)


def band_limit(signal: Signal, low_hz: float, high_hz: float) -> Signal:
    """The telephone band."""
    from scipy.signal import butter, sosfilt

    band = butter(3, [low_hz, min(high_hz, 0.49 * RATE)], "bandpass", fs=RATE, output="sos")
    filtered: Signal = sosfilt(band, signal).astype(np.float32)
    return filtered


def automatic_gain(signal: Signal, target_decibels: float = -20.0) -> Signal:
    """A slow gain control: at most ±18 dB, 20 ms up to the level, 600 ms back."""
    from scipy.signal import lfilter

    frame = RATE // 100
    frames = len(signal) // frame + 1
    padded = np.zeros(frames * frame)
    padded[: len(signal)] = signal
    power = (padded.reshape(frames, frame) ** 2).mean(axis=1)
    smooth = lfilter([0.03], [1, -0.97], power)
    wanted = np.clip(target_decibels - 10 * np.log10(smooth + 1e-7), -18, 18)
    gains = np.interp(np.arange(len(signal)), np.arange(frames) * frame, 10 ** (wanted / 20))
    controlled: Signal = np.clip(signal * gains, -0.999, 0.999).astype(np.float32)
    return controlled


def lose_packets(signal: Signal, ratio: float, random: Random) -> Signal:
    """Packets of 20 ms that never came: nothing, or the last one once more, in small bursts."""
    packet = RATE // 50
    lossy = signal.copy()
    lost = False
    for index in range(len(signal) // packet):
        lost = random.random() < (0.5 if lost else ratio)
        if lost:
            start = index * packet
            repeats = index > 0 and random.random() < 0.5
            lossy[start : start + packet] = lossy[start - packet : start] * 0.7 if repeats else 0.0
    return lossy


def echo(signal: Signal, delay_seconds: float, decibels: float) -> Signal:
    """The signal as it comes back: later, weaker, duller."""
    from scipy.signal import lfilter

    delay = round(delay_seconds * RATE)
    returned = np.zeros_like(signal)
    if delay < len(signal):
        returned[delay:] = signal[: len(signal) - delay]
    dull: Signal = (gain(decibels) * lfilter([0.6], [1, -0.4], returned)).astype(np.float32)
    return dull


def shifted(signal: Signal, factor: float) -> Signal:
    """Faster and higher by `factor`, as a tape would do."""
    if abs(factor - 1) < 0.005 or len(signal) < 2:
        return signal
    places = np.arange(0, len(signal) - 1, factor)
    moved: Signal = np.interp(places, np.arange(len(signal)), signal).astype(np.float32)
    return moved
