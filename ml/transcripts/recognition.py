"""A recording and its turns → a transcript, by the recognisers of a folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from ml.audio.conversation import Turn
from ml.audio.decode import ANALYSIS_RATE, Recording
from ml.transcripts.model import Role, Segment, Transcript, Word, in_time_order
from ml.transcripts.recognisers import (
    Heard,
    Recogniser,
    RecogniserError,
    Signal,
    SpeechModel,
    load_recogniser,
)

SETTINGS_PATH: Final = Path(__file__).with_name("recognition.yaml")
FORMAT: Final = "recognised"
"""`format` of a transcript that was recognised here."""
_CODE_VERSION: Final = "1"
_ROLES: Final[dict[str, Role]] = {"agent": "agent", "customer": "customer"}


@cache
def load_settings() -> dict[str, Any]:
    """The numbers of recognition.yaml."""
    settings: dict[str, Any] = yaml.safe_load(SETTINGS_PATH.read_text(encoding="utf-8"))
    return settings


@dataclass(frozen=True)
class Piece:
    """A stretch of one side's speech, short enough for any recogniser. Samples at 8 kHz."""

    side: str
    start: int
    end: int
    signal: Signal

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / ANALYSIS_RATE


@dataclass(frozen=True)
class Recognition:
    """What was understood of one recording, and what that cost.

    transcript: without segments where nothing was understood; `problems` says why
    language_found: given, only (the one language that the models speak), heard, or none
    speech_seconds: sound that the model was given
    processing_seconds, cpu_seconds: by the clock, and of all cores together; loading excluded
    realtime_factor: seconds of recording a second of processing
    """

    transcript: Transcript
    language_found: str
    speech_seconds: float
    duration_seconds: float
    processing_seconds: float
    cpu_seconds: float

    @property
    def realtime_factor(self) -> float | None:
        if not self.processing_seconds:
            return None
        return self.duration_seconds / self.processing_seconds


def cut_pieces(recording: Recording, turns: Sequence[Turn]) -> list[Piece]:
    """The turns as pieces, in order of start; a long one is cut where it is quietest.

    The silences between turns are never heard by a recogniser: it would make words of them. No two
    pieces of a side overlap.
    """
    settings = load_settings()
    rows = {side: row for row, side in enumerate(recording.sides)}
    samples = recording.samples.shape[1]
    margin = round(settings["margin_seconds"] * ANALYSIS_RATE)
    shortest = round(settings["shortest_piece_seconds"] * ANALYSIS_RATE)
    pieces = []
    last: dict[int, int] = {}
    spans = [
        (side, round(start * ANALYSIS_RATE), round(end * ANALYSIS_RATE))
        for side, start, end in sorted(turns, key=lambda turn: turn[1:])
    ]
    for number, (side, start, end) in enumerate(spans):
        # Two voices of one channel, or what has no side, lie in the only row, or in the first.
        row = rows.get(side, 0)
        following = next(
            (s for name, s, _ in spans[number + 1 :] if rows.get(name, 0) == row), None
        )
        end = min(end, samples)
        first = max(start - margin, last.get(row, 0), 0)
        until = min(end + margin, samples)
        if following is not None:
            # Half of a pause shorter than both margins goes to each turn.
            until = max(end, min(until, (end + following) // 2))
        if until - max(first, start) < shortest:
            continue
        last[row] = until
        for begin, stop in _cuts(recording, row, first, until):
            signal = recording.samples[row, begin:stop].astype(np.float32) / np.float32(32768)
            pieces.append(Piece(side, begin, stop, signal))
    return sorted(pieces, key=lambda piece: (piece.start, piece.side))


def _cuts(recording: Recording, row: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    settings = load_settings()
    longest = round(settings["longest_piece_seconds"] * ANALYSIS_RATE)
    search = round(settings["search_seconds"] * ANALYSIS_RATE)
    quiet = round(settings["quiet_seconds"] * ANALYSIS_RATE)
    while end - start > longest:
        begin = start + longest - search
        stretch = recording.samples[row, begin : start + longest].astype(np.float64)
        power = np.concatenate([[0.0], np.cumsum(stretch**2)])
        place = begin + int(np.argmin(power[quiet:] - power[:-quiet])) + quiet // 2
        yield start, place
        start = place
    yield start, end


def batches(pieces: Sequence[Piece]) -> Iterator[list[int]]:
    """Places of pieces alike in length, the longest first, so that little is padded."""
    most = load_settings()["batch_seconds"]
    batch: list[int] = []
    longest = 0.0
    for place in sorted(range(len(pieces)), key=lambda p: (-pieces[p].seconds, p)):
        longest = longest or pieces[place].seconds
        if batch and (len(batch) + 1) * longest > most:
            yield batch
            batch, longest = [], pieces[place].seconds
        batch.append(place)
    if batch:
        yield batch


class Transcriber:
    """The models of a folder, loaded when first needed.

    version: of the code, its settings and the models; with another version a recording is to be
        recognised again
    """

    def __init__(self, models: Sequence[SpeechModel], threads: int = 1) -> None:
        if not models:
            raise RecogniserError("no speech model: callmart doctor says which to put where")
        self.models = sorted(models, key=lambda model: model.name)
        self.version = speech_version(self.models)
        self._threads = threads
        self._loaded: dict[str, Recogniser] = {}

    def transcribe(
        self,
        call_id: str,
        recording: Recording,
        turns: Sequence[Turn],
        language: str | None = None,
    ) -> Recognition:
        """Recognise the turns of one recording.

        turns: (side, start, end) in seconds, as `ml.inspection` hears them
        language: ISO 639-1 where it is known; else it is found out

        Raises RecogniserError where a model cannot be loaded.
        """
        pieces = cut_pieces(recording, turns)
        speech = sum(piece.seconds for piece in pieces)
        if not pieces:
            found = "given" if language else "none"
            return self._nothing(call_id, recording, language, found, "no speech", speech)
        finder = self._finder()
        if finder is not None and language is None:
            self._recogniser(finder)
        clock, cpu = time.perf_counter(), time.process_time()
        found = "given"
        if language is None:
            language, found = self._find_language(finder, pieces)
        chosen = self._choose(language)
        if chosen is None:
            reason = f"no model here speaks {language}"
            return self._nothing(call_id, recording, language, found, reason, speech)
        finding = time.perf_counter() - clock, time.process_time() - cpu
        recogniser = self._recogniser(chosen)
        clock, cpu = time.perf_counter(), time.process_time()
        heard: dict[int, Heard] = {}
        for batch in batches(pieces):
            texts = recogniser.transcribe([pieces[place].signal for place in batch], language)
            heard.update(zip(batch, texts, strict=True))
        spent = time.perf_counter() - clock + finding[0], time.process_time() - cpu + finding[1]
        said = [(piece, heard[place]) for place, piece in enumerate(pieces) if heard[place].text]
        if language is None:
            language = next((text.language for _, text in said if text.language), None)
        problems = []
        if len(said) < len(pieces):
            problems.append(f"{len(pieces) - len(said)} of {len(pieces)} pieces not understood")
        if found == "none":
            problems.append("the language could not be found out")
        transcript = Transcript(
            call_id=call_id,
            language=language,
            engine=recogniser.engine,
            format=FORMAT,
            segments=in_time_order(
                _segment(index, piece, text) for index, (piece, text) in enumerate(said)
            ),
            problems=tuple(problems),
        )
        return Recognition(
            transcript, found, speech, recording.duration_seconds, spent[0], spent[1]
        )

    def _nothing(
        self,
        call_id: str,
        recording: Recording,
        language: str | None,
        found: str,
        reason: str,
        speech: float,
    ) -> Recognition:
        transcript = Transcript(call_id, language, None, FORMAT, (), problems=(reason,))
        return Recognition(transcript, found, speech, recording.duration_seconds, 0.0, 0.0)

    def _finder(self) -> SpeechModel | None:
        """Who is asked for the language; nobody where the models speak one alone."""
        spoken = {language for model in self.models for language in model.languages}
        if len(spoken) == 1 and "*" not in spoken:
            return None
        for kind in load_settings()["language_finders"]:
            for model in self.models:
                if model.kind == kind and len(model.languages) + ("*" in model.languages) > 1:
                    return model
        return None

    def _find_language(
        self, finder: SpeechModel | None, pieces: Sequence[Piece]
    ) -> tuple[str | None, str]:
        if finder is None:
            spoken = {language for model in self.models for language in model.languages}
            return (spoken.pop(), "only") if len(spoken) == 1 else (None, "none")
        sample: list[Signal] = []
        seconds = 0.0
        for piece in sorted(pieces, key=lambda piece: -piece.seconds):
            if sample and seconds + piece.seconds > load_settings()["language_sample_seconds"]:
                break
            sample.append(piece.signal)
            seconds += piece.seconds
        language = self._recogniser(finder).find_language(sample)
        return (language, "heard") if language else (None, "none")

    def _choose(self, language: str | None) -> SpeechModel | None:
        """The model for a language; for none that is known, the first by kind."""
        table = load_settings()["kinds_by_language"]
        for kind in table.get(language, table["other"]):
            for model in self.models:
                if model.kind == kind and (language is None or model.speaks(language)):
                    return model
        return None

    def _recogniser(self, model: SpeechModel) -> Recogniser:
        if model.name not in self._loaded:
            self._loaded[model.name] = load_recogniser(model, self._threads)
        return self._loaded[model.name]


def speech_version(models: Sequence[SpeechModel]) -> str:
    """Version under which recognised text is kept; cheap, nothing is loaded."""
    digest = hashlib.sha256(SETTINGS_PATH.read_bytes())
    for model in sorted(models, key=lambda model: model.name):
        digest.update(f"{model.name}\0{model.version}\0{','.join(model.languages)}\n".encode())
    return f"{_CODE_VERSION}+{digest.hexdigest()[:8]}"


def _segment(index: int, piece: Piece, heard: Heard) -> Segment:
    start_ms = piece.start * 1000 // ANALYSIS_RATE
    words = tuple(
        Word(
            word.text,
            None if word.start_ms is None else start_ms + word.start_ms,
            None if word.end_ms is None else start_ms + word.end_ms,
            word.confidence,
        )
        for word in heard.words
    )
    return Segment(
        index=index,
        role=_ROLES.get(piece.side),
        start_ms=start_ms,
        end_ms=piece.end * 1000 // ANALYSIS_RATE,
        text=heard.text,
        words=words,
        speaker=piece.side,
    )


def as_document(transcript: Transcript) -> dict[str, Any]:
    """A transcript in the form of the contract (docs/contracts.md)."""
    segments = []
    for segment in transcript.segments:
        item: dict[str, Any] = {
            "role": segment.role,
            "start_ms": segment.start_ms,
            "end_ms": segment.end_ms,
            "text": segment.text,
        }
        if segment.words:
            item["words"] = [
                {
                    key: value
                    for key, value in (
                        ("text", word.text),
                        ("start_ms", word.start_ms),
                        ("end_ms", word.end_ms),
                        ("confidence", word.confidence),
                    )
                    if value is not None
                }
                for word in segment.words
            ]
        segments.append(item)
    return {
        "call_id": transcript.call_id,
        "language": transcript.language,
        "engine": transcript.engine,
        "segments": segments,
    }
