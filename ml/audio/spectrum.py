"""One short-time spectrum of a recording, boiled down to figures per 10 ms that all else reads.

The spectrum itself is never kept: it is made block by block (60 s), so that memory grows by some
60 bytes a frame and channel, whatever the length of the call.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.audio.decode import Recording

HOP = 80
"""Samples between frames: 10 ms at 8 kHz."""
WINDOW = 256
"""Samples a frame: 32 ms, two periods of a deep voice, and short enough for a 100 ms tone."""
FRAMES_PER_SECOND = 100
_BLOCK_FRAMES = 6000  # the noise is measured anew in each
_CHUNK_FRAMES = 400  # so many at a time: what is computed of them stays in the processor's cache
_BINS = WINDOW // 2 + 1
_BIN_HZ = 8000 / WINDOW
_LOW_BIN = 6  # 188 Hz: mains hum and its first harmonics lie below, no tone and little telephone speech does
_HIGH_BIN = 116  # 3625 Hz: the telephone's upper edge
_TONE_BIN = 11  # 344 Hz: no signalling tone lies below, so that what always sounds there is hum
# The noise is the mean of the quietest tenth of the frames, a little more because they are the
# quietest, but never far above its neighbours: a tone that sounds all the time is no noise.
_FLOOR_SHARE = 0.10
_FLOOR_FACTOR = 1.3
_FLOOR_OVER_NEIGHBOURS = 4.0
_BAND_BINS = (6, 13, 19, 29, 42, 55, 71, 93, 116)  # edges, each band a Bark or two wide
_BANDS = len(_BAND_BINS) - 1
_SUMS = _BANDS + 2
_LAGS = (20, 110)  # samples, from and below: pitches of 400 down to 73 Hz
_EPSILON = np.float32(1e-12)
_NEIGHBOURS = np.arange(-2, 3, dtype=np.float32)
_DB = np.float32(10 / np.log(10))

Floats = NDArray[np.float32]
Bands = NDArray[np.float16]


@dataclass(frozen=True)
class Frames:
    """Figures of one channel, each of shape (frames,), float32 unless said otherwise.

    Frame i is centred at i × 10 ms.
    """

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
    bands_db: Bands
    """Power of eight bands from 190 to 3600 Hz in dBFS, shape (frames, 8); half precision is 0.03 dB."""

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
    names = [field.name for field in fields(Frames)]
    figures: list[dict[str, Any]] = [
        {
            name: np.empty((count, _BANDS), np.float16)
            if name == "bands_db"
            else np.empty(count, np.float32)
            for name in names
        }
        for _ in recording.samples
    ]
    likeness = np.empty(count, dtype=np.float32) if len(figures) == 2 else None
    for start in range(0, count, _BLOCK_FRAMES):
        stop = min(start + _BLOCK_FRAMES, count)
        # Four frames on either side, so that steadiness needs no seam between blocks.
        powers = [_power(channel, start - 4, stop + 4) for channel in recording.samples]
        floors = [_noise_floor(power)[_LOW_BIN:_HIGH_BIN] for power in powers]
        for begin in range(start, stop, _CHUNK_FRAMES):
            end = min(begin + _CHUNK_FRAMES, stop)
            rows = slice(begin - start, end - start + 8)
            bands = [np.ascontiguousarray(power[rows, _LOW_BIN:_HIGH_BIN]) for power in powers]
            for band, floor, columns in zip(bands, floors, figures, strict=True):
                for name, values in _measure(band, floor).items():
                    columns[name][begin:end] = values
            if likeness is not None:
                likeness[begin:end] = _likeness(*(band[4:-4] for band in bands))
    return [Frames(**columns) for columns in figures], likeness


_HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_HANN *= np.float32(1.0 / np.sqrt(np.sum(_HANN**2)))  # power of white noise stays as it is
_SCALED_HANN = _HANN * np.float32(np.sqrt(2.0 / WINDOW) / 32768)


def _power(samples: NDArray[np.int16], start: int, stop: int) -> Floats:
    """Power spectra of the frames start … stop, centred; what lies outside is silence."""
    import scipy.fft

    first, last = start * HOP - WINDOW // 2, (stop - 1) * HOP + WINDOW // 2
    inner = samples[max(first, 0) : max(min(last, samples.size), 0)]
    block = np.zeros(last - first, dtype=np.float32)
    offset = max(-first, 0)
    block[offset : offset + inner.size] = inner
    windows = np.lib.stride_tricks.sliding_window_view(block, WINDOW)[::HOP]
    power = np.empty((stop - start, _BINS), dtype=np.float32)
    for begin in range(0, len(power), _CHUNK_FRAMES):
        rows = slice(begin, begin + _CHUNK_FRAMES)
        spectrum = scipy.fft.rfft(windows[rows] * _SCALED_HANN, axis=1)
        magnitude = np.abs(spectrum)
        np.multiply(magnitude, magnitude, out=power[rows])
    return power


def _measure(band: Floats, floor: Floats) -> dict[str, Any]:
    """Figures of all rows but the first and last four; `band`: power of the bins in question.

    All arrays are whole in memory (no cut-out rows): then NumPy works on them at twice the speed.
    """
    count, width = len(band) - 8, band.shape[1]
    clean = band - floor
    np.maximum(clean, np.float32(0), out=clean)
    heard = np.sqrt(band)
    # Hum is steady whatever else sounds; noise above it counts, so that music stays what it is.
    hum = slice(_TONE_BIN - _LOW_BIN)
    heard[:, hum] = np.sqrt(clean[:, hum])
    energy = np.einsum("ij,ij->i", heard, heard)
    alike = np.einsum("ij,ij->i", heard[:-8], heard[8:])
    steadiness = alike / (np.sqrt(energy[:-8] * energy[8:]) + _EPSILON)

    band, clean = band[4:-4], clean[4:-4]
    clean_total = clean @ _ones() + _EPSILON
    # Four empty columns on either side let rows be worked on as one line, whatever the bin.
    padded = np.zeros((count, width + 8), dtype=np.float32)
    padded[:, 4:-4] = clean
    line = padded.ravel()
    pairs = line[:-1] + line[1:]
    # Power of each bin and its two neighbours on either side; beyond the band there is none.
    around = np.zeros_like(padded)
    whole = around.ravel()
    np.add(pairs[:-3], pairs[2:-1], out=whole[2:-2])
    whole[2:-2] += line[4:]
    places = np.arange(count) * (width + 8) + 4
    first = places + around[:, 4:-4].argmax(axis=1)
    first_power = whole[first]
    whole[first[:, None] + np.arange(-4, 5)] = 0
    second = places + around[:, 4:-4].argmax(axis=1)
    second_power = whole[second]

    # The sums over a frame ride along in the product that gives the pitch.
    products = band @ _pitch_waves()
    similarity, total, moment = products[:, :-_SUMS], products[:, -2], products[:, -1]
    bands_db = np.log(products[:, -_SUMS:-2] + _EPSILON)  # NumPy's log is vectorised, log10 is not
    bands_db *= _DB
    best = similarity.argmax(axis=1)
    logs = band + _EPSILON
    np.log(logs, out=logs)
    flatness = np.exp(logs @ _ones() / np.float32(width))
    flatness /= total / np.float32(width) + _EPSILON
    return {
        "level_db": np.log(total + _EPSILON) * _DB,
        "purity": np.minimum((first_power + second_power) / clean_total, np.float32(1)),
        "clear_share": clean_total / (total + _EPSILON),
        "first_hz": _centre(line, first, places),
        "second_hz": _centre(line, second, places),
        "second_share": second_power / (first_power + second_power + _EPSILON),
        "harmonicity": np.clip(similarity[np.arange(count), best] / (total + _EPSILON), 0, 1),
        "pitch_hz": (8000.0 / (best + _LAGS[0])).astype(np.float32),
        "steadiness": steadiness,
        "flatness": flatness,
        "centroid_hz": moment / (total + _EPSILON),
        "bands_db": bands_db,
    }


@cache
def _ones() -> Floats:
    """A product with it adds up rows several times faster than `sum` does."""
    return np.ones(_HIGH_BIN - _LOW_BIN, dtype=np.float32)


@cache
def _pitch_waves() -> Floats:
    """Matrix that turns a power spectrum into its normalised autocorrelation at the pitch lags.

    Shape (bins of the band, lags + 10); the last columns give the power of eight parts of the
    band, the power of it all and its moment (power × Hz). The autocorrelation is the inverse
    transform of the power; 32 ms windows taper it, which the window's own autocorrelation takes off
    again. For so few lags a product of matrices is several times faster than the transform.
    """
    lags = np.arange(*_LAGS)
    bins = np.arange(_LOW_BIN, _HIGH_BIN)
    waves = np.cos(2 * np.pi * np.outer(bins, lags) / WINDOW) / _taper()[lags]
    edges = np.array(_BAND_BINS)
    parts = (bins[:, None] >= edges[:-1]) & (bins[:, None] < edges[1:])
    sums = np.column_stack([parts, np.ones(len(bins)), bins * _BIN_HZ])
    return np.ascontiguousarray(np.hstack([waves, sums]).astype(np.float32))


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


def _centre(line: Floats, peak: NDArray[np.intp], places: NDArray[np.intp]) -> Floats:
    """Frequency of a peak as the centre of power of its five bins, in Hz.

    `line`: the rows one after the other, with empty columns between them; `places`: where in it
    each row's first bin lies.
    """
    near = line[peak[:, None] + np.arange(-2, 3)]
    # No product of BLAS: for rows so short it raises flags over what lies beyond them.
    total = np.einsum("ij->i", near)
    moment = np.einsum("ij,j->i", near, _NEIGHBOURS) + total * (peak - places + _LOW_BIN)
    centre: Floats = (moment / (total + _EPSILON) * np.float32(_BIN_HZ)).astype(np.float32)
    return centre


def _likeness(left: Floats, right: Floats) -> Floats:
    """Cosine between the magnitudes of two power spectra, row by row."""
    common = left * right
    np.sqrt(common, out=common)
    norm = np.sqrt((left @ _ones()) * (right @ _ones()))
    cosine: Floats = ((common @ _ones()) / (norm + _EPSILON)).astype(np.float32, copy=False)
    return cosine
