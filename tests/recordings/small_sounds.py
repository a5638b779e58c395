"""Small recordings, made in the test."""

from __future__ import annotations

import io
import wave

import numpy as np

RATE = 8000


def sound(seconds: float, hertz: float = 450.0, channels: int = 1) -> bytes:
    """A WAV file (PCM 16, 8 kHz) that holds one tone; on two channels only the first sounds."""
    time = np.arange(int(seconds * RATE)) / RATE
    tone = (8000 * np.sin(2 * np.pi * hertz * time)).astype("<i2")
    frames = np.column_stack([tone, *[np.zeros_like(tone)] * (channels - 1)])
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(frames.tobytes())
    return buffer.getvalue()
