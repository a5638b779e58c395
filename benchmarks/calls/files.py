"""Sound to files: every codec, rate and layout of the contract; the same bytes every time."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from benchmarks.calls.sounds import RATE, Random, Signal


@dataclass(frozen=True)
class Form:
    """How a recording is stored.

    Attributes:
        codec: a name of `CODECS`.
        rate: in Hz.
        bit_rate: in bit/s for the codecs that have one.
        layout: stereo, mono (both sides mixed), two_files, identical (the mix on both channels).
    """

    codec: str
    rate: int
    bit_rate: int
    layout: str


# name -> suffix, then soundfile's format and subtype or PyAV's container, codec and format
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
    "mp3": ("mp3", "mp3", "libmp3lame", "s16p"),
    "vorbis": ("ogg", "ogg", "vorbis", "fltp"),
    "opus": ("opus", "ogg", "libopus", "s16"),
    "opus_ogg": ("ogg", "ogg", "libopus", "s16"),
    "m4a": ("m4a", "ipod", "aac", "fltp"),
}
_SHARES = {
    "pcm16": 30, "mulaw": 9, "alaw": 9, "mp3": 12, "gsm_wav": 6, "pcm8": 4, "pcm24": 3,
    "flac": 4, "raw_mulaw": 3, "raw_alaw": 3, "gsm": 3, "vorbis": 4, "opus": 5, "opus_ogg": 1,
    "m4a": 4,
}  # fmt: skip
CODECS = tuple(_SHARES)
_ONE_CHANNEL = frozenset({"gsm_wav", "gsm", "raw_mulaw", "raw_alaw"})
_TWO_CHANNELS = frozenset({"vorbis"})  # FFmpeg's own encoder takes two and no others
_EIGHT_KILOHERTZ = frozenset({"gsm_wav", "gsm", "raw_mulaw", "raw_alaw", "alaw", "mulaw"})
_RATES = (6000, 8000, 11025, 16000, 22050, 32000, 44100, 48000)
_RATE_SHARES = np.array([0.02, 0.66, 0.04, 0.14, 0.02, 0.02, 0.05, 0.05])
_ENCODER_RATES = {
    "mp3": (8000, 11025, 16000, 22050, 44100),
    "vorbis": (8000, 16000, 44100, 48000),
    "opus": (8000, 16000, 48000),
    "opus_ogg": (8000, 16000, 48000),
    "m4a": (8000, 16000, 44100, 48000),
}


def suffix(codec: str) -> str:
    return _SOUNDFILE[codec][0] if codec in _SOUNDFILE else _AV[codec][0]


def choose_form(random: Random) -> Form:
    """A codec, rate, bit rate and layout in the shares one meets."""
    shares = np.array(list(_SHARES.values()), float)
    codec = CODECS[int(random.choice(len(CODECS), p=shares / shares.sum()))]
    rate = int(random.choice(_RATES, p=_RATE_SHARES / _RATE_SHARES.sum()))
    if codec in _EIGHT_KILOHERTZ or (codec in _ENCODER_RATES and rate not in _ENCODER_RATES[codec]):
        rate = 8000
    bit_rate = int(random.choice([8000, 16000, 24000, 32000]))
    if codec == "mp3" and rate > 16000:
        bit_rate = 32000
    if codec in ("vorbis", "m4a"):
        bit_rate = 32000 if rate <= 16000 else 64000
    draw = random.random()
    layout = (
        "stereo" if draw < 0.55 else "mono" if draw < 0.85 else
        "two_files" if draw < 0.95 else "identical"
    )  # fmt: skip
    if codec in _ONE_CHANNEL and layout in ("stereo", "identical"):
        layout = "mono" if random.random() < 0.6 else "two_files"
    if codec in _TWO_CHANNELS and layout in ("mono", "two_files"):
        layout = "identical" if random.random() < 0.3 else "stereo"
    return Form(codec, rate, bit_rate, layout)


def lay_out(agent: Signal, customer: Signal, layout: str) -> list[Signal]:
    """The files' signals, each `(channels, samples)`."""
    if layout == "stereo":
        return [np.stack([agent, customer])]
    if layout == "two_files":
        return [agent[None], customer[None]]
    mixed = np.clip(agent + customer, -0.999, 0.999)[None]
    return [mixed if layout == "mono" else np.repeat(mixed, 2, axis=0)]


def encode(signal: Signal, form: Form) -> bytes:
    """A file of `signal` `(channels, samples)` at `sounds.RATE`."""
    from scipy.signal import resample_poly

    if form.rate != RATE:
        divisor = int(np.gcd(form.rate, RATE))
        signal = resample_poly(signal, form.rate // divisor, RATE // divisor, axis=1)
    signal = np.clip(signal, -0.999, 0.999).astype(np.float32)
    buffer = io.BytesIO()
    if form.codec in _SOUNDFILE:
        import soundfile

        _, container, subtype = _SOUNDFILE[form.codec]
        soundfile.write(buffer, signal.T, form.rate, format=container, subtype=subtype)
        return buffer.getvalue()
    import av

    _, container, name, sample_format = _AV[form.codec]
    # bitexact: no encoder version, no clock and no random stream number in the file.
    with av.open(
        buffer, "w", format=container, options={"fflags": "+bitexact", "strict": "-2"}
    ) as output:
        stream = output.add_stream(name, rate=form.rate, options={"strict": "-2"})
        if not isinstance(stream, av.AudioStream):
            raise TypeError(f"{name} is not a codec for sound")
        layout = "stereo" if len(signal) == 2 else "mono"
        context = stream.codec_context
        context.layout = av.AudioLayout(layout)
        context.format = av.AudioFormat(sample_format)
        context.bit_rate = form.bit_rate
        context.flags |= int(av.codec.context.Flags.bitexact)
        samples = np.ascontiguousarray(np.round(signal * 32767).astype(np.int16))
        frame = av.AudioFrame.from_ndarray(samples, format="s16p", layout=layout)
        frame.sample_rate = form.rate
        frame.pts = 0
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=form.rate)
        for resampled in resampler.resample(frame):
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return buffer.getvalue()
