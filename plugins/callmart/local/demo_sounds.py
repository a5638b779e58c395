"""The sounds of the demo day: tones, music, noise, their mixing, and every codec of the contract.

Signals are float32, `(samples,)` for one sound and `(channels, samples)` for a recording, at
`SAMPLING_RATE`. Channel 0 is the agent, channel 1 the customer.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float32]

SAMPLING_RATE = 8000
AGENT, CUSTOMER = 0, 1

# name -> (file suffix, soundfile format and subtype or PyAV container and codec, channels it can hold)
_SOUNDFILE = {
    "pcm16": ("wav", "WAV", "PCM_16"),
    "pcm24": ("wav", "WAV", "PCM_24"),
    "pcm8": ("wav", "WAV", "PCM_U8"),
    "alaw": ("wav", "WAV", "ALAW"),
    "mulaw": ("wav", "WAV", "ULAW"),
    "gsm_wav": ("wav", "WAV", "GSM610"),
    "flac": ("flac", "FLAC", "PCM_16"),
    "raw_mulaw": ("ulaw", "RAW", "ULAW"),
    "raw_alaw": ("alaw", "RAW", "ALAW"),
    "gsm": ("gsm", "RAW", "GSM610"),
}
_AV = {
    "mp3": ("mp3", "mp3", "libmp3lame", "s16p", 24000),
    "ogg": ("ogg", "ogg", "vorbis", "fltp", 32000),
    "opus": ("opus", "ogg", "libopus", "s16", 20000),
    "m4a": ("m4a", "ipod", "aac", "fltp", 32000),
}
MONO_ONLY = frozenset({"gsm_wav", "gsm", "raw_mulaw", "raw_alaw"})


def suffix(codec: str) -> str:
    """The file suffix of a codec named as in `CODECS`."""
    return _SOUNDFILE[codec][0] if codec in _SOUNDFILE else _AV[codec][0]


CODECS = tuple(_SOUNDFILE) + tuple(_AV)


def level(decibels: float) -> float:
    """Amplitude of a level in dBFS."""
    return float(10 ** (decibels / 20))


def tone(frequencies: Sequence[float], seconds: float) -> Signal:
    """A steady tone of equal parts, peak 1, with edges of 3 ms so that it does not click."""
    count = round(seconds * SAMPLING_RATE)
    time = np.arange(count) / SAMPLING_RATE
    wave = sum(np.sin(2 * np.pi * hz * time) for hz in frequencies) / max(1, len(frequencies))
    edge = min(24, count // 2)
    envelope = np.ones(count)
    if edge:
        envelope[:edge] = np.linspace(0, 1, edge)
        envelope[-edge:] = np.linspace(1, 0, edge)
    return (wave * envelope).astype(np.float32)


def cadence(frequencies: Sequence[float], on_off_ms: Sequence[int], seconds: float) -> Signal:
    """A tone switched on and off for `seconds`; cut in the middle of a cycle if need be."""
    signal = np.zeros(round(seconds * SAMPLING_RATE), np.float32)
    at, step = 0, 0
    while at < len(signal):
        length = on_off_ms[step % len(on_off_ms)] * SAMPLING_RATE // 1000
        if step % 2 == 0:
            piece = tone(frequencies, min(length, len(signal) - at) / SAMPLING_RATE)
            signal[at : at + len(piece)] = piece
        at += length
        step += 1
    return signal


def information_tone(hz: Sequence[float], each_ms: int, gap_ms: int) -> Signal:
    """The special information tone: three steps upwards."""
    gap = np.zeros(gap_ms * SAMPLING_RATE // 1000, np.float32)
    pieces: list[Signal] = []
    for frequency in hz:
        pieces += [tone([frequency], each_ms / 1000), gap]
    return np.concatenate(pieces)


# Degrees of a pentatonic scale, one a beat; None rests. Our own tunes.
_TUNES = (
    (0, 2, 4, 2, 3, 4, None, 2, 0, 1, 2, 0, 3, 2, 1, None),
    (4, 3, 2, 3, 4, None, 4, 2, 0, 2, 3, 1, 2, None, 0, None),
    (2, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1, 2, 2, 1, 1, None),
)
_PENTATONIC = (0, 2, 4, 7, 9)


def music(seconds: float, tune: int) -> Signal:
    """A plucked tune over a slow bass, peak about 1; `tune` chooses melody, key and pace."""
    count = round(seconds * SAMPLING_RATE)
    signal = np.zeros(count + SAMPLING_RATE)
    beat = 0.30 + 0.04 * (tune % 3)
    key = 262.0 * 2 ** ((tune % 5) / 12)
    melody = _TUNES[tune % len(_TUNES)]
    time = np.arange(round(beat * 2 * SAMPLING_RATE)) / SAMPLING_RATE
    for index in range(math.ceil(seconds / beat)):
        start = round(index * beat * SAMPLING_RATE)
        degree = melody[index % len(melody)]
        notes = []
        if degree is not None:
            notes.append((key * 2 * 2 ** (_PENTATONIC[degree] / 12), 0.55))
        if index % 4 == 0:
            notes.append((key * 2 ** (_PENTATONIC[(index // 4) % 3] / 12), 0.35))
        for hz, gain in notes:
            note = np.zeros(len(time))
            for harmonic in (1, 2, 3):
                if hz * harmonic < 3600:
                    note += np.sin(2 * np.pi * hz * harmonic * time) / harmonic
            signal[start : start + len(time)] += (
                gain * np.exp(-4 * time) * note[: len(signal) - start]
            )
    return (signal[:count] / max(1e-9, float(np.abs(signal).max()))).astype(np.float32)


@dataclass(frozen=True)
class Part:
    """One sound at one place: on `channel`, from `start_seconds`, times `gain`."""

    channel: int
    start_seconds: float
    signal: Signal
    gain: float


@dataclass(frozen=True)
class RecordingPlan:
    """What a recording holds and how it is stored.

    Attributes:
        paths: one file, or the agent's and the customer's.
        mono: both sides mixed into one channel.
        noise_decibels: level of the noise on each channel, dBFS.
        echo_decibels: how loud the agent comes back on the customer's channel; None for not at all.
        cut_after_seconds: the file ends there while its header promises the whole.
    """

    paths: tuple[Path, ...]
    codec: str
    mono: bool
    seconds: float
    parts: tuple[Part, ...]
    noise_seed: int
    noise_decibels: tuple[float, float] = (-66.0, -60.0)
    echo_decibels: float | None = None
    cut_after_seconds: float | None = None
    tags: dict[str, str] = field(default_factory=dict)


def mix(plan: RecordingPlan) -> Signal:
    """All parts and the noise of a plan: `(2, samples)`, telephone band, within ±1."""
    from scipy.signal import butter, sosfilt

    count = round(plan.seconds * SAMPLING_RATE)
    mixed = np.zeros((2, count), np.float32)
    for part in plan.parts:
        start = round(part.start_seconds * SAMPLING_RATE)
        piece = part.signal[: max(0, count - start)]
        mixed[part.channel, start : start + len(piece)] += part.gain * piece
    if plan.echo_decibels is not None:
        delay = SAMPLING_RATE * 45 // 1000
        mixed[CUSTOMER, delay:] += level(plan.echo_decibels) * mixed[AGENT, : count - delay]
    random = np.random.default_rng(plan.noise_seed)
    noise = random.standard_normal((2, count), dtype=np.float32)
    noise[CUSTOMER] = 0.5 * (noise[CUSTOMER] + np.roll(noise[CUSTOMER], 1))
    for channel, decibels in enumerate(plan.noise_decibels):
        mixed[channel] += level(decibels) * noise[channel]
    band = butter(2, [200, 3500], "bandpass", fs=SAMPLING_RATE, output="sos")
    filtered: Signal = np.clip(sosfilt(band, mixed, axis=1), -0.999, 0.999).astype(np.float32)
    return filtered


def encode(signal: Signal, codec: str) -> bytes:
    """The bytes of a file holding `signal` `(channels, samples)`; the same ones every time."""
    buffer = io.BytesIO()
    if codec in _SOUNDFILE:
        import soundfile

        _, container, subtype = _SOUNDFILE[codec]
        soundfile.write(buffer, signal.T, SAMPLING_RATE, format=container, subtype=subtype)
        return buffer.getvalue()
    import av

    _, container, name, sample_format, bit_rate = _AV[codec]
    # bitexact: no encoder version, no clock and no random stream number in the file.
    options = {"fflags": "+bitexact", "strict": "-2"}
    with av.open(buffer, "w", format=container, options=options) as output:
        stream = output.add_stream(name, rate=SAMPLING_RATE, options={"strict": "-2"})
        if not isinstance(stream, av.AudioStream):
            raise TypeError(f"{name} is not a codec for sound")
        layout = "stereo" if len(signal) == 2 else "mono"
        context = stream.codec_context
        context.layout = av.AudioLayout(layout)
        context.format = av.AudioFormat(sample_format)
        context.bit_rate = bit_rate
        context.flags |= int(av.codec.context.Flags.bitexact)
        samples = np.ascontiguousarray(np.round(signal * 32767).astype(np.int16))
        frame = av.AudioFrame.from_ndarray(samples, format="s16p", layout=layout)
        frame.sample_rate = SAMPLING_RATE
        frame.pts = 0
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=SAMPLING_RATE)
        for resampled in resampler.resample(frame):
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def write_recording(plan: RecordingPlan) -> list[Path]:
    """Mix, encode and store one recording; returns the files written."""
    mixed = mix(plan)
    if len(plan.paths) == 2:
        sides = [mixed[AGENT : AGENT + 1], mixed[CUSTOMER : CUSTOMER + 1]]
    elif plan.mono:
        sides = [np.clip(mixed.sum(axis=0, keepdims=True), -0.999, 0.999)]
    else:
        sides = [mixed]
    for path, side in zip(plan.paths, sides, strict=True):
        content = encode(side, plan.codec)
        if plan.cut_after_seconds is not None:
            content = content[: int(len(content) * plan.cut_after_seconds / plan.seconds) | 1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(plan.paths)
