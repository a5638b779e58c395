"""Writes the outcome of every task into `ops.step_runs`, where it can be queried."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from callmart.settings import Settings

log = logging.getLogger(__name__)

INSERT_STEP = """
    insert into ops.step_runs
        (dag_id, run_id, task_id, map_index, try_number, outcome, started_at, finished_at, detail)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def _error_text(exception: object) -> str | None:
    """What failed, as JSON in PostgreSQL can hold it (no NUL)."""
    if not exception:
        return None
    text = str(exception)
    if isinstance(exception, BaseException):
        text = f"{type(exception).__name__}: {text}"
    return text.replace("\x00", "")[:2000]


def _record(context: Mapping[str, Any], outcome: str) -> None:
    import psycopg
    from psycopg.types.json import Jsonb

    from callmart.warehouse import connect

    task_instance = context["task_instance"]
    finished_at = datetime.now(UTC)
    exception = context.get("exception")
    detail = {
        "label": getattr(task_instance, "rendered_map_index", None),
        "error": _error_text(exception),
    }
    row = (
        task_instance.dag_id,
        task_instance.run_id,
        task_instance.task_id,
        -1 if task_instance.map_index is None else task_instance.map_index,
        task_instance.try_number,
        outcome,
        getattr(task_instance, "start_date", None) or finished_at,
        finished_at,
        Jsonb({name: value for name, value in detail.items() if value is not None}),
    )
    try:
        with connect(Settings.from_environment().as_loader()) as connection:
            connection.execute(INSERT_STEP, row)
    except (psycopg.Error, ValueError) as error:
        # The step itself is done or failed by now; a warehouse that is away, or not configured,
        # must not change that.
        log.warning("could not record the outcome of %s: %s", task_instance.task_id, error)


def record_success(context: Mapping[str, Any]) -> None:
    """Airflow callback: the task succeeded."""
    _record(context, "succeeded")


def record_failure(context: Mapping[str, Any]) -> None:
    """Airflow callback: the task failed and will not be tried again."""
    _record(context, "failed")


def record_skip(context: Mapping[str, Any]) -> None:
    """Airflow callback: the task had nothing to do."""
    _record(context, "skipped")
