"""SenseVoice, Paraformer and Zipformer transducers, by sherpa-onnx."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Final

import numpy as np

from ml.audio.decode import ANALYSIS_RATE
from ml.transcripts.model import Word
from ml.transcripts.recognisers import MODEL_RATE, Heard, Signal, upsampled
from ml.transcripts.recognisers.models import RecogniserError, SpeechModel

_NO_LANGUAGE: Final = {"", "nospeech"}
# Longer than any word: the pause behind it is not part of it.
_LONGEST_WORD_MS: Final = 1500
# The engine stacks seven frames of 10 ms and cannot do with fewer.
_FEWEST_SAMPLES: Final = ANALYSIS_RATE // 5


class SherpaRecogniser:
    """A model that sherpa-onnx runs."""

    def __init__(self, model: SpeechModel, threads: int) -> None:
        self.model = model
        self.engine = f"sherpa-onnx {metadata.version('sherpa-onnx')} {model.name} {model.version}"
        self.finds_language = model.kind == "sense_voice"
        self._threads = threads
        self._by_language: dict[str, Any] = {}
        self._recogniser("")

    def _recogniser(self, language: str) -> Any:
        """SenseVoice is told the language when it is loaded; of others there is one."""
        if not self.finds_language:
            language = ""
        if language not in self._by_language:
            # Two languages at a time would be twice the memory.
            self._by_language.clear()
            self._by_language[language] = self._load(language)
        return self._by_language[language]

    def _load(self, language: str) -> Any:
        from sherpa_onnx import OfflineRecognizer

        files = {name: str(path) for name, path in self.model.files.items()}
        common = {"tokens": files["tokens"], "num_threads": self._threads}
        try:
            if self.model.kind == "sense_voice":
                return OfflineRecognizer.from_sense_voice(
                    model=files["model"], language=language, use_itn=True, **common
                )
            if self.model.kind == "paraformer":
                return OfflineRecognizer.from_paraformer(paraformer=files["model"], **common)
            return OfflineRecognizer.from_transducer(
                encoder=files["encoder"],
                decoder=files["decoder"],
                joiner=files["joiner"],
                **common,
            )
        except (RuntimeError, ValueError) as error:
            raise RecogniserError(f"{self.model.folder} cannot be loaded: {error}") from error

    def transcribe(self, pieces: Sequence[Signal], language: str | None) -> list[Heard]:
        return [
            self._heard(result, len(piece) * 1000 // ANALYSIS_RATE)
            for result, piece in zip(self._results(pieces, language or ""), pieces, strict=True)
        ]

    def find_language(self, pieces: Sequence[Signal]) -> str | None:
        """The language of most of what it understands, as SenseVoice marks each piece."""
        seconds: Counter[str] = Counter()
        for result, piece in zip(self._results(pieces, ""), pieces, strict=True):
            language = _language(result)
            if language is not None and result.text.strip():
                seconds[language] += len(piece)
        return max(sorted(seconds), key=lambda name: seconds[name]) if seconds else None

    def _results(self, pieces: Sequence[Signal], language: str) -> list[Any]:
        recogniser = self._recogniser(language)
        streams = []
        for piece in pieces:
            stream = recogniser.create_stream()
            missing = max(_FEWEST_SAMPLES - len(piece), 0)
            stream.accept_waveform(MODEL_RATE, upsampled(np.pad(piece, (0, missing))))
            streams.append(stream)
        recogniser.decode_streams(streams)
        return [stream.result for stream in streams]

    def _heard(self, result: Any, length_ms: int) -> Heard:
        tokens = list(result.tokens)
        if self.model.kind == "paraformer":
            # Its words start without a mark; only what goes on is marked.
            tokens = [f" {token}" for token in tokens]
        words = words_of(tokens, list(result.timestamps), length_ms)
        return Heard(result.text.strip(), words, _language(result))


def _language(result: Any) -> str | None:
    said = result.lang.strip("<|>").lower()
    return None if said in _NO_LANGUAGE else said


def words_of(
    tokens: Sequence[str], timestamps: Sequence[float], length_ms: int
) -> tuple[Word, ...]:
    """Words of tokens with their times, where the engine gives both.

    A token begins a word if it starts with a blank (or ▁); `@@` at its end joins it to the next.
    Each ideograph is a word. A word lasts until the next one starts.
    """
    if not tokens or len(tokens) != len(timestamps):
        return ()
    starts: list[int] = []
    texts: list[str] = []
    goes_on = False
    for token, seconds in zip(tokens, timestamps, strict=True):
        text = token.replace("▁", " ")
        joins = text.endswith("@@")
        text = text.removesuffix("@@")
        begins = not texts or text.startswith(" ") or _is_ideograph(text)
        before = texts[-1] if texts else ""
        if not goes_on and (begins or (before and _is_ideograph(before) and not _is_mark(text))):
            texts.append(text.strip())
            starts.append(round(seconds * 1000))
        else:
            texts[-1] += text.strip()
        goes_on = joins
    ends = [*starts[1:], length_ms]
    return tuple(
        Word(text, start, max(start, min(end, start + _LONGEST_WORD_MS, length_ms)))
        for text, start, end in zip(texts, starts, ends, strict=True)
        if text
    )


def _is_ideograph(text: str) -> bool:
    char = text.strip()[:1]
    return bool(char) and unicodedata.name(char, "").startswith("CJK UNIFIED")


def _is_mark(text: str) -> bool:
    return all(unicodedata.category(char).startswith(("P", "S")) for char in text.strip())
