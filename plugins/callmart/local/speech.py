"""Speech from text by espeak-ng, whose library and voices come in the wheel `espeakng_loader`.

One process holds one synthesiser (the library keeps its state in globals), so everything goes
through the one `Synthesiser` that `synthesiser()` returns.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float32]

# espeak-ng/speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_PARAMETER_RANGE = 4
_CHARS_UTF8 = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1


class SpeechError(Exception):
    """The synthesiser could not be started or does not know a voice."""


@dataclass(frozen=True)
class Voice:
    """How something is said.

    Attributes:
        name: an espeak-ng voice with an optional variant, e.g. `cmn+f2`, `en-us+m3`.
        rate: words a minute, 80 to 450.
        pitch: 0 to 99, 50 is the voice's own.
        pitch_range: 0 (monotone) to 99.
    """

    name: str
    rate: int
    pitch: int
    pitch_range: int


@dataclass(frozen=True)
class Word:
    """One word of an utterance: `text[char_start:char_end]`, begun `start_seconds` after its start."""

    char_start: int
    char_end: int
    start_seconds: float


@dataclass(frozen=True)
class Utterance:
    """Sound of one text: `signal` is `(samples,)` float32 at `sampling_rate`, peak 1."""

    text: str
    signal: Signal
    sampling_rate: int
    words: tuple[Word, ...]

    @property
    def seconds(self) -> float:
        return len(self.signal) / self.sampling_rate


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_longlong),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Synthesiser:
    """Turns texts into sound; the same text and voice give the same samples every time.

    Args:
        sampling_rate: of what comes out (the voices are resampled), in Hz.

    Raises:
        SpeechError: the library does not start.
    """

    def __init__(self, sampling_rate: int = 8000) -> None:
        import espeakng_loader

        self.sampling_rate = sampling_rate
        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data_path = espeakng_loader.get_data_path()
        self._native_rate = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, str(data_path).encode(), _INITIALIZE_DONT_EXIT
        )
        if self._native_rate <= 0:
            raise SpeechError(f"espeak-ng does not start with the data at {data_path}")
        self._pieces: list[npt.NDArray[np.int16]] = []
        self._words: list[tuple[int, int, int]] = []
        # Kept as an attribute: a callback that is collected while C holds it ends the process.
        self._callback = _CALLBACK(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._cache: dict[tuple[str, Voice], Utterance] = {}

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events and events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_WORD:
                self._words.append((event.text_position, event.length, event.audio_position))
            index += 1
        return 0

    def say(self, text: str, voice: Voice) -> Utterance:
        """Synthesise `text`; leading and trailing silence is cut off.

        Raises:
            SpeechError: the voice is unknown or nothing came out.
        """
        key = (text, voice)
        if key not in self._cache:
            self._cache[key] = self._synthesise(text, voice)
        return self._cache[key]

    def _synthesise(self, text: str, voice: Voice) -> Utterance:
        from scipy.signal import resample_poly

        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise SpeechError(f"espeak-ng has no voice {voice.name!r}")
        for parameter, value in (
            (_PARAMETER_RATE, voice.rate),
            (_PARAMETER_PITCH, voice.pitch),
            (_PARAMETER_RANGE, voice.pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._pieces.clear()
        self._words.clear()
        encoded = text.encode()
        self._library.espeak_Synth(
            encoded, len(encoded) + 1, 0, _CHARS_UTF8, 0, _CHARS_UTF8, None, None
        )
        if not self._pieces:
            raise SpeechError(f"espeak-ng said nothing for {text!r} with {voice.name!r}")
        native = np.concatenate(self._pieces).astype(np.float64)
        loud = np.flatnonzero(np.abs(native) > 0.01 * np.abs(native).max())
        first, last = int(loud[0]), int(loud[-1]) + 1
        resampled = resample_poly(native[first:last], self.sampling_rate, self._native_rate)
        peak = float(np.abs(resampled).max())
        words = tuple(
            Word(
                position - 1,
                position - 1 + length,
                max(0.0, milliseconds / 1000 - first / self._native_rate),
            )
            for position, length, milliseconds in self._words
        )
        return Utterance(text, (resampled / peak).astype(np.float32), self.sampling_rate, words)


@lru_cache(maxsize=1)
def synthesiser() -> Synthesiser:
    """The synthesiser of this process."""
    return Synthesiser()
