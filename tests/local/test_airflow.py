"""The whole stack by the command line, Airflow and its page included."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from callmart.local.airflow_client import AirflowClient, AirflowError
from callmart.local.stack import AIRFLOW_COMPONENTS, Stack

pytestmark = pytest.mark.integration

CALLMART = str(Path(sys.executable).with_name("callmart"))


def callmart(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CALLMART_", "AWS_"))}
    # Settings of another Airflow in the person's shell must not reach ours.
    environment |= {"CALLMART_HOME": str(home), "AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"}
    return subprocess.run(
        [CALLMART, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("airflow") / "home"
    yield home
    Stack(home).remove()


@pytest.fixture(scope="module")
def status(home: Path) -> dict[str, Any]:
    finished = callmart(home, "up", "--json")
    assert finished.returncode == 0, finished.stderr
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


@pytest.fixture(scope="module")
def client(status: dict[str, Any]) -> Iterator[AirflowClient]:
    page = status["airflow"]
    client = AirflowClient(page["address"], page["user"], page["password"])
    yield client
    client.close()


def test_the_page_is_reachable_and_asks_for_the_login(status: dict[str, Any]) -> None:
    page = status["airflow"]

    assert httpx.get(page["address"], trust_env=False).status_code == 200
    assert httpx.get(f"{page['address']}/api/v2/dags", trust_env=False).status_code == 401
    with pytest.raises(AirflowError, match="login as admin failed: 401"):
        AirflowClient(page["address"], page["user"], "a guess").dag_ids()


def test_every_dag_file_is_loaded_and_waits_to_be_switched_on(client: AirflowClient) -> None:
    files = {path.stem for path in (Path(__file__).parents[2] / "dags").glob("[a-z]*.py")}

    assert client.import_errors() == []
    assert set(client.dag_ids()) == files
    assert files, "a stack without DAGs proves nothing"
    for dag_id in files:
        assert client.request("GET", f"/dags/{dag_id}")["is_paused"] is True


def test_callmarts_pages_are_behind_airflows_login(
    client: AirflowClient, status: dict[str, Any]
) -> None:
    address = f"{status['airflow']['address']}/callmart"
    for path in ("/", "/quarantine", "/calls/x/sound", "/openapi.json"):
        assert httpx.get(address + path, trust_env=False).status_code in (401, 404)
    forged = {"_token": "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhZG1pbiJ9.AAAA"}
    assert httpx.get(address + "/", cookies=forged, trust_env=False).status_code in (401, 403)

    plugins = {plugin["name"]: plugin for plugin in client.request("GET", "/plugins")["plugins"]}
    assert [view["href"] for view in plugins["callmart"]["external_views"]] == ["/callmart/"]
    login = {name: status["airflow"][name] for name in ("user", "password")}
    answer = httpx.post(
        f"{status['airflow']['address']}/auth/token",
        json={"username": login["user"], "password": login["password"]},
        trust_env=False,
    )
    shown = httpx.get(
        address + "/", cookies={"_token": answer.json()["access_token"]}, trust_env=False
    )
    assert shown.status_code == 200
    assert "Today's flow" in html.unescape(shown.text)


def test_everything_listens_on_loopback_alone(home: Path, status: dict[str, Any]) -> None:
    members = [p for service in Stack(home).services().values() for p in service.members()]

    listening = {
        connection.laddr.ip
        for process in members
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening == {"127.0.0.1"}


def test_a_run_is_triggered_and_watched_to_its_end(client: AirflowClient) -> None:
    """The bucket is empty: the run finds nothing new and is a success."""
    client.set_paused("ingest_landing", is_paused=False)
    run_id = client.trigger("ingest_landing")

    events = list(client.watch("ingest_landing", run_id, timeout_seconds=180))

    client.set_paused("ingest_landing", is_paused=True)
    assert (events[-1].task_id, events[-1].state) == (None, "success")
    states = {task["task_id"]: task["state"] for task in client.tasks("ingest_landing", run_id)}
    assert {event.task_id: event.state for event in events if event.task_id} == states
    assert states["discover_objects"] == "skipped"
    log = client.log("ingest_landing", run_id, "discover_objects", 1, -1)
    assert "Skipping task" in log
    assert run_id in {run["dag_run_id"] for run in client.runs("ingest_landing")}


def test_the_pool_of_recognition_is_there_and_keeps_its_slots(client: AirflowClient) -> None:
    changed = {"pool": "speech", "slots": 3, "include_deferred": False}
    client.request("PATCH", "/pools/speech", json=changed, params={"update_mask": "slots"})
    client.ensure_pool("speech", 1, "Recognising speech")
    client.ensure_pool("another", 2, "Of a test")
    pools = {pool["name"]: pool for pool in client.request("GET", "/pools")["pools"]}
    assert (pools["speech"]["slots"], pools["speech"]["description"]) == (3, "Recognising speech")
    assert pools["another"]["slots"] == 2


def test_an_unknown_dag_is_an_error_with_airflows_words(client: AirflowClient) -> None:
    with pytest.raises(AirflowError, match=r"POST /dags/no_such_dag/dagRuns: 404"):
        client.trigger("no_such_dag")


def test_a_dead_component_is_started_again_by_up(home: Path, status: dict[str, Any]) -> None:
    scheduler = Stack(home).services()["airflow-scheduler"]
    assert scheduler.pid is not None
    victim = psutil.Process(scheduler.pid)
    victim.kill()
    psutil.wait_procs([victim], timeout=10)
    assert json.loads(callmart(home, "status", "--json").stdout)["is_running"] is False

    finished = callmart(home, "up", "--json")

    now = {s["name"]: s["pid"] for s in json.loads(finished.stdout)["services"]}
    before = {s["name"]: s["pid"] for s in status["services"]}
    assert finished.returncode == 0, finished.stderr
    assert now["airflow-scheduler"] not in (None, before["airflow-scheduler"])
    assert {k: v for k, v in now.items() if k != "airflow-scheduler"} == {
        k: v for k, v in before.items() if k != "airflow-scheduler"
    }


def test_down_leaves_no_process_and_status_says_so(home: Path, status: dict[str, Any]) -> None:
    members = [p for service in Stack(home).services().values() for p in service.members()]
    assert len(members) > len(AIRFLOW_COMPONENTS)

    finished = callmart(home, "down")

    assert (finished.returncode, finished.stdout) == (0, "The stack is down; its data stay.\n")
    assert [p for p in members if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    answer = json.loads(callmart(home, "status", "--json").stdout)
    assert answer["is_running"] is False
    assert not any(service["is_running"] for service in answer["services"])
