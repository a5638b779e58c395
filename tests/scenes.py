"""Made recordings with a known truth: tones by the published cadences, voices, music, noise, codecs.

Everything follows from a seed. The cadences stand here a second time, on purpose apart from the
detector's own table, so that a slip in one shows in the other.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 8000
Signal = npt.NDArray[np.float32]

# (frequencies in Hz, on/off in seconds)
CADENCES: dict[tuple[str, str], tuple[tuple[float, ...], tuple[float, ...]]] = {
    ("CN", "ringback"): ((450,), (1.0, 4.0)),
    ("CN", "busy"): ((450,), (0.35, 0.35)),
    ("CN", "congestion"): ((450,), (0.7, 0.7)),
    ("CN", "invalid_number"): ((450,), (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.4)),
    ("US", "ringback"): ((440, 480), (2.0, 4.0)),
    ("US", "busy"): ((480, 620), (0.5, 0.5)),
    ("US", "congestion"): ((480, 620), (0.25, 0.25)),
    ("UK", "ringback"): ((400, 450), (0.4, 0.2, 0.4, 2.0)),
    ("UK", "busy"): ((400,), (0.375, 0.375)),
    ("UK", "congestion"): ((400,), (0.4, 0.35, 0.225, 0.525)),
    ("DE", "ringback"): ((425,), (1.0, 4.0)),
    ("DE", "busy"): ((425,), (0.48, 0.48)),
    ("DE", "congestion"): ((425,), (0.24, 0.24)),
    ("FR", "ringback"): ((440,), (1.5, 3.5)),
    ("FR", "busy"): ((440,), (0.5, 0.5)),
    ("FR", "congestion"): ((440,), (0.25, 0.25)),
    ("ES", "ringback"): ((425,), (1.5, 3.0)),
    ("ES", "busy"): ((425,), (0.2, 0.2)),
    ("ES", "congestion"): ((425,), (0.2, 0.2, 0.2, 0.2, 0.2, 0.6)),
}


def db(value: float) -> float:
    """Amplitude of a level in dB."""
    return float(10 ** (value / 20))


def tone(hz: tuple[float, ...], seconds: float, level: float = -12.0) -> Signal:
    """Sines of equal strength, together at `level` dBFS (of their RMS), edges of 2 ms."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum((np.sin(2 * np.pi * f * time) for f in hz), np.zeros_like(time))
    wave *= db(level) * np.sqrt(2 / len(hz))
    edge = min(16, len(wave) // 2)
    if edge:
        ramp = np.linspace(0, 1, edge)
        wave[:edge] *= ramp
        wave[-edge:] *= ramp[::-1]
    return wave.astype(np.float32)


def cadence(
    hz: tuple[float, ...], on_off: tuple[float, ...], seconds: float, level: float = -12.0
) -> Signal:
    """A tone switched on and off for `seconds`, cut where they end."""
    signal = np.zeros(round(seconds * RATE), np.float32)
    at, step = 0.0, 0
    while at < seconds:
        length = on_off[step % len(on_off)]
        if step % 2 == 0:
            start = round(at * RATE)
            piece = tone(hz, min(length, seconds - at), level)[: len(signal) - start]
            signal[start : start + len(piece)] = piece
        at += length
        step += 1
    return signal


def progress_tone(
    country: str,
    kind: str,
    seconds: float,
    level: float = -12.0,
    frequency_factor: float = 1.0,
    cadence_factor: float = 1.0,
) -> Signal:
    """A network's tone, its frequencies and lengths stretched by the factors."""
    hz, on_off = CADENCES[(country, kind)]
    return cadence(
        tuple(f * frequency_factor for f in hz),
        tuple(t * cadence_factor for t in on_off),
        seconds,
        level,
    )


def information_tone(level: float = -12.0, factor: float = 1.0, each: float = 0.33) -> Signal:
    """The special information tone (ITU-T Q.35)."""
    return np.concatenate([tone((f * factor,), each, level) for f in (950.0, 1400.0, 1800.0)])


def noise(seconds: float, level: float, seed: int) -> Signal:
    """White noise at `level` dBFS."""
    random = np.random.default_rng(seed)
    return (db(level) * random.standard_normal(round(seconds * RATE))).astype(np.float32)


def hum(seconds: float, level: float, hz: float = 50.0) -> Signal:
    """Mains hum with its odd harmonics."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum((np.sin(2 * np.pi * hz * k * time) / k for k in (1, 2, 3, 5)), np.zeros_like(time))
    return (db(level) * wave).astype(np.float32)


def music(seconds: float, seed: int, level: float = -20.0) -> Signal:
    """Broken chords over a bass, plucked or held, at `level` dBFS."""
    random = np.random.default_rng(seed)
    count = round(seconds * RATE)
    signal = np.zeros(count + 2 * RATE)
    beat = float(random.uniform(0.22, 0.5))
    key = 220.0 * 2 ** (random.integers(0, 12) / 12)
    decay = float(random.uniform(1.0, 4.0))
    chords = [(0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16)]
    time = np.arange(round(beat * 2.5 * RATE)) / RATE
    for index in range(int(seconds / beat) + 1):
        start = round(index * beat * RATE)
        chord = chords[(index // 4) % 4]
        notes = [(chord[index % 3] + 12, 0.6), (chord[(index + 1) % 3], 0.4)]
        if index % 4 == 0:
            notes.append((chord[0] - 12, 0.5))
        for step, gain in notes:
            hz = key * 2 ** (step / 12)
            wave = sum(
                (np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 6) if hz * k < 3500),
                np.zeros_like(time),
            )
            envelope = np.minimum(time / 0.01, 1.0) * np.exp(-decay * time)
            piece = gain * envelope * wave
            signal[start : start + len(piece)] += piece[: len(signal) - start]
    signal = signal[:count]
    return (signal * db(level) / np.sqrt(np.mean(signal**2))).astype(np.float32)


def at_level(signal: Signal, level: float) -> Signal:
    """The signal scaled so that its louder half has `level` dBFS."""
    energy = signal.astype(np.float64) ** 2
    frames = energy[: len(energy) // 160 * 160].reshape(-1, 160).mean(axis=1)
    active = np.sort(frames)[len(frames) // 2 :].mean()
    return (signal * db(level) / np.sqrt(active + 1e-12)).astype(np.float32)


class Scene:
    """A recording under construction: `channels` rows of `seconds`, sounds added at their place."""

    def __init__(
        self, seconds: float, channels: int = 2, noise_level: float = -68.0, seed: int = 0
    ) -> None:
        self.signal = np.stack(
            [noise(seconds, noise_level, 1000 * seed + channel) for channel in range(channels)]
        )

    def add(self, channel: int, start: float, sound: Signal) -> float:
        """Mix `sound` in at `start`; the second at which it ends."""
        first = round(start * RATE)
        room = max(0, self.signal.shape[1] - first)
        self.signal[channel, first : first + len(sound)] += sound[:room]
        return start + len(sound) / RATE


@dataclass(frozen=True)
class Coded:
    data: bytes
    extension: str


def encode(signal: Signal, codec: str = "pcm16") -> Coded:
    """A file of the contract's formats holding `signal` (channels, samples)."""
    rows = np.clip(np.atleast_2d(signal), -0.9999, 0.9999)
    if codec in ("raw_mulaw", "raw_alaw"):
        law = codec.removeprefix("raw_")
        return Coded(_with_av(rows[:1], f"pcm_{law}", law), law.replace("mulaw", "ulaw"))
    if codec in ("mp3", "opus", "m4a", "ogg"):
        container, name = {
            "mp3": ("mp3", "libmp3lame"),
            "opus": ("ogg", "libopus"),
            "ogg": ("ogg", "vorbis"),
            "m4a": ("mp4", "aac"),
        }[codec]
        return Coded(_with_av(rows, name, container), codec)
    import soundfile

    kind = {
        "pcm16": "PCM_16",
        "pcm24": "PCM_24",
        "pcm8": "PCM_U8",
        "alaw": "ALAW",
        "mulaw": "ULAW",
        "gsm": "GSM610",
        "flac": "PCM_16",
    }[codec]
    # GSM 6.10 knows one channel only.
    shown = rows[-1:] if codec == "gsm" else rows
    container = "FLAC" if codec == "flac" else "WAV"
    buffer = io.BytesIO()
    soundfile.write(buffer, shown.T, RATE, subtype=kind, format=container)
    return Coded(buffer.getvalue(), "flac" if codec == "flac" else "wav")


def _with_av(rows: Signal, name: str, container: str) -> bytes:
    import av

    buffer = io.BytesIO()
    layout = "mono" if len(rows) == 1 else "stereo"
    with av.open(buffer, "w", format=container, options={"strict": "-2"}) as output:
        stream: Any = output.add_stream(name, rate=RATE, options={"strict": "-2"})
        stream.layout = layout
        if name not in ("pcm_mulaw", "pcm_alaw"):
            stream.bit_rate = 16000 * len(rows)
        samples = np.ascontiguousarray(np.round(rows * 32767).astype(np.int16))
        frame = av.AudioFrame.from_ndarray(samples, format="s16p", layout=layout)
        frame.sample_rate = RATE
        context: Any = stream.codec_context
        resampler = av.AudioResampler(
            format=context.codec.audio_formats[0].name,
            layout=layout,
            rate=RATE,
            frame_size=context.frame_size,
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return buffer.getvalue()
