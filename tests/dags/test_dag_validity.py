"""Every DAG loads, says what it does, and keeps the rules that operation rests on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.sdk import DAG

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))
EXPECTED = {
    "ingest_landing": {
        "discover_objects",
        "load_objects",
        "announce_rows",
        "announce_recordings",
        "report_failure",
    },
    "analyze_recordings": {
        "plan_batches",
        "analyze_batch",
        "match_phrases",
        "announce_facts",
        "report_failure",
    },
    "transcribe_recordings": {
        "plan_recognition",
        "recognise_batch",
        "match_phrases",
        "announce_facts",
        "report_failure",
    },
    "build_marts": {"validate_raw", "build_models", "validate_marts"},
    "publish_reports": {"plan_reports", "publish_report", "publish_documentation"},
    "write_back_crm": {"write_feeds"},
    "train_emotion_model": {"plan_corpora", "train_corpus"},
    "replay_history": {
        "request_replay",
        "search_transcripts",
        "plan_judging",
        "judge_batch",
        "build_replay",
    },
    "check_health": {"update_alerts", "tell_alerts"},
}


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DAG]:
    """The DAGs by id, loaded as Airflow loads them."""
    os.environ.setdefault("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(DAGS)
    assert not bag.import_errors
    return dict(bag.dags)


def test_the_expected_dags_are_there(dags: dict[str, DAG]) -> None:
    assert {name: set(dag.task_ids) for name, dag in dags.items()} == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_dag_carries_its_run_book(dags: dict[str, DAG], name: str) -> None:
    dag = dags[name]
    assert dag.dag_id == name
    assert dag.doc_md is not None
    for word in (name, "**Runs**", "**When it fails**"):
        assert word in dag.doc_md
    assert "callmart" in dag.tags
    assert dag.max_active_runs == 1
    assert dag.catchup is False


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_task_is_tried_again_and_leaves_a_record(dags: dict[str, DAG], name: str) -> None:
    for task in dags[name].tasks:
        assert task.owner == "callmart"
        if task.task_id != "report_failure":
            assert task.retries >= 1
            assert task.retry_exponential_backoff
        assert task.on_success_callback
        assert task.on_failure_callback


def test_mapped_tasks_have_readable_labels(dags: dict[str, DAG]) -> None:
    mapped = [
        t for dag in dags.values() for t in dag.tasks if type(t).__name__.startswith("Decorated")
    ]
    assert {t.task_id for t in mapped} == {
        "load_objects",
        "analyze_batch",
        "publish_report",
        "train_corpus",
        "recognise_batch",
        "judge_batch",
    }
    assert all(t.partial_kwargs["map_index_template"] == "{{ label }}" for t in mapped)


def test_recognition_has_a_pool_of_its_own(dags: dict[str, DAG]) -> None:
    pools = {t.task_id: t.pool for t in dags["transcribe_recordings"].tasks}
    assert pools.pop("recognise_batch") == "speech"
    assert set(pools.values()) == {"default_pool"}
    others = {
        t.pool for name, dag in dags.items() if name != "transcribe_recordings" for t in dag.tasks
    }
    assert others == {"default_pool"}


def test_the_assets_chain_the_dags(dags: dict[str, DAG]) -> None:
    def emitted(name: str) -> set[str]:
        return {
            asset.name
            for task in dags[name].tasks
            for asset in getattr(task, "outlets", None) or []
        }

    def awaited(name: str) -> set[str]:
        condition = dags[name].timetable.asset_condition
        return {asset.name for asset in condition.objects}

    assert emitted("ingest_landing") == {"raw_rows", "recordings"}
    assert awaited("analyze_recordings") == {"recordings"}
    assert emitted("analyze_recordings") == {"facts", "heard"}
    assert awaited("transcribe_recordings") == {"heard"}
    assert emitted("transcribe_recordings") == {"facts"}
    assert awaited("build_marts") == {"raw_rows", "facts"}
    assert emitted("build_marts") == {"marts"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_parsing_imports_nothing_heavy(path: Path, tmp_path: Path) -> None:
    """What is slow to import stays inside the tasks: a DAG file is parsed all day long."""
    program = (
        f"import runpy, sys; runpy.run_path({str(path)!r});"
        "print([m for m in ('pandas', 'librosa', 'sklearn', 'great_expectations', 'dbt.cli', 'boto3',"
        " 'pyarrow', 'numba') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
    )
    assert done.stdout.splitlines()[-1] == "[]"
