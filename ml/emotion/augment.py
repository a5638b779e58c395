"""Copies of a training voice as other lines and other throats would give it.

A model that has heard only clean studios takes the telephone's band for a mood. So each training
recording is learnt from in several variants (`augmentation` in settings.yaml); held-out recordings
are judged as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.emotion.families import Array
from ml.emotion.features import SAMPLING_RATE


def vary(signal: Array, variant: Mapping[str, Any], seed: int) -> Array:
    """One variant of a voice.

    Args:
        signal: float32 (samples,) at 8000 Hz.
        variant: any of `speed` (1.07: shorter, pitch and formants 7 % higher), `band_hz` (two
            edges, Butterworth, 24 dB an octave), `noise_db` (white noise relative to the voice's
            mean power), `mu_law` (true: 8-bit companding after ITU-T G.711's curve).
        seed: of the noise; the same seed gives the same samples.

    Returns:
        float32, of another length where the speed changed.
    """
    result = signal
    if "speed" in variant:
        import librosa

        rate = float(variant["speed"])
        result = librosa.resample(
            result, orig_sr=SAMPLING_RATE * rate, target_sr=SAMPLING_RATE, res_type="soxr_hq"
        )
    if "noise_db" in variant:
        rng = np.random.default_rng(seed)
        spread = np.sqrt(np.mean(result**2)) * 10 ** (float(variant["noise_db"]) / 20)
        result = result + spread * rng.standard_normal(len(result), dtype=np.float32)
    if "band_hz" in variant:
        import scipy.signal

        result = scipy.signal.sosfilt(_band(*variant["band_hz"]), result)
    if variant.get("mu_law"):
        loudest = max(float(np.abs(result).max(initial=0.0)), 1e-9)
        scaled = result / loudest * 0.5
        code = np.rint(np.sign(scaled) * np.log1p(255 * np.abs(scaled)) / np.log(256) * 127) / 127
        result = np.sign(code) * (np.power(256.0, np.abs(code)) - 1) / 255
    return np.ascontiguousarray(result, dtype=np.float32)


@cache
def _band(low_hz: float, high_hz: float) -> NDArray[np.float64]:
    import scipy.signal

    sections: NDArray[np.float64] = scipy.signal.butter(
        4, [low_hz, high_hz], "bandpass", fs=SAMPLING_RATE, output="sos"
    )
    return sections
