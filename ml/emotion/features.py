"""A voice → parameters: descriptors of 40 ms frames, and their functionals over a stretch of speech.

Everything works at 8 kHz on float32, without a loop over frames: one windowed FFT gives the power
spectrum, from which all descriptors come. Each descriptor is free of the recording's level: either
a ratio, or taken relative to the loudest part of the stretch.

Frames: 320 samples (40 ms, Hann), hop 80 (10 ms), FFT of 512 points (15.6 Hz a bin); the window
holds three periods of 75 Hz, as Boersma asks for.

Sources: pitch by the autocorrelation divided by the window's own (P. Boersma, "Accurate short-term
analysis of the fundamental frequency…", IFA Proceedings 17, 1993); alpha ratio, Hammarberg index,
slopes, H1−H2, H1−A3 and the choice of functionals after the Geneva minimalistic parameter set
(Eyben et al., IEEE Trans. Affective Computing 7, 2016), written anew.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

SAMPLING_RATE = 8000
VERSION = 1  # raised when a descriptor's meaning changes under the same name
HOP = 80
FRAME = 320
FFT = 512
FRAMES_PER_SECOND = SAMPLING_RATE / HOP

_PITCH_LOW_HZ, _PITCH_HIGH_HZ = 65.0, 500.0
_LAG_LOW = int(SAMPLING_RATE / _PITCH_HIGH_HZ)
_LAG_HIGH = int(SAMPLING_RATE / _PITCH_LOW_HZ)
_OCTAVE_COST = 0.02  # Boersma's preference for the shorter lag, a little above his 0.01
_VOICED_AUTOCORRELATION = 0.45  # Boersma's voicing threshold
_VOICED_RANGE_DB = 35.0  # quieter than this below the loud frames is not the voice in question
_DB = np.float32(10 / np.log(10))
_SILENCE = 1e-6  # energy of a frame; noise in the last of 16 bits has forty times that
_FLOOR_DB = 60.0  # spectra are floored here below the loud frames: digital silence has no shape
_MEL_BANDS = 26
_CEPSTRA = 14
_MEL_LOW_HZ, _MEL_HIGH_HZ = 100.0, 3700.0  # what every telephone codec leaves

_NAMES_SPECTRAL = (
    "alpha_ratio_db", "hammarberg_db", "slope_low_db_per_khz", "slope_mid_db_per_khz",
    "centroid_khz", "spread_khz", "entropy", "flux_db", "energy_ratio_low_db",
)  # fmt: skip


@dataclass(frozen=True)
class Frames:
    """Descriptors of consecutive frames, one every 10 ms.

    Attributes:
        values: float32 (frames, descriptors); columns are named by `FRAME_NAMES`.
        voiced: bool (frames,); where pitch and voice quality mean something.
        level_db: float32 (frames,); power relative to the loud frames of this stretch, in dB.
    """

    values: Floats
    voiced: Flags
    level_db: Floats

    def __len__(self) -> int:
        return len(self.voiced)

    @property
    def voiced_seconds(self) -> float:
        return float(self.voiced.sum()) / FRAMES_PER_SECOND


FRAME_NAMES: tuple[str, ...] = (
    "pitch_semitones", "loudness", "harmonicity_db", "h1_h2_db", "h1_a3_db", "cepstral_peak",
    *_NAMES_SPECTRAL,
    *(f"mfcc_{i}" for i in range(1, _CEPSTRA)),
)  # fmt: skip


@cache
def _mel() -> Floats:
    """Triangular mel filters of equal area, float32 (257, 26).

    The same numbers as `librosa.filters.mel` (Slaney's scale and area), which a test compares;
    written out because importing librosa costs more than a second at every start.
    """
    break_hz, per_mel, log_step = 1000.0, 200.0 / 3, np.log(6.4) / 27
    top_mel = break_hz / per_mel

    def to_mel(hz: float) -> float:
        if hz < break_hz:
            return hz / per_mel
        return float(top_mel + np.log(hz / break_hz) / log_step)

    mels = np.linspace(to_mel(_MEL_LOW_HZ), to_mel(_MEL_HIGH_HZ), _MEL_BANDS + 2)
    corners = np.where(
        mels < top_mel, mels * per_mel, break_hz * np.exp(log_step * (mels - top_mel))
    )
    hz = np.arange(FFT // 2 + 1) * (SAMPLING_RATE / FFT)
    rise = (hz[:, None] - corners[:-2]) / np.diff(corners)[:-1]
    fall = (corners[2:] - hz[:, None]) / np.diff(corners)[1:]
    bank = np.maximum(0, np.minimum(rise, fall)) * (2 / (corners[2:] - corners[:-2]))
    return np.ascontiguousarray(bank.astype(np.float32))


@cache
def _dct() -> Floats:
    """Orthonormal DCT-II as a matrix, float32 (26, 13), without the coefficient of level."""
    matrix = scipy.fft.dct(np.eye(_MEL_BANDS), type=2, norm="ortho", axis=0).T
    return np.ascontiguousarray(matrix[:, 1:_CEPSTRA].astype(np.float32))


@cache
def _window() -> tuple[Floats, Floats]:
    """The Hann window (320,) and its normalised autocorrelation at the lags looked at."""
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(window, FFT)) ** 2
    correlation = np.fft.irfft(power)
    return window, (correlation / correlation[0])[: _LAG_HIGH + 2].astype(np.float32)


def frames_of(signal: Floats) -> Frames:
    """Descriptors of every frame of a voice.

    Args:
        signal: float32 (samples,) at 8000 Hz, any level; at least one frame (320 samples), else
            there are no frames.

    Returns:
        Frames; frame i is centred at sample 160 + 80·i.
    """
    if len(signal) < FRAME:
        empty = np.zeros((0, len(FRAME_NAMES)), np.float32)
        return Frames(empty, np.zeros(0, bool), np.zeros(0, np.float32))
    # Pre-emphasis is left out: slopes and ratios are to be those of the voice.
    window, window_correlation = _window()
    cut = np.lib.stride_tricks.sliding_window_view(np.asarray(signal, np.float32), FRAME)[::HOP]
    cut = cut - cut.mean(axis=1, keepdims=True)
    spectrum = scipy.fft.rfft(cut * window, FFT, axis=1)
    power: Floats = spectrum.real**2 + spectrum.imag**2
    energy = power.sum(axis=1)
    loud = max(float(np.percentile(energy, 95)), _SILENCE)
    level_db: Floats = (10 * np.log10(np.maximum(energy / loud, 1e-9))).astype(np.float32)
    power = power / np.float32(loud) + np.float32(10 ** (-_FLOOR_DB / 10) / power.shape[1])

    pitch_hz, strength = _pitch(power, level_db, window_correlation)
    voiced: Flags = (strength > _VOICED_AUTOCORRELATION) & (level_db > -_VOICED_RANGE_DB)
    voiced = scipy.ndimage.binary_opening(voiced, np.ones(3, bool))
    strength = np.clip(strength, 0.01, 0.99)

    log_power: Floats = np.log(power) * _DB  # NumPy's log is vectorised, its log10 is not
    mel = power @ _mel()
    log_mel: Floats = np.log(mel)
    h1_h2, h1_a3 = _harmonics(log_power, pitch_hz)
    values = np.concatenate(
        [
            np.stack(
                [
                    12 * np.log2(pitch_hz / 27.5),
                    np.log(np.exp(np.float32(0.3) * log_mel).sum(axis=1)),
                    10 * np.log10(strength / (1 - strength)),
                    h1_h2,
                    h1_a3,
                    _cepstral_peak(log_power, pitch_hz),
                ],
                axis=1,
            ),
            _spectral(power, log_power, log_mel),
            log_mel @ _dct(),
        ],
        axis=1,
    ).astype(np.float32)
    return Frames(values, voiced, level_db)


def _inverse(spectrum: Floats) -> Floats:
    """Inverse FFT of real spectra (frames, 257), their first 257 samples, float32.

    What is real has an even transform: a cosine transform gives it three times as fast as `irfft`,
    which first makes complex numbers of it.
    """
    result: Floats = scipy.fft.dct(spectrum, type=1, axis=1)
    result *= np.float32(1 / FFT)
    return result


def _pitch(power: Floats, level_db: Floats, window_correlation: Floats) -> tuple[Floats, Floats]:
    """Pitch in Hz and its normalised autocorrelation (0–1), both float32 (frames,)."""
    correlation = _inverse(power)[:, : _LAG_HIGH + 2]
    correlation = correlation / (correlation[:, :1] * window_correlation)
    lags = np.arange(_LAG_LOW, _LAG_HIGH + 1)
    before = correlation[:, _LAG_LOW - 1 : _LAG_HIGH]
    inner = correlation[:, _LAG_LOW : _LAG_HIGH + 1]
    after = correlation[:, _LAG_LOW + 1 : _LAG_HIGH + 2]
    is_peak = (inner > before) & (inner >= after)
    # Heights between the samples: a bright voice's peak is so sharp that the sample beside it
    # would lose against the next octave's, which happens to fall on a sample.
    bend = np.minimum(before - 2 * inner + after, -1e-6)
    lean = before - after
    height = inner - 0.125 * lean * lean / bend
    cost = (_OCTAVE_COST * np.log2(lags / _LAG_LOW)).astype(np.float32)
    score = np.where(is_peak, height, -1) - cost
    best = score.argmax(axis=1)
    rows = np.arange(len(best))
    sure = (score[rows, best] > 0.6) & (level_db > -_VOICED_RANGE_DB)
    if sure.any():
        # A jump of an octave against the neighbourhood is a mistake far more often than a voice:
        # candidates within 0.7 octaves of the running middle of the sure frames are preferred.
        log_lag = np.log2(lags).astype(np.float32)
        known = np.flatnonzero(sure)
        middle = scipy.ndimage.median_filter(log_lag[best[known]], size=41, mode="nearest")
        centre = np.interp(rows, known, middle).astype(np.float32)
        far = np.abs(log_lag[None, :] - centre[:, None]) > 0.7
        best = (score - np.float32(0.25) * far).argmax(axis=1)
    lag = best + _LAG_LOW
    shift = np.clip(0.5 * lean[rows, best] / bend[rows, best], -0.5, 0.5)
    strength = np.where(is_peak[rows, best], height[rows, best], 0.0)
    return (
        (SAMPLING_RATE / (lag + shift)).astype(np.float32),
        np.clip(strength, 0, 1).astype(np.float32),
    )


def _harmonics(log_power: Floats, pitch_hz: Floats) -> tuple[Floats, Floats]:
    """H1−H2 and H1−A3 in dB, float32 (frames,): how hard the vocal folds close.

    A3 is the strongest harmonic between 2200 and 3400 Hz, where the third formant lies.
    """
    rows = np.arange(len(pitch_hz))
    step = SAMPLING_RATE / FFT

    def height(hz: NDArray[np.floating]) -> Floats:
        at = np.clip(np.rint(hz / step).astype(int), 1, log_power.shape[1] - 2)
        tallest: Floats = np.maximum(
            np.maximum(log_power[rows, at - 1], log_power[rows, at]), log_power[rows, at + 1]
        )
        return tallest

    first = height(pitch_hz)
    third_formant = log_power[:, int(2200 / step) : int(3400 / step)].max(axis=1)
    return first - height(2 * pitch_hz), first - third_formant


def _cepstral_peak(log_power: Floats, pitch_hz: Floats) -> Floats:
    """Height of the cepstrum at the pitch period above its surroundings, dB, float32 (frames,)."""
    cepstrum = np.abs(_inverse(log_power)[:, : _LAG_HIGH + 2])
    rows = np.arange(len(pitch_hz))
    at = np.clip(np.rint(SAMPLING_RATE / pitch_hz).astype(int), 1, _LAG_HIGH)
    peak = np.maximum(
        np.maximum(cepstrum[rows, at - 1], cepstrum[rows, at]), cepstrum[rows, at + 1]
    )
    base = cepstrum[:, _LAG_LOW:].mean(axis=1)
    result: Floats = 20 * np.log10((peak + 1e-3) / (base + 1e-3))
    return result


def _spectral(power: Floats, log_power: Floats, log_mel: Floats) -> Floats:
    """Shape of the spectrum, float32 (frames, 9), in the order of `_NAMES_SPECTRAL`."""
    hz = np.arange(power.shape[1], dtype=np.float32) * (SAMPLING_RATE / FFT)

    def band(low: float, high: float) -> slice:
        return slice(int(np.searchsorted(hz, low)), int(np.searchsorted(hz, high)))

    def in_db(ratio: Floats) -> Floats:
        result: Floats = 10 * np.log10(ratio)
        return result

    def slope(low: float, high: float) -> Floats:
        part = band(low, high)
        x = hz[part] / 1000 - (hz[part] / 1000).mean()
        result: Floats = log_power[:, part] @ (x / (x @ x))
        return result

    useful = band(_MEL_LOW_HZ, _MEL_HIGH_HZ)
    share = power[:, useful] / power[:, useful].sum(axis=1, keepdims=True)
    khz = hz[useful] / 1000
    centroid = share @ khz
    spread = np.sqrt(np.maximum(share @ khz**2 - centroid**2, 0))
    mel_share = np.exp(log_mel - log_mel.max(axis=1, keepdims=True))
    mel_share /= mel_share.sum(axis=1, keepdims=True)
    entropy = -(mel_share * np.log(mel_share + 1e-9)).sum(axis=1) / np.log(_MEL_BANDS)
    flux = np.zeros(len(power), np.float32)
    flux[1:] = np.abs(np.diff(log_mel, axis=0)).mean(axis=1) * (10 / np.log(10))
    columns = [
        in_db(power[:, band(50, 1000)].sum(axis=1) / power[:, band(1000, 3700)].sum(axis=1)),
        log_power[:, band(0, 2000)].max(axis=1) - log_power[:, band(2000, 3700)].max(axis=1),
        slope(100, 500),
        slope(500, 1500),
        centroid,
        spread,
        entropy,
        flux,
        in_db(power[:, band(100, 500)].sum(axis=1) / power[:, band(500, 3700)].sum(axis=1)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


_PITCH, _LOUDNESS = FRAME_NAMES.index("pitch_semitones"), FRAME_NAMES.index("loudness")
_MODULATION_HZ = (0.5, 2.0, 4.0, 6.0, 9.0, 15.0)  # around the syllable rate of 4–5 Hz
_EDGE_FRAMES = 5  # kept before the first and after the last voiced frame of a stretch
_STATISTICS = ("mean", "std", "p10", "p50", "p90")

_RHYTHM_NAMES = (
    "pitch_rise_per_s", "pitch_fall_per_s", "pitch_trend_per_s", "jitter", "shimmer",
    "envelope_p20", "envelope_p50", "envelope_p80", "envelope_std", "loudness_rise_per_s",
    "loudness_fall_per_s", "loudness_peaks_per_s", "loudness_trend_per_s", "voiced_share",
    "voiced_runs_per_s", "voiced_run_mean_s", "voiced_run_std_s", "gap_mean_s", "gap_std_s",
    *(f"modulation_{low}_{high}_hz" for low, high in itertools.pairwise(_MODULATION_HZ)),
)  # fmt: skip

FUNCTIONAL_NAMES: tuple[str, ...] = (
    *(f"{name}_{statistic}" for statistic in _STATISTICS for name in FRAME_NAMES),
    *(f"{name}_movement_std" for name in FRAME_NAMES),
    *(f"{name}_unvoiced_mean" for name in FRAME_NAMES[_LOUDNESS + 5 :]),
    *_RHYTHM_NAMES,
)


def slopes(values: Floats) -> Floats:
    """Regression slope over ±2 frames, per frame, float32 of the same shape (the usual delta)."""
    padded = np.pad(values, [(2, 2)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    steps = 2 * (padded[4:] - padded[:-4]) + (padded[3:-1] - padded[1:-3])
    return (steps / 10).astype(np.float32)


def trimmed(frames: Frames) -> Frames:
    """The stretch from its first to its last voiced frame, with 50 ms on either side."""
    places = np.flatnonzero(frames.voiced)
    if not len(places):
        return Frames(frames.values[:0], frames.voiced[:0], frames.level_db[:0])
    part = slice(max(0, places[0] - _EDGE_FRAMES), places[-1] + 1 + _EDGE_FRAMES)
    return Frames(frames.values[part], frames.voiced[part], frames.level_db[part])


def functionals(frames: Frames) -> Floats:
    """One vector for a stretch of speech, float32 (len(FUNCTIONAL_NAMES),).

    Raises:
        ValueError: fewer than ten voiced frames; there is no voice to describe.
    """
    part = trimmed(frames)
    values, voiced = part.values, part.voiced
    if voiced.sum() < 10:
        raise ValueError("fewer than 0.1 s of voiced speech")
    of_voice = values[voiced]
    movement = slopes(values)
    unvoiced = values[~voiced, _LOUDNESS + 5 :] if (~voiced).sum() >= 3 else None
    blocks = [
        of_voice.mean(axis=0),
        of_voice.std(axis=0),
        *_percentiles(of_voice, (10, 50, 90)),
        movement[voiced & _inside_runs(voiced)].std(axis=0)
        if (voiced & _inside_runs(voiced)).sum() >= 5
        else movement[voiced].std(axis=0),
        of_voice[:, _LOUDNESS + 5 :].mean(axis=0) if unvoiced is None else unvoiced.mean(axis=0),
        _rhythm(part, movement),
    ]
    return np.concatenate(blocks).astype(np.float32)


def _percentiles(values: Floats, percents: tuple[int, ...]) -> list[Floats]:
    """Linear-interpolated percentiles by column; one sort for all of them."""
    ordered = np.sort(values, axis=0)
    result = []
    for percent in percents:
        place = percent / 100 * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        result.append(ordered[low] + (ordered[high] - ordered[low]) * np.float32(place - low))
    return result


def _inside_runs(voiced: Flags) -> Flags:
    """Frames whose two neighbours on each side are voiced too: slopes there cross no edge."""
    result: Flags = scipy.ndimage.binary_erosion(voiced, np.ones(5, bool))
    return result


def runs(flags: Flags) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First index and one past the last of every run of True."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _rhythm(part: Frames, movement: Floats) -> Floats:
    """Movement of pitch and loudness, voice perturbation and timing, as `_RHYTHM_NAMES`."""
    seconds = len(part) / FRAMES_PER_SECOND
    pitch, loudness = part.values[:, _PITCH], part.values[:, _LOUDNESS]
    inside = part.voiced & _inside_runs(part.voiced)
    pitch_slope = movement[inside, _PITCH] * FRAMES_PER_SECOND
    loudness_slope = movement[:, _LOUDNESS] * FRAMES_PER_SECOND
    time = np.arange(len(part), dtype=np.float32) / FRAMES_PER_SECOND

    def mean(values: Floats) -> float:
        return float(values.mean()) if len(values) else 0.0

    def trend(x: Floats, y: Floats) -> float:
        centred = x - x.mean()
        return float(centred @ y / max(float(centred @ centred), 1e-6))

    triple = part.voiced[:-2] & part.voiced[1:-1] & part.voiced[2:]
    bend_pitch = np.abs(np.diff(pitch, 2))[triple]
    bend_level = np.abs(np.diff(part.level_db, 2))[triple]
    starts, ends = runs(part.voiced)
    lengths = (ends - starts) / FRAMES_PER_SECOND
    gaps = ((starts[1:] - ends[:-1]) / FRAMES_PER_SECOND).astype(np.float32)
    smooth = scipy.ndimage.uniform_filter1d(loudness, 5)
    crest = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:])
    crest &= smooth[1:-1] > np.median(smooth)
    low, middle, high = _percentiles(loudness[:, None], (20, 50, 80))
    spectrum = np.abs(scipy.fft.rfft((loudness - loudness.mean()) * np.hanning(len(part)), 1024))
    rates = np.fft.rfftfreq(1024, 1 / FRAMES_PER_SECOND)
    edges = np.searchsorted(rates, _MODULATION_HZ)
    bands = np.array([(spectrum[a:b] ** 2).sum() for a, b in itertools.pairwise(edges)])
    head = [
        mean(pitch_slope[pitch_slope > 0]),
        mean(pitch_slope[pitch_slope < 0]),
        trend(time[part.voiced], pitch[part.voiced]),
        mean(bend_pitch),
        mean(bend_level),
        low[0],
        middle[0],
        high[0],
        float(loudness.std()),
        mean(loudness_slope[loudness_slope > 0]),
        mean(loudness_slope[loudness_slope < 0]),
        float(crest.sum()) / seconds,
        trend(time, loudness),
        float(part.voiced.mean()),
        len(lengths) / seconds,
        float(lengths.mean()),
        float(lengths.std()),
        mean(gaps),
        float(gaps.std()) if len(gaps) else 0.0,
    ]
    shares = bands / max(float(bands.sum()), 1e-12)
    return np.concatenate([head, np.log(shares + 1e-4)]).astype(np.float32)
