"""Whisper, by faster-whisper (CTranslate2)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Any, Final

import numpy as np

from ml.audio.decode import ANALYSIS_RATE
from ml.transcripts.model import Word
from ml.transcripts.recognisers import MODEL_RATE, Heard, Signal, upsampled
from ml.transcripts.recognisers.models import ANY, RecogniserError, SpeechModel

# Between pieces that are handed over as one signal, so that the times tell them apart.
_GAP_SECONDS: Final = 1.0
# Whisper's own thresholds (Radford et al. 2022, section 4.5): what lies beyond them is made up.
_NO_SPEECH_PROBABILITY: Final = 0.6
_LEAST_LOG_PROBABILITY: Final = -1.0
_MOST_COMPRESSION: Final = 2.4


class WhisperRecogniser:
    """A Whisper model that was converted for CTranslate2."""

    def __init__(self, model: SpeechModel, threads: int) -> None:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        self.model = model
        self.engine = (
            f"faster-whisper {metadata.version('faster-whisper')} {model.name} {model.version}"
        )
        self.finds_language = ANY in model.languages or len(model.languages) > 1
        try:
            self._whisper = WhisperModel(
                str(model.folder), compute_type="auto", cpu_threads=threads, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise RecogniserError(f"{model.folder} cannot be loaded: {error}") from error
        self._pipeline = BatchedInferencePipeline(self._whisper)

    def transcribe(self, pieces: Sequence[Signal], language: str | None) -> list[Heard]:
        if not pieces:
            return []
        language = language or self.find_language(pieces) or "en"
        sound, clips = _joined(pieces)
        segments, _ = self._pipeline.transcribe(
            sound,
            language=language,
            clip_timestamps=clips,
            batch_size=len(clips),
            word_timestamps=True,
            temperature=0.0,
        )
        found: list[list[Any]] = [[] for _ in pieces]
        starts = [clip["start"] for clip in clips]
        for segment in segments:
            place = int(np.searchsorted(starts, segment.start + _GAP_SECONDS / 2)) - 1
            if not _is_made_up(segment):
                found[max(place, 0)].append(segment)
        return [
            _heard(of_piece, start, len(piece), language)
            for of_piece, start, piece in zip(found, starts, pieces, strict=True)
        ]

    def find_language(self, pieces: Sequence[Signal]) -> str | None:
        """The likeliest language of the pieces together (the first 30 s of them)."""
        if not self.finds_language or not pieces:
            return self.model.languages[0] if not self.finds_language else None
        language, _, _ = self._whisper.detect_language(audio=upsampled(np.concatenate(pieces)))
        return str(language)


def _joined(pieces: Sequence[Signal]) -> tuple[Signal, list[dict[str, float]]]:
    """All pieces in one signal of 16 kHz with gaps between, and where each lies in seconds."""
    gap = np.zeros(round(_GAP_SECONDS * MODEL_RATE), np.float32)
    parts: list[Signal] = []
    clips = []
    place = 0
    for piece in pieces:
        up = upsampled(piece)
        clips.append({"start": place / MODEL_RATE, "end": (place + len(up)) / MODEL_RATE})
        parts += [up, gap]
        place += len(up) + len(gap)
    return np.concatenate(parts), clips


def _is_made_up(segment: Any) -> bool:
    """Whether by its own figures the model heard no speech there, or fell into a loop."""
    silent = (
        segment.no_speech_prob > _NO_SPEECH_PROBABILITY
        and segment.avg_logprob < _LEAST_LOG_PROBABILITY
    )
    return bool(silent or segment.compression_ratio > _MOST_COMPRESSION)


def _heard(segments: Sequence[Any], start: float, samples: int, language: str) -> Heard:
    length = samples * 1000 // ANALYSIS_RATE

    def place(seconds: float) -> int:
        return min(max(round((seconds - start) * 1000), 0), length)

    words = tuple(
        Word(
            word.word.strip(), place(word.start), place(word.end), round(float(word.probability), 3)
        )
        for segment in segments
        for word in segment.words or ()
        if word.word.strip()
    )
    return Heard("".join(segment.text for segment in segments).strip(), words, language)
