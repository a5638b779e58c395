"""Recordings and transcripts of the warehouse → facts, by the analysers of `ml`."""

from __future__ import annotations

from datetime import date
from typing import Any

from callmart.recordings.analysis import AnalysisSummary, analyze_batch, judge_batch
from callmart.recordings.emotion_models import (
    TrainingError,
    TrainingSummary,
    analysis_version,
    corpora,
    models_in_force,
    train_models,
)
from callmart.recordings.planning import link_recordings, unheard_batches, unjudged_batches
from callmart.recordings.recognition import (
    RecognitionSummary,
    plan_recognition,
    recognise_batch,
)
from callmart.recordings.wording import MatchSummary, match_phrases
from callmart.settings import Settings
from callmart.warehouse import connect


def plan_batches(settings: Settings) -> list[dict[str, Any]]:
    """Link new recordings to their calls; batches (`label`, `content_hashes`) to be heard.

    Behind them those that an emotion model has to judge because somebody pinned it to their days
    (`model`): what comes late belongs to its days too.
    """
    version = analysis_version(models_in_force(settings))
    with connect(settings) as connection:
        link_recordings(connection)
        batches = unheard_batches(connection, version)
        pins = connection.execute(
            "select version, from_date, to_date from ops.version_pins"
            " where kind = 'model' order by pin_id"
        ).fetchall()
    for model_version, first_day, last_day in pins:
        batches += plan_judging(settings, model_version, first_day, last_day)
    return batches


def plan_judging(
    settings: Settings, model_version: str, first_day: date, last_day: date
) -> list[dict[str, Any]]:
    """Batches (`label`, `content_hashes`, `model`) of recordings of these business days in which an
    emotion model has not judged the voices yet."""
    with connect(settings) as connection:
        batches = unjudged_batches(
            connection, model_version, first_day, last_day, settings.business_time_zone
        )
    return [
        {**batch, "label": f"{batch['label']}, {model_version}", "model": model_version}
        for batch in batches
    ]


__all__ = [
    "AnalysisSummary",
    "MatchSummary",
    "RecognitionSummary",
    "TrainingError",
    "TrainingSummary",
    "analyze_batch",
    "corpora",
    "judge_batch",
    "match_phrases",
    "plan_batches",
    "plan_judging",
    "plan_recognition",
    "recognise_batch",
    "train_models",
]
