"""A fitted family with its calibration and card, and its two files: arrays (npz) and card (JSON).

Neither file can carry code: arrays are read with `allow_pickle=False`, the card is JSON.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ml.emotion import features
from ml.emotion.families import FAMILIES, Array, Family, Reading, Stretch, make_family

SHIPPED = Path(__file__).with_name("models")
"""The folder of the models that come with the project."""


class ModelError(ValueError):
    """A model's files are missing, damaged or made for other features; the message says which."""


@dataclass(frozen=True)
class EmotionModel:
    """A family that has learnt, ready to judge.

    Attributes:
        family: fitted.
        labels: what each column of the probabilities means.
        temperature: the logits are divided by it; above 1 tempers overconfidence.
        card: what it was made of and how good it is; see MODELS.md.
    """

    family: Family
    labels: tuple[str, ...]
    temperature: float
    card: dict[str, Any]

    @cached_property
    def version(self) -> str:
        """Family and the first 12 hexadecimal digits of the content's SHA-256."""
        return f"{self.family.name}-{_digest(self)[:12]}"

    def probabilities(self, stretches: Sequence[Stretch]) -> Array:
        """Calibrated, float32 (stretches, labels); each row adds up to 1."""
        return self.calibrated(self.family.logits(stretches))

    def calibrated(self, logits: Array) -> Array:
        """Logits of this model as probabilities, float32 (rows, labels)."""
        return softmax(logits / np.float32(self.temperature))

    def read(self, stretches: Sequence[Stretch]) -> Reading:
        """Parameters, logits and relative scores in one pass; see `Reading`."""
        return self.family.read(stretches)

    def save(self, folder: Path) -> None:
        """Write `<family>.npz` and `<family>.json`; the same model gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, array in sorted(self.family.arrays_.items()):
                # A ZipInfo of one's own bears the format's first day, not today's.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        card = {
            "model_version": self.version,
            "family": self.family.name,
            "labels": list(self.labels),
            "temperature": self.temperature,
            "hyperparameters": self.family.hyperparameters(),
            "features": _features_digest(),
            **self.card,
        }
        (folder / f"{self.family.name}.npz").write_bytes(buffer.getvalue())
        text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{self.family.name}.json").write_text(text, encoding="utf-8")


def load_model(family: str, folder: Path = SHIPPED) -> EmotionModel:
    """Read a saved model.

    Raises:
        ModelError: a file is missing or damaged, its content is not what the card was written
            for, or it was trained on other features than this program computes.
    """
    if family not in FAMILIES:
        raise ModelError(f"no family {family!r}; there are {', '.join(FAMILIES)}")
    arrays_path, card_path = folder / f"{family}.npz", folder / f"{family}.json"
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        with np.load(arrays_path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        fitted = make_family(family, **card.pop("hyperparameters"))
        fitted.arrays_ = arrays
        version, trained_on = card.pop("model_version"), card.pop("features")
        card.pop("family")
        model = EmotionModel(
            fitted, tuple(card.pop("labels")), float(card.pop("temperature")), card
        )
    except OSError as error:
        raise ModelError(f"{error.filename}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise ModelError(f"{folder}/{family}: not a saved model: {error}") from error
    if trained_on != _features_digest():
        raise ModelError(f"{arrays_path}: trained on other features; train it again")
    if version != model.version:
        raise ModelError(f"{arrays_path}: its content is not that of {version} in {card_path.name}")
    return model


def load_models(folder: Path = SHIPPED) -> dict[str, EmotionModel]:
    """The models that lie in a folder, by family in the order of `FAMILIES`.

    Raises:
        ModelError: none is there, or one that is there cannot be used.
    """
    found = {
        name: load_model(name, folder) for name in FAMILIES if (folder / f"{name}.json").exists()
    }
    if not found:
        raise ModelError(f"{folder}: no model in it")
    return found


@cache
def shipped_model(family: str) -> EmotionModel:
    """The model of a family that comes with the project, read once."""
    return load_model(family)


def softmax(logits: Array) -> Array:
    """Rows of probabilities from rows of logits."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Array = raised / raised.sum(axis=1, keepdims=True)
    return result


def _digest(model: EmotionModel) -> str:
    digest = hashlib.sha256()
    digest.update(
        json.dumps(
            [model.labels, model.temperature, model.family.hyperparameters(), _features_digest()],
            sort_keys=True,
        ).encode()
    )
    for name, array in sorted(model.family.arrays_.items()):
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _features_digest() -> str:
    """Changes when the descriptors, their order or the framing do."""
    names = "\n".join((*features.FRAME_NAMES, *features.FUNCTIONAL_NAMES))
    framing = f"{features.VERSION} {features.HOP} {features.FRAME} {features.FFT}"
    return hashlib.sha256(f"{names}\n{framing}".encode()).hexdigest()[:12]
