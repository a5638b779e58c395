"""The steps of the DAGs: what they announce, and what stops publication."""

from __future__ import annotations

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from callmart.airflow import steps


def enter(dsn: str, kind: str, status: str) -> int:
    """An object of the ledger; its id."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "insert into ops.objects (bucket, object_key, etag, size_bytes, modified_at, kind, status)"
            " values ('b', gen_random_uuid()::text, 'e', 1, now(), %s, %s) returning object_id",
            (kind, status),
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("loaded", "rows_announced", "recordings_announced"),
    [
        ([], False, False),
        ([("crm", "loaded")], True, False),
        ([("crm", "quarantined")], False, False),
        ([("crm", "duplicate")], False, False),
        ([("recording", "loaded")], False, True),
        ([("transcript", "loaded")], False, True),
        # The analysis announces the rows that came with its recordings.
        ([("crm", "loaded"), ("recording", "loaded")], False, True),
        ([("crm", "loaded"), ("recording", "duplicate")], True, False),
    ],
)
def test_only_what_was_loaded_is_announced(
    postgres: str,
    loaded: list[tuple[str, str]],
    rows_announced: bool,
    recordings_announced: bool,
) -> None:
    batches = [{"object_ids": [enter(postgres, kind, status)]} for kind, status in loaded]
    for announce, is_announced in (
        (steps.announce_rows, rows_announced),
        (steps.announce_recordings, recordings_announced),
    ):
        if is_announced:
            announce(batches)
        else:
            with pytest.raises(AirflowSkipException):
                announce(batches)


def test_a_failing_suite_stops_publication_and_says_why(
    postgres: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMART_HOME", str(tmp_path_factory.mktemp("home")))
    steps.validate("raw")
    object_id = enter(postgres, "crm", "loaded")
    with psycopg.connect(postgres) as connection:
        connection.execute(
            "insert into raw.calls (_object_id, _row_number, _delivered_on, _object_key,"
            " _object_modified_at, _source, call_id, direction, started_at)"
            " values (%s, 1, '2026-11-18', 'k', now(), 'contract', 'c-1', 'sideways', now())",
            (object_id,),
        )
    with pytest.raises(AirflowFailException, match=r"raw\.calls.*direction.*sideways"):
        steps.validate("raw")
