"""The demo's own steps: the folder, the upload, the truth, an emptied stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from callmart.local import demo
from callmart.local.airflow_client import AirflowClient
from callmart.settings import Settings
from callmart.warehouse import connect

HEADER = "call_id,outcome,also_acceptable,is_connected\n"


def test_a_folder_that_is_no_landing_zone_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(demo.DemoError, match="absent is not a folder"):
        demo.check_landing(tmp_path / "absent")
    with pytest.raises(demo.DemoError, match="recordings/, transcripts/, crm/"):
        demo.check_landing(tmp_path)
    (tmp_path / "crm").mkdir()
    demo.check_landing(tmp_path)


def test_files_beside_the_three_folders_are_not_for_the_bucket(tmp_path: Path) -> None:
    for name in ("crm/calls/dt=2026-11-18/a.csv", "recordings/.DS_Store", "truth.csv", "other/x"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert demo.landing_files(tmp_path) == [tmp_path / "crm/calls/dt=2026-11-18/a.csv"]


def test_an_upload_puts_only_what_is_new(s3: Any, tmp_path: Path) -> None:
    settings = Settings.from_environment()
    folder = tmp_path / "crm" / "calls"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("a")
    (folder / "b.csv").write_text("b")
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    assert demo.upload(settings, tmp_path, tell) == demo.Uploaded(2, 0)
    assert told == [(1, 2), (2, 2)]
    assert demo.upload(settings, tmp_path, tell) == demo.Uploaded(0, 2)
    (folder / "b.csv").write_text("changed")
    assert demo.upload(settings, tmp_path, tell) == demo.Uploaded(1, 1)
    body = s3.client.get_object(Bucket=s3.name, Key="crm/calls/b.csv")["Body"].read()
    assert body == b"changed"


def test_mappings_of_a_persons_own_folder_are_left_alone(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, home, landing = tmp_path / "own", tmp_path / "home", tmp_path / "landing"
    (landing / "sources").mkdir(parents=True)
    (landing / "sources" / "dialler.yaml").write_text("source: dialler\n")
    own.mkdir()
    (own / "mine.yaml").write_text("source: mine\n")
    monkeypatch.setenv("CALLMART_HOME", str(home))
    monkeypatch.setenv("CALLMART_SOURCES_DIR", str(own))
    with pytest.raises(demo.DemoError, match="CALLMART_SOURCES_DIR"):
        demo.set_up_sources(Settings.from_environment(), landing)
    assert (own / "mine.yaml").exists()
    monkeypatch.setenv("CALLMART_SOURCES_DIR", str(home / "sources"))
    demo.set_up_sources(Settings.from_environment(), landing)
    demo.set_up_sources(Settings.from_environment(), landing)
    assert [path.name for path in (home / "sources").iterdir()] == ["dialler.yaml"]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("truth", "heard", "reconciled", "right", "connected_right"),
    [
        ("human,,true", ("human", True), ("human", True), 1, 1),
        ("human,,TRUE", ("voicemail", False), ("human", True), 1, 1),
        ("human,voicemail ivr,true", ("ivr", True), None, 1, 1),
        ("human,,true", ("voicemail", False), None, 0, 0),
        ("human,,true", ("human", None), ("human", None), 1, 0),
        ("human,,true", ("human", True), ("human", None), 1, 1),
        ("busy,,false", ("busy", True), ("busy", False), 1, 1),
        ("busy,,", ("busy", False), None, 1, None),
        ("busy,,false", None, None, None, None),
    ],
)
def test_decisions_are_held_against_the_truth(
    postgres: str,
    tmp_path: Path,
    truth: str,
    heard: tuple[str, bool | None] | None,
    reconciled: tuple[str, bool | None] | None,
    right: int | None,
    connected_right: int | None,
) -> None:
    settings = Settings.from_environment()
    with connect(settings) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute(
            "create table marts.calls (call_id text, outcome text, is_connected boolean)"
        )
        if heard:
            connection.execute(
                "insert into facts.call_recordings (call_id, content_hash, object_key, delivered_on)"
                " values ('c', 'h', 'k', '2026-11-18')"
            )
            connection.execute(
                "insert into facts.recordings (content_hash, analyser_version, outcome, is_connected)"
                " values ('h', 'v', %s, %s)",
                heard,
            )
        if reconciled:
            connection.execute("insert into marts.calls values ('c', %s, %s)", reconciled)
    file = tmp_path / "truth.csv"
    file.write_text(f"\ufeff{HEADER}c,{truth}\n", encoding="utf-8")
    found = demo.compare_with_truth(settings, file)
    assert found.recordings == 1
    assert found.decided == (heard is not None)
    assert found.outcome_right == (right or 0)
    assert found.connected_known == (connected_right is not None)
    assert found.connected_right == (connected_right or 0)
    assert bool(found.differing) == (right != 1 or connected_right == 0)


class FakeAirflow:
    """Airflow with runs of an earlier demo; a run that is ended lets its task go a round later."""

    def __init__(self, runs: list[tuple[str, str]], is_stubborn: bool = False) -> None:
        self.runs, self.is_stubborn = runs, is_stubborn
        self.paused: set[str] = set()
        self.tasks = ["build_marts.build"] if runs else []

    def dag_ids(self) -> list[str]:
        return ["build_marts", "ingest_landing"]

    def set_paused(self, dag_id: str, is_paused: bool) -> None:
        assert is_paused
        self.paused.add(dag_id)

    def unfinished_runs(self) -> list[tuple[str, str]]:
        return list(self.runs)

    def fail_run(self, dag_id: str, run_id: str) -> None:
        assert self.paused == set(self.dag_ids()), "ended before all DAGs stood still"
        self.runs.remove((dag_id, run_id))

    def running_tasks(self) -> list[str]:
        tasks = list(self.tasks)
        if not self.is_stubborn:
            self.tasks.clear()
        return tasks


@pytest.mark.postgres
def test_an_emptied_stack_is_as_at_first(
    postgres: str, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_environment()
    before = demo.fingerprint(settings)
    with connect(settings) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute("create table marts.calls as select 1 as x")
        connection.execute(
            "insert into facts.call_recordings (call_id, content_hash, object_key, delivered_on)"
            " values ('c', 'h', 'k', '2026-11-18')"
        )
    for number in range(3):
        s3.client.put_object(Bucket=s3.name, Key=f"crm/x{number}", Body=b"x")
    monkeypatch.setattr("time.sleep", lambda _: None)
    airflow = FakeAirflow([("build_marts", "r1"), ("ingest_landing", "r2")])
    demo.empty_stack(cast(AirflowClient, airflow), settings)
    assert airflow.runs == []
    assert demo.fingerprint(settings) == before
    assert s3.client.list_objects_v2(Bucket=s3.name)["KeyCount"] == 0


def test_a_task_that_does_not_stop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "END_TIMEOUT_SECONDS", 0.0)
    airflow = FakeAirflow([], is_stubborn=True)
    airflow.tasks = ["build_marts.build"]
    settings = Settings.from_environment({})
    with pytest.raises(demo.DemoError, match=r"build_marts\.build of the earlier demo"):
        demo.empty_stack(cast(AirflowClient, airflow), settings)
