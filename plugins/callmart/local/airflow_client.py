"""A small client of Airflow's REST API: what the demo needs to run DAGs and show how they go."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

_FINISHED = frozenset({"success", "failed"})
_TASK_FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowError(Exception):
    """Airflow refused a request; the message says which and why."""


@dataclass(frozen=True)
class TaskEvent:
    """A task instance, or the run itself (`task_id` None), has come into a new state."""

    dag_id: str
    run_id: str
    task_id: str | None
    label: str
    """What a mapped task shows as its map index (its place, where the DAG names none)."""
    state: str
    try_number: int
    seconds: float | None
    """How long it took, once it is finished."""


class AirflowClient:
    """Talks to one Airflow; logs in by itself and again when the token has run out.

    Args:
        address: e.g. `http://127.0.0.1:20345`.
    """

    def __init__(self, address: str, user: str, password: str) -> None:
        self._user, self._password = user, password
        # trust_env: a proxy of the person's shell has no business with a loopback address.
        self._http = httpx.Client(base_url=address, timeout=60, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def _log_in(self) -> None:
        answer = self._http.post(
            "/auth/token", json={"username": self._user, "password": self._password}
        )
        if answer.status_code != 201:
            raise AirflowError(f"login as {self._user} failed: {answer.status_code} {answer.text}")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """One call of `/api/v2{path}`; returns the JSON document.

        Raises:
            AirflowError: any answer but 2xx.
        """
        if "Authorization" not in self._http.headers:
            self._log_in()
        answer = self._http.request(method, f"/api/v2{path}", **arguments)
        if answer.status_code == 401:
            self._log_in()
            answer = self._http.request(method, f"/api/v2{path}", **arguments)
        if not answer.is_success:
            raise AirflowError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def is_healthy(self, since: datetime | None = None) -> bool:
        """Database, scheduler, triggerer and DAG processor report health (after `since`)."""
        try:
            answer = self._http.get("/api/v2/monitor/health", timeout=5)
        except httpx.HTTPError:
            return False
        if not answer.is_success:
            return False
        for component, report in answer.json().items():
            if report is None or report.get("status") != "healthy":
                return False
            beat = report.get(f"latest_{component}_heartbeat")
            if since is None or component == "metadatabase":
                continue
            if beat is None or datetime.fromisoformat(beat) < since:
                return False
        return True

    def dag_ids(self) -> list[str]:
        """Every DAG that Airflow has parsed, paused or not."""
        found = self.request("GET", "/dags", params={"limit": 1000, "exclude_stale": True})
        return sorted(dag["dag_id"] for dag in found["dags"])

    def import_errors(self) -> list[str]:
        """DAG files that do not load: `file: last line of the error`."""
        found = self.request("GET", "/importErrors", params={"limit": 1000})
        return [
            f"{item['filename']}: {item['stack_trace'].strip().splitlines()[-1]}"
            for item in found["import_errors"]
        ]

    def set_paused(self, dag_id: str, is_paused: bool) -> None:
        """Let the DAG run on its own (False) or not (True)."""
        self.request("PATCH", f"/dags/{dag_id}", json={"is_paused": is_paused})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run by hand; returns its run id."""
        moment = datetime.now(UTC)
        run = self.request(
            "POST",
            f"/dags/{dag_id}/dagRuns",
            json={"logical_date": moment.isoformat(), "conf": dict(conf or {})},
        )
        return str(run["dag_run_id"])

    def runs(self, dag_id: str, since: datetime | None = None) -> list[dict[str, Any]]:
        """The DAG's runs queued since a moment (with offset), oldest first, however they began."""
        parameters: dict[str, Any] = {"order_by": "run_after", "limit": 100}
        if since is not None:
            parameters["run_after_gte"] = since.isoformat()
        found: list[dict[str, Any]] = self.request(
            "GET", f"/dags/{dag_id}/dagRuns", params=parameters
        )["dag_runs"]
        return found

    def unfinished_runs(self) -> list[tuple[str, str]]:
        """(DAG, run id) of up to 100 runs, of whatever DAG, that are queued or running."""
        found = self.request(
            "GET", "/dags/~/dagRuns", params={"state": ["queued", "running"], "limit": 100}
        )
        return [(run["dag_id"], run["dag_run_id"]) for run in found["dag_runs"]]

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """End a run as failed; Airflow stops what runs of it."""
        self.request("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}", json={"state": "failed"})

    def running_tasks(self) -> list[str]:
        """`dag.task` of task instances that a worker holds."""
        found = self.request(
            "GET",
            "/dags/~/dagRuns/~/taskInstances",
            params={"state": ["running"], "limit": 100},
        )
        return [f"{task['dag_id']}.{task['task_id']}" for task in found["task_instances"]]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return str(self.request("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All task instances of a run, as the API gives them."""
        instances: list[dict[str, Any]] = []
        while True:
            page = self.request(
                "GET",
                f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances",
                params={"limit": 100, "offset": len(instances)},
            )
            instances += page["task_instances"]
            if len(instances) >= page["total_entries"] or not page["task_instances"]:
                return instances

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int) -> str:
        """The text of a task's log, a line an event."""
        found = self.request(
            "GET",
            f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}",
            params={"map_index": map_index, "full_content": True},
            headers={"Accept": "application/json"},
        )
        lines = [
            line if isinstance(line, str) else str(line.get("event", ""))
            for line in found["content"]
        ]
        return "\n".join(lines)

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Make a pool that is not there yet; one that is keeps its slots."""
        known = self.request("GET", "/pools", params={"limit": 1000})["pools"]
        if name not in {pool["name"] for pool in known}:
            body = {"name": name, "slots": slots, "description": description}
            self.request("POST", "/pools", json=body)

    def watch(
        self, dag_id: str, run_id: str, timeout_seconds: float, poll_seconds: float = 0.5
    ) -> Iterator[TaskEvent]:
        """Each change of state of a run's tasks as it is seen; the run's own end comes last.

        Raises:
            AirflowError: the run has not ended after `timeout_seconds`.
        """
        end = time.monotonic() + timeout_seconds
        seen: dict[tuple[str, int], tuple[str, int]] = {}
        while True:
            # The run first: whatever its tasks came to is then in the list that follows.
            state = self.run_state(dag_id, run_id)
            for task in self.tasks(dag_id, run_id):
                key = (task["task_id"], task["map_index"])
                now = (task["state"] or "none", task["try_number"])
                if seen.get(key) != now and now[0] != "none":
                    seen[key] = now
                    yield _event(dag_id, run_id, task)
            if state in _FINISHED:
                yield TaskEvent(dag_id, run_id, None, "", state, 1, None)
                return
            if time.monotonic() > end:
                raise AirflowError(
                    f"{dag_id} {run_id} is still {state} after {timeout_seconds:.0f} s"
                )
            time.sleep(poll_seconds)


def _event(dag_id: str, run_id: str, task: Mapping[str, Any]) -> TaskEvent:
    index = task["map_index"]
    label = task.get("rendered_map_index") or (str(index) if index >= 0 else "")
    return TaskEvent(
        dag_id=dag_id,
        run_id=run_id,
        task_id=task["task_id"],
        label=label,
        state=task["state"],
        try_number=task["try_number"],
        seconds=task["duration"] if task["state"] in _TASK_FINISHED else None,
    )
