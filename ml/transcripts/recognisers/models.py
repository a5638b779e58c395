"""Which speech models lie in a folder, read from their files without loading them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import yaml

CATALOGUE_PATH: Final = Path(__file__).with_name("catalogue.yaml")
OWN_WORD: Final = "callmart.yaml"
"""A file in a model's folder that may say `languages: [en]` where nothing else does."""
ANY: Final = "*"
"""Stands for every language."""

PACKAGES: Final = {"whisper": "faster_whisper"}
_SHERPA: Final = "sherpa_onnx"
# The engine ends the whole process over a key that is missing, so they are looked for first.
_KEYS: Final = {
    "sense_voice": (
        "vocab_size", "lfr_window_size", "lfr_window_shift", "normalize_samples", "with_itn",
        "without_itn", "lang_auto", "lang_zh", "lang_en", "lang_ja", "lang_ko", "lang_yue",
        "neg_mean", "inv_stddev",
    ),
    "paraformer": (
        "vocab_size", "lfr_window_size", "lfr_window_shift", "neg_mean", "inv_stddev",
    ),
}  # fmt: skip
_DECODER_KEYS: Final = ("vocab_size", "context_size")
_LANGUAGES: Final = {"sense_voice": ("zh", "en", "yue", "ja", "ko"), "paraformer": ("zh",)}
# Words in the folder names that publishers choose.
_NAME_LANGUAGES: Final = {
    "en": "en", "english": "en", "librispeech": "en", "gigaspeech": "en",
    "zh": "zh", "chinese": "zh", "mandarin": "zh", "wenetspeech": "zh", "aishell": "zh",
}  # fmt: skip
_ENDS_BYTES: Final = 1 << 20
_LARGEST_WORD: Final = 1 << 22


class RecogniserError(RuntimeError):
    """A recogniser cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class SpeechModel:
    """A model in its folder.

    kind: whisper, sense_voice, paraformer or transducer
    languages: ISO 639-1 codes, or `*`
    version: changes with the files
    files: what is loaded, by the engine's name for it
    """

    name: str
    folder: Path
    kind: str
    languages: tuple[str, ...]
    version: str
    size_bytes: int
    files: dict[str, Path]

    @property
    def package(self) -> str:
        return PACKAGES.get(self.kind, _SHERPA)

    def speaks(self, language: str) -> bool:
        return ANY in self.languages or language in self.languages


@dataclass(frozen=True)
class ModelFault:
    """A folder that looks like a model and cannot be used."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class KnownModel:
    """A published model that fits, by the catalogue."""

    folder: str
    kind: str
    languages: tuple[str, ...]
    files: tuple[str, ...]
    megabytes: int
    licence: str
    source: str
    good_for: str


@cache
def known_models() -> tuple[KnownModel, ...]:
    """The models of catalogue.yaml."""
    listed = yaml.safe_load(CATALOGUE_PATH.read_text(encoding="utf-8"))["models"]
    return tuple(
        KnownModel(
            **{**entry, "languages": tuple(entry["languages"]), "files": tuple(entry["files"])}
        )
        for entry in listed
    )


def missing_package(model: SpeechModel) -> str | None:
    """What to do where the model's engine is not installed; None where it is."""
    if importlib.util.find_spec(model.package) is not None:
        return None
    return f"{model.package.replace('_', '-')} is not installed: make setup-speech"


def find_models(folder: Path) -> tuple[list[SpeechModel], list[ModelFault]]:
    """Models in the folders below `folder`, by name, and folders that cannot be used.

    A folder that holds nothing of a model is passed over. Raises RecogniserError where `folder` is
    none.
    """
    if not folder.is_dir():
        raise RecogniserError(f"{folder} is not a folder")
    models: list[SpeechModel] = []
    faults: list[ModelFault] = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            model = _read_model(place)
        except (RecogniserError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            faults.append(ModelFault(place, reason or type(error).__name__))
            continue
        if model is not None:
            models.append(model)
    return models, faults


def _read_model(folder: Path) -> SpeechModel | None:
    if (folder / "model.bin").exists():
        return _whisper(folder)
    encoder = _onnx(folder, "encoder")
    if encoder is not None:
        return _transducer(folder, encoder)
    model = _onnx(folder, "model")
    return None if model is None else _single(folder, model)


def _whisper(folder: Path) -> SpeechModel:
    files = {"model": folder / "model.bin"}
    for name in ("config.json", "tokenizer.json"):
        files[name.removesuffix(".json")] = _wanted(folder / name)
    vocabulary = [folder / f"vocabulary.{suffix}" for suffix in ("json", "txt")]
    files["vocabulary"] = next((path for path in vocabulary if path.exists()), vocabulary[0])
    _wanted(files["vocabulary"])
    try:
        tokenizer = json.loads(files["tokenizer"].read_text(encoding="utf-8"))
        tokens = {token["content"] for token in tokenizer["added_tokens"]}
    except (ValueError, KeyError, TypeError) as error:
        raise RecogniserError(f"tokenizer.json is not a tokenizer: {error}") from error
    # Models of English alone have no language tokens.
    is_multilingual = "<|zh|>" in tokens and not folder.name.endswith(".en")
    return _finish(folder, "whisper", files, (ANY,) if is_multilingual else ("en",))


def _transducer(folder: Path, encoder: Path) -> SpeechModel:
    files = {"encoder": encoder, "tokens": _wanted(folder / "tokens.txt")}
    for part in ("decoder", "joiner"):
        found = _onnx(folder, part)
        if found is None:
            raise RecogniserError(f"an encoder, but no {part}*.onnx")
        files[part] = found
    metadata = _onnx_metadata(files["decoder"])
    _require(metadata, _DECODER_KEYS, files["decoder"])
    if "streaming" in folder.name:
        raise RecogniserError("a streaming model: one for whole recordings is needed")
    _check_tokens(files["tokens"], metadata)
    return _finish(folder, "transducer", files, _languages_by_name(folder.name))


def _single(folder: Path, path: Path) -> SpeechModel:
    metadata = _onnx_metadata(path)
    if "with_itn" in metadata or metadata.get("model_type") == "sense_voice_ctc":
        kind = "sense_voice"
    elif "lfr_window_size" in metadata or metadata.get("model_type") == "paraformer":
        kind = "paraformer"
    else:
        said = metadata.get("model_type", "nothing")
        raise RecogniserError(
            f"{path.name} is neither SenseVoice nor Paraformer (its model_type says {said})"
        )
    _require(metadata, _KEYS[kind], path)
    files = {"model": path, "tokens": _wanted(folder / "tokens.txt")}
    _check_tokens(files["tokens"], metadata)
    return _finish(folder, kind, files, _LANGUAGES[kind])


def _finish(
    folder: Path, kind: str, files: dict[str, Path], languages: tuple[str, ...]
) -> SpeechModel:
    known = {model.folder: model.languages for model in known_models()}
    languages = _own_languages(folder) or known.get(folder.name) or languages
    if not languages:
        raise RecogniserError(
            f"which languages it understands is not known: write {OWN_WORD} beside it,"
            " with a line like languages: [en]"
        )
    own_word = folder / OWN_WORD
    digested = [*files.values(), *([own_word] if own_word.exists() else [])]
    return SpeechModel(
        name=folder.name,
        folder=folder,
        kind=kind,
        languages=tuple(languages),
        version=_digest(digested),
        size_bytes=sum(path.stat().st_size for path in files.values()),
        files=files,
    )


def _own_languages(folder: Path) -> tuple[str, ...]:
    path = folder / OWN_WORD
    if not path.exists():
        return ()
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecogniserError(f"{OWN_WORD}: {error}") from error
    languages = said.get("languages") if isinstance(said, dict) else None
    if not isinstance(languages, list) or not all(isinstance(item, str) for item in languages):
        raise RecogniserError(f"{OWN_WORD}: languages is not a list like [en, zh]")
    return tuple(languages)


def _languages_by_name(name: str) -> tuple[str, ...]:
    words = re.split(r"[^a-z]+", name.lower())
    found = {_NAME_LANGUAGES[word] for word in words if word in _NAME_LANGUAGES}
    return tuple(sorted(found))


def _onnx(folder: Path, stem: str) -> Path | None:
    """The file of that stem; of several the one of 8-bit integers, which is the fastest."""
    found = sorted(folder.glob(f"{stem}*.onnx"))
    return next((path for path in found if ".int8." in path.name), found[0] if found else None)


def _wanted(path: Path) -> Path:
    if not path.exists():
        raise RecogniserError(f"{path.name} is missing")
    return path


def _require(metadata: dict[str, str], keys: Iterable[str], path: Path) -> None:
    missing = [key for key in keys if not metadata.get(key)]
    if missing:
        raise RecogniserError(f"{path.name} does not say {', '.join(missing)} in its metadata")


def _check_tokens(path: Path, metadata: dict[str, str]) -> None:
    with path.open("rb") as file:
        lines = sum(1 for line in file if line.strip())
    if not metadata["vocab_size"].isdigit() or lines < int(metadata["vocab_size"]):
        raise RecogniserError(
            f"{path.name} has {lines} tokens, the model wants {metadata['vocab_size']}"
        )


def _digest(paths: Iterable[Path]) -> str:
    """Names, sizes and both ends of the files: weights of other training differ there too."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_ENDS_BYTES))
            file.seek(max(size - _ENDS_BYTES, 0))
            digest.update(file.read(_ENDS_BYTES))
    return digest.hexdigest()[:8]


def _onnx_metadata(path: Path) -> dict[str, str]:
    """The properties that an ONNX file carries, without reading its weights.

    An ONNX file is one protocol buffer message, ModelProto; field 7 is the graph, which is passed
    over, field 14 a property with key (1) and value (2).
    """
    found: dict[str, str] = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        while file.tell() < size:
            field, wire = divmod(_varint(file, path), 8)
            if wire == 0:
                _varint(file, path)
                continue
            length = {1: 8, 5: 4}.get(wire)
            if length is None and wire == 2:
                length = _varint(file, path)
            if length is None or field == 0 or file.tell() + length > size:
                raise RecogniserError(f"{path.name} is not a whole ONNX file")
            if field == 14 and length < _LARGEST_WORD:
                key, value = _property(file.read(length))
                found[key] = value
            else:
                file.seek(length, 1)
    return found


def _varint(file: BinaryIO, path: Path) -> int:
    number = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise RecogniserError(f"{path.name} is not a whole ONNX file")
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
        shift += 7


def _property(data: bytes) -> tuple[str, str]:
    parts: dict[int, str] = {}
    place = 0
    while place < len(data):
        field, place = data[place] >> 3, place + 1
        length = shift = 0
        while place < len(data):
            byte, place = data[place], place + 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        parts[field] = data[place : place + length].decode("utf-8", "replace")
        place += length
    return parts.get(1, ""), parts.get(2, "")


def describe(model: SpeechModel) -> dict[str, Any]:
    """What a person or another program may want to know of a model."""
    return {
        "name": model.name,
        "kind": model.kind,
        "languages": list(model.languages),
        "version": model.version,
        "megabytes": round(model.size_bytes / 1e6),
    }
