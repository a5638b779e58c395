"""Speech recognisers behind one interface, with models from a folder.

`find_models` says what lies in a folder, `load_recogniser` loads one of them; a `Recogniser` turns
pieces of speech into text. What a recogniser needs is installed by `make setup-speech`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ml.audio.decode import ANALYSIS_RATE
from ml.transcripts.model import Word
from ml.transcripts.recognisers.models import (
    CATALOGUE_PATH,
    KnownModel,
    ModelFault,
    RecogniserError,
    SpeechModel,
    find_models,
    known_models,
    missing_package,
)

if TYPE_CHECKING:
    from pathlib import Path

Signal = NDArray[np.float32]
"""One channel at `ml.audio.ANALYSIS_RATE`, full scale ±1."""
MODEL_RATE: Final = 16_000
"""Hz that every model here was trained at."""


@dataclass(frozen=True)
class Heard:
    """What was understood of one piece.

    text: empty where there was nothing to understand
    words: milliseconds from the start of the piece; empty where the engine gives none
    language: ISO 639-1 where the engine says so of the piece
    """

    text: str
    words: tuple[Word, ...] = ()
    language: str | None = None


class Recogniser(Protocol):
    """A loaded model. Not to be used by two threads at once."""

    model: SpeechModel
    engine: str
    """Engine, its version, the model and its version: `engine` of a transcript."""
    finds_language: bool

    def transcribe(self, pieces: Sequence[Signal], language: str | None) -> list[Heard]:
        """Text of each piece, in their order; they are one batch and best alike in length."""

    def find_language(self, pieces: Sequence[Signal]) -> str | None:
        """The language spoken, ISO 639-1, or None; only where `finds_language`."""


def upsampled(signal: Signal) -> Signal:
    """A signal at `MODEL_RATE`."""
    import scipy.signal

    up: Signal = scipy.signal.resample_poly(signal, MODEL_RATE // ANALYSIS_RATE, 1)
    return up.astype(np.float32)


def load_recogniser(model: SpeechModel, threads: int = 1) -> Recogniser:
    """Load a model, for `threads` cores. Raises RecogniserError with what to do about it."""
    missing = missing_package(model)
    if missing is not None:
        raise RecogniserError(missing)
    if model.kind == "whisper":
        from ml.transcripts.recognisers.whisper import WhisperRecogniser

        return WhisperRecogniser(model, threads)
    from ml.transcripts.recognisers.sherpa import SherpaRecogniser

    return SherpaRecogniser(model, threads)


def usable_models(folder: Path | None) -> tuple[list[SpeechModel], list[ModelFault]]:
    """The models of a folder that can be used here, and what is wrong with the others.

    Without a folder there is none. Raises RecogniserError where `folder` is none.
    """
    if folder is None:
        return [], []
    models, faults = find_models(folder)
    missing = {model.name: missing_package(model) for model in models}
    faults += [
        ModelFault(model.folder, reason) for model in models if (reason := missing[model.name])
    ]
    return [model for model in models if missing[model.name] is None], faults


__all__ = [
    "CATALOGUE_PATH",
    "MODEL_RATE",
    "Heard",
    "KnownModel",
    "ModelFault",
    "Recogniser",
    "RecogniserError",
    "Signal",
    "SpeechModel",
    "find_models",
    "known_models",
    "load_recogniser",
    "missing_package",
    "upsampled",
    "usable_models",
]
