"""One short-time spectrum of a recording, boiled down to figures per 10 ms that all else reads.

The spectrum itself is never kept: it is made block by block (60 s), so that memory grows by some
60 bytes a frame and channel, whatever the length of the call.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ml.audio.decode import Recording

HOP = 80
"""Samples between frames: 10 ms at 8 kHz."""
WINDOW = 256
"""Samples a frame: 32 ms, two periods of a deep voice, and short enough for a 100 ms tone."""
FRAMES_PER_SECOND = 100
_BLOCK_FRAMES = 6000
_BIN_HZ = 8000 / WINDOW
_LOW_BIN = 6  # 188 Hz: mains hum and its first harmonics lie below, no tone and little telephone speech does
_HIGH_BIN = 116  # 3625 Hz: the telephone's upper edge
_TONE_BIN = 11  # 344 Hz: no signalling tone lies below, so that what always sounds there is hum
# The noise is the mean of the quietest tenth of the frames, a little more because they are the
# quietest, but never far above its neighbours: a tone that sounds all the time is no noise.
_FLOOR_SHARE = 0.10
_FLOOR_FACTOR = 1.3
_FLOOR_OVER_NEIGHBOURS = 4.0
_LAGS = (20, 110)  # samples, from and below: pitches of 400 down to 73 Hz
_EPSILON = np.float32(1e-12)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Frames:
    """Figures of one channel, each of shape (frames,), float32; frame i is centred at i × 10 ms."""

    level_db: Floats
    """Power of 190–3600 Hz in dBFS (a full-scale sine is −3)."""
    purity: Floats
    """Share of that power, the steady noise taken off, which lies in the two strongest peaks."""
    clear_share: Floats
    """Share of that power which is left when the steady noise is taken off, 0–1."""
    first_hz: Floats
    """Frequency of the strongest peak."""
    second_hz: Floats
    """Frequency of the second strongest one."""
    second_share: Floats
    """Power of the second peak over that of both."""
    harmonicity: Floats
    """Highest normalised autocorrelation at a pitch period of 73–400 Hz, 0–1."""
    pitch_hz: Floats
    """The pitch at which it is reached."""
    steadiness: Floats
    """Cosine between the magnitude spectra 40 ms before and 40 ms after, 0–1."""
    flatness: Floats
    """Geometric over arithmetic mean of the power spectrum: 0 for a tone, towards 0.56 for noise."""
    centroid_hz: Floats
    """Centre of the power spectrum."""

    def __len__(self) -> int:
        return len(self.level_db)

    @property
    def seconds(self) -> Floats:
        return np.arange(len(self), dtype=np.float32) / np.float32(FRAMES_PER_SECOND)


def compute_frames(recording: Recording) -> tuple[list[Frames], Floats | None]:
    """Frames of each channel, and for two channels their likeness.

    The likeness, shape (frames,), is the cosine between the two channels' spectra in the frame:
    near 1 where one side leaks into the other.
    """
    count = recording.samples.shape[1] // HOP + 1
    channels = recording.samples.shape[0]
    pieces: list[list[dict[str, Floats]]] = [[] for _ in range(channels)]
    likeness: list[Floats] = []
    for start in range(0, count, _BLOCK_FRAMES):
        stop = min(start + _BLOCK_FRAMES, count)
        magnitudes = []
        for channel in range(channels):
            # Four frames on either side, so that steadiness needs no seam between blocks.
            power = _power(recording.samples[channel], start - 4, stop + 4)
            pieces[channel].append(_measure(power))
            magnitudes.append(np.sqrt(power[4:-4, _LOW_BIN:_HIGH_BIN]))
        if channels == 2:
            likeness.append(_cosine(magnitudes[0], magnitudes[1]))
    frames = [
        Frames(**{f.name: np.concatenate([p[f.name] for p in part]) for f in fields(Frames)})
        for part in pieces
    ]
    return frames, np.concatenate(likeness) if likeness else None


_HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_HANN *= np.float32(1.0 / np.sqrt(np.sum(_HANN**2)))  # power of white noise stays as it is


def _power(samples: NDArray[np.int16], start: int, stop: int) -> Floats:
    """Power spectra of the frames start … stop, centred; what lies outside is silence."""
    import scipy.fft

    first, last = start * HOP - WINDOW // 2, (stop - 1) * HOP + WINDOW // 2
    inner = samples[max(first, 0) : max(min(last, samples.size), 0)]
    block = np.zeros(last - first, dtype=np.float32)
    offset = max(-first, 0)
    block[offset : offset + inner.size] = inner
    block *= np.float32(1 / 32768)
    windows = np.lib.stride_tricks.sliding_window_view(block, WINDOW)[::HOP]
    spectrum = scipy.fft.rfft(windows * _HANN, axis=1)
    power: Floats = spectrum.real**2
    power += spectrum.imag**2
    power *= np.float32(2.0 / WINDOW)
    return power


def _measure(power: Floats) -> dict[str, Floats]:
    band = power[:, _LOW_BIN:_HIGH_BIN]
    clean = band - _noise_floor(power)[_LOW_BIN:_HIGH_BIN]
    np.maximum(clean, np.float32(0), out=clean)
    # Hum is steady whatever else sounds; noise above it counts, so that music stays what it is.
    heard = band.copy()
    heard[:, : _TONE_BIN - _LOW_BIN] = clean[:, : _TONE_BIN - _LOW_BIN]
    np.sqrt(heard, out=heard)
    steadiness = _cosine(heard[:-8], heard[8:])
    band, clean = band[4:-4], clean[4:-4]
    total = band.sum(axis=1)
    clean_total = clean.sum(axis=1) + _EPSILON
    rows = np.arange(len(clean))
    # Power of each bin and its two neighbours on either side.
    around = clean.copy()
    for step in (1, 2):
        around[:, step:] += clean[:, :-step]
        around[:, :-step] += clean[:, step:]
    first = around.argmax(axis=1)
    first_power = around[rows, first]
    first_hz = _centre(clean, first)
    for step in range(-4, 5):
        around[rows, np.clip(first + step, 0, around.shape[1] - 1)] = 0
    second = around.argmax(axis=1)
    second_power = around[rows, second]

    similarity = band @ _pitch_waves()
    best = similarity.argmax(axis=1)
    logs = np.log(band + _EPSILON)
    flatness = np.exp(logs.mean(axis=1)) / (total / band.shape[1] + _EPSILON)
    hz = (np.arange(_LOW_BIN, _HIGH_BIN) * _BIN_HZ).astype(np.float32)
    return {
        "level_db": 10 * np.log10(total + _EPSILON),
        "purity": np.minimum((first_power + second_power) / clean_total, np.float32(1)),
        "clear_share": clean_total / (total + _EPSILON),
        "first_hz": first_hz,
        "second_hz": _centre(clean, second),
        "second_share": second_power / (first_power + second_power + _EPSILON),
        "harmonicity": np.clip(similarity[rows, best] / (total + _EPSILON), 0, 1),
        "pitch_hz": (8000.0 / (best + _LAGS[0])).astype(np.float32),
        "steadiness": steadiness,
        "flatness": flatness,
        "centroid_hz": (band @ hz) / (total + _EPSILON),
    }


@cache
def _pitch_waves() -> Floats:
    """Matrix that turns a power spectrum into its normalised autocorrelation at the pitch lags.

    Shape (bins of the band, lags). The autocorrelation is the inverse transform of the power; 32 ms
    windows taper it, which the window's own autocorrelation takes off again. For so few lags a
    product of matrices is several times faster than the transform.
    """
    lags = np.arange(*_LAGS)
    bins = np.arange(_LOW_BIN, _HIGH_BIN)
    waves = np.cos(2 * np.pi * np.outer(bins, lags) / WINDOW) / _taper()[lags]
    return np.ascontiguousarray(waves.astype(np.float32))


def _taper() -> Floats:
    """Autocorrelation of the window, by which that of a windowed periodic signal is damped."""
    import scipy.fft

    spectrum = scipy.fft.rfft(_HANN, 2 * WINDOW)
    taper = scipy.fft.irfft(np.abs(spectrum) ** 2)[: WINDOW // 2].astype(np.float32)
    scaled: Floats = np.maximum(taper / taper[0], np.float32(0.3))
    return scaled


def _noise_floor(power: Floats) -> Floats:
    """Power of the steady noise in each bin, shape (bins,)."""
    sample = power[:: max(1, len(power) // 1500)]
    loudness = sample[:, _LOW_BIN:_HIGH_BIN].sum(axis=1)
    count = max(1, int(_FLOOR_SHARE * len(sample)))
    quietest = np.argpartition(loudness, count - 1)[:count]
    quiet = sample[quietest].mean(axis=0) * np.float32(_FLOOR_FACTOR)
    import scipy.ndimage

    neighbours = scipy.ndimage.median_filter(quiet, size=25, mode="nearest")
    floor: Floats = np.minimum(quiet, neighbours * np.float32(_FLOOR_OVER_NEIGHBOURS))
    floor[:_TONE_BIN] = quiet[:_TONE_BIN]
    return floor


def _centre(band: Floats, peak: NDArray[np.intp]) -> Floats:
    """Frequency of a peak as the centre of power of its five bins, in Hz."""
    rows = np.arange(len(band))
    weighted = np.zeros(len(band), dtype=np.float32)
    total = np.full(len(band), _EPSILON)
    for offset in (-2, -1, 0, 1, 2):
        column = np.clip(peak + offset, 0, band.shape[1] - 1)
        value = band[rows, column]
        total += value
        weighted += value * (column + _LOW_BIN).astype(np.float32)
    return weighted / total * np.float32(_BIN_HZ)


def _cosine(left: Floats, right: Floats) -> Floats:
    product = np.einsum("ij,ij->i", left, right)
    norm = np.sqrt(np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right))
    cosine: Floats = product / (norm + _EPSILON)
    return cosine
