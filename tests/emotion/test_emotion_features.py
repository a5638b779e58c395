"""Descriptors: right pitch, librosa's filters, free of level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_voices import MOODS, RATE, voice

from ml.emotion import features
from ml.emotion.corpus import NoVoiceError, describe


@pytest.mark.parametrize("pitch_hz", [75.0, 110.0, 180.0, 260.0, 400.0])
def test_pitch_of_a_pulse_train_is_found_without_octave_jumps(pitch_hz: float) -> None:
    time = np.arange(2 * RATE) / RATE
    harmonics = np.arange(1, int(3500 / pitch_hz))
    signal = sum(np.cos(2 * np.pi * pitch_hz * k * time) / k for k in harmonics)
    frames = features.frames_of(0.1 * np.asarray(signal, np.float32))
    pitch = frames.values[:, features.FRAME_NAMES.index("pitch_semitones")]
    assert frames.voiced.mean() > 0.95
    expected = 12 * np.log2(pitch_hz / 27.5)
    assert np.abs(pitch[frames.voiced] - expected).max() < 0.3


def test_noise_is_not_voiced() -> None:
    noise = np.random.default_rng(1).standard_normal(3 * RATE).astype(np.float32)
    assert features.frames_of(noise).voiced.mean() < 0.02


def test_mel_filters_are_librosas() -> None:
    import librosa

    expected = librosa.filters.mel(sr=8000, n_fft=512, n_mels=26, fmin=100, fmax=3700)
    np.testing.assert_allclose(features._mel().T, expected, atol=1e-6)


def test_names_and_numbers_agree() -> None:
    stretch = describe(voice("neutral", 1))
    assert stretch.functionals.shape == (len(features.FUNCTIONAL_NAMES),)
    assert stretch.frames.shape[1] == 2 * len(features.FRAME_NAMES)
    assert len(set(features.FUNCTIONAL_NAMES)) == len(features.FUNCTIONAL_NAMES)
    assert stretch.functionals.dtype == np.float32


@settings(max_examples=15, deadline=None)
@given(gain_db=st.floats(-30, 5), mood=st.sampled_from(sorted(MOODS)), seed=st.integers(0, 50))
def test_level_changes_nothing(gain_db: float, mood: str, seed: int) -> None:
    signal = voice(mood, seed, seconds=1.5)
    louder = (signal * np.float32(10 ** (gain_db / 20))).astype(np.float32)
    np.testing.assert_allclose(
        describe(louder).functionals, describe(signal).functionals, rtol=2e-3, atol=2e-3
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(320, 6000), st.integers(0, 1000))
def test_any_signal_gives_finite_descriptors(length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal(length).astype(np.float32)
    signal[rng.random(length) < 0.5] = 0
    assert np.isfinite(features.frames_of(signal).values).all()


@pytest.mark.parametrize("signal", [np.zeros(8000), np.zeros(0), np.full(8000, 0.3), np.ones(100)])
def test_silence_and_scraps_hold_no_voice(signal: np.ndarray) -> None:
    with pytest.raises(NoVoiceError):
        describe(signal.astype(np.float32))


def test_faster_speech_has_more_loudness_peaks() -> None:
    place = features.FUNCTIONAL_NAMES.index("loudness_peaks_per_s")
    fast, slow = (describe(voice(mood, 3, 4.0)).functionals[place] for mood in ("angry", "sad"))
    assert fast > slow + 1.5
