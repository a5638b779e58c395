"""A voice → parameters → emotion, by principal components, a neural network or a mixture.

`describe_sides` judges a recording; `training` evaluates by speaker and trains.
"""

from __future__ import annotations

from ml.emotion.describe import EmotionSegment, SideEmotion, describe_families, describe_sides
from ml.emotion.families import FAMILIES
from ml.emotion.model import EmotionModel, ModelError, load_model, load_models
from ml.emotion.settings import default_family, labels

DEFAULT = default_family()
"""The family that judges where none is named."""

__all__ = [
    "DEFAULT",
    "FAMILIES",
    "EmotionModel",
    "EmotionSegment",
    "ModelError",
    "SideEmotion",
    "describe_families",
    "describe_sides",
    "labels",
    "load_model",
    "load_models",
]
