"""Synthetic voices: pulses through two resonances, with pitch, loudness and tempo by mood."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
from numpy.typing import NDArray

RATE = 8000
# pitch relative to the speaker's, its excursion in semitones, spectral tilt pole, syllables/s
MOODS = {
    "angry": (1.5, 3.0, 0.55, 6.0),
    "happy": (1.6, 7.0, 0.75, 5.5),
    "neutral": (1.0, 1.5, 0.85, 4.5),
    "sad": (0.9, 0.6, 0.96, 2.8),
}


def voice(
    label: str, seed: int, seconds: float = 2.5, pitch_hz: float = 130.0
) -> NDArray[np.float32]:
    """One utterance, float32 (samples,) at 8 kHz, peak 0.5; the same arguments, the same samples."""
    rng = np.random.default_rng(seed)
    lift, excursion, tilt, tempo = MOODS[label]
    time = np.arange(int(seconds * RATE)) / RATE
    wander = excursion * np.sin(2 * np.pi * (0.7 + 0.3 * rng.random()) * time + rng.random() * 6)
    pitch = pitch_hz * lift * 2 ** (wander / 12) * (1 + 0.05 * rng.standard_normal())
    phase = np.cumsum(pitch) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0)
    sound = scipy.signal.lfilter([1.0], [1.0, -tilt], pulses)
    for formant, width in ((500 + 100 * rng.random(), 90), (1500 + 200 * rng.random(), 130)):
        radius, angle = np.exp(-np.pi * width / RATE), 2 * np.pi * formant / RATE
        sound = scipy.signal.lfilter([1.0], [1, -2 * radius * np.cos(angle), radius**2], sound)
    syllables = np.clip(0.6 + np.sin(2 * np.pi * tempo * time + rng.random() * 6), 0.02, None)
    sound = sound * syllables + 1e-3 * rng.standard_normal(len(sound)) * np.abs(sound).max()
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def write_corpus(folder: Path, speakers: int = 4, takes: int = 3) -> Path:
    """WAV files of every mood by every speaker, and the manifest that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "speaker", "label"])
        for speaker in range(speakers):
            for label_number, label in enumerate(MOODS):
                for take in range(takes):
                    name = f"s{speaker}_{label}_{take}.wav"
                    seed = 1000 * speaker + 100 * label_number + take
                    signal = voice(label, seed, 2.0 + 0.3 * take, 100.0 + 35 * speaker)
                    soundfile.write(folder / name, signal, RATE)
                    writer.writerow([name, f"s{speaker}", label])
    return manifest
