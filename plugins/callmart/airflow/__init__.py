"""What the DAGs share: assets, defaults, and the steps they wire.

This is the only part of callmart that imports Airflow. Importing it stays light, since every DAG file
is parsed again and again: the work behind a step is imported when the step runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable

from callmart.airflow.callbacks import record_failure, record_skip, record_success
from callmart.settings import Settings

RAW_ROWS = Asset(name="raw_rows", uri="callmart://warehouse/raw")
"""CRM rows came into the raw schema."""
RECORDINGS = Asset(name="recordings", uri="callmart://landing/recordings")
"""Recordings or transcripts were entered in the ledger."""
FACTS = Asset(name="facts", uri="callmart://warehouse/facts")
"""Recordings were heard or transcripts searched."""
HEARD = Asset(name="heard", uri="callmart://warehouse/facts/recordings")
"""Recordings were heard: those without a transcript may be recognised."""
MARTS = Asset(name="marts", uri="callmart://warehouse/marts")
"""The marts were built and passed their suites: they may be published."""

SPEECH_POOL = "speech"
"""Airflow's pool of recognising tasks; as many run at once as it has slots."""
SPEECH_TIMEOUT = timedelta(hours=6)
"""Of one of them; the others' would cut off a large model on a slow machine."""

START = datetime(2026, 1, 1, tzinfo=UTC)

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "callmart",
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
    "on_success_callback": record_success,
    "on_failure_callback": record_failure,
    "on_skipped_callback": record_skip,
}


def business_time(cron: str) -> CronTriggerTimetable:
    """A timetable that reads `cron` in the business time zone (a setting)."""
    return CronTriggerTimetable(cron, timezone=Settings.from_environment().business_time_zone)


__all__ = [
    "DEFAULT_ARGS",
    "FACTS",
    "HEARD",
    "MARTS",
    "RAW_ROWS",
    "RECORDINGS",
    "SPEECH_POOL",
    "SPEECH_TIMEOUT",
    "START",
    "business_time",
]
