"""Recordings and transcripts of the warehouse → facts, by the analysers of `ml`."""

from __future__ import annotations

from typing import Any

from callmart.recordings.analysis import AnalysisSummary, analyze_batch
from callmart.recordings.emotion_models import (
    TrainingError,
    TrainingSummary,
    analysis_version,
    corpora,
    models_in_force,
    train_models,
)
from callmart.recordings.planning import link_recordings, unheard_batches
from callmart.recordings.recognition import (
    RecognitionSummary,
    plan_recognition,
    recognise_batch,
)
from callmart.recordings.wording import MatchSummary, match_phrases
from callmart.settings import Settings
from callmart.warehouse import connect


def plan_batches(settings: Settings) -> list[dict[str, Any]]:
    """Link new recordings to their calls; batches (`label`, `content_hashes`) to be heard."""
    version = analysis_version(models_in_force(settings))
    with connect(settings) as connection:
        link_recordings(connection)
        return unheard_batches(connection, version)


__all__ = [
    "AnalysisSummary",
    "MatchSummary",
    "RecognitionSummary",
    "TrainingError",
    "TrainingSummary",
    "analyze_batch",
    "corpora",
    "match_phrases",
    "plan_batches",
    "plan_recognition",
    "recognise_batch",
    "train_models",
]
