"""The steps of the DAGs: what they announce, and what stops publication."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from callmart.airflow import steps

if TYPE_CHECKING:
    from conftest import Bucket


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


def test_recognition_without_a_model_is_skipped_and_a_wrong_folder_fails_for_good(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CALLMART_SPEECH_MODELS", raising=False)
    with pytest.raises(AirflowSkipException):
        steps.plan_recognition()
    monkeypatch.setenv("CALLMART_SPEECH_MODELS", str(tmp_path))
    with pytest.raises(AirflowSkipException):
        steps.plan_recognition()
    monkeypatch.setenv("CALLMART_SPEECH_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(AirflowFailException, match=r"CALLMART_SPEECH_MODELS: .*is not a folder"):
        steps.plan_recognition()


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


def announced(dsn: str, minutes_ago: int) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "insert into ops.step_runs (dag_id, run_id, task_id, outcome, started_at, finished_at)"
            " values ('ingest_landing', 'r', 'announce_rows', 'succeeded',"
            " now() - make_interval(mins => %s), now())",
            (minutes_ago,),
        )


def test_what_a_requeue_loaded_is_announced_once(postgres: str, s3: Bucket) -> None:
    announced(postgres, minutes_ago=5)
    with pytest.raises(AirflowSkipException, match="nothing new"):
        steps.discover_objects()
    object_id = enter(postgres, "crm", "loaded")
    with psycopg.connect(postgres) as connection:
        connection.execute("update ops.objects set finished_at = now() - interval '1 minute'")
    (batch,) = steps.discover_objects()
    assert batch["object_ids"] == [object_id]
    steps.load_objects(batch["object_ids"])
    steps.announce_rows([batch])
    announced(postgres, minutes_ago=0)
    with pytest.raises(AirflowSkipException, match="nothing new"):
        steps.discover_objects()


def test_a_faulty_mapping_fails_without_retries(
    postgres: str, s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.yaml").write_text("source: own\nfiles: 7\n", encoding="utf-8")
    monkeypatch.setenv("CALLMART_SOURCES_DIR", str(tmp_path))
    with pytest.raises(AirflowFailException, match=r"own\.yaml"):
        steps.discover_objects()


def test_a_number_that_cannot_be_read_stops_nothing(
    postgres: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept as delivered and flagged, by contract; the suites may warn of it and no more."""
    monkeypatch.setenv("CALLMART_HOME", str(tmp_path_factory.mktemp("home")))
    object_id = enter(postgres, "crm", "loaded")
    with psycopg.connect(postgres) as connection:
        connection.execute(
            "insert into raw.customers (_object_id, _row_number, _delivered_on, _object_key,"
            " _object_modified_at, _source, customer_id, phone, phone_delivered)"
            " values (%s, 1, '2026-11-18', 'k', now(), 'contract', 'c-1', null, 'notaphone')",
            (object_id,),
        )
    steps.validate("raw")


def test_training_takes_the_corpora_that_have_a_manifest(postgres: str, s3: Bucket) -> None:
    with pytest.raises(AirflowSkipException):
        steps.plan_corpora(None)
    for key in ("one/manifest.csv", "two/manifest.csv", "two/a.wav", "no_manifest/a.wav"):
        s3.client.put_object(Bucket=s3.name, Key=f"training/emotion/{key}", Body=b"path\n")
    assert [each["corpus"] for each in steps.plan_corpora(None)] == ["one", "two"]
    assert steps.plan_corpora("two") == [{"corpus": "two", "label": "two"}]
    with pytest.raises(AirflowFailException, match=r"no_manifest/manifest\.csv is not"):
        steps.plan_corpora("no_manifest")
    with pytest.raises(AirflowFailException, match="lacks"):
        steps.train_corpus("one")
