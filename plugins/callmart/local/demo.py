"""The main job on the embedded stack: a folder into the bucket, the DAGs over it, a summary.

The folder is laid out as the landing bucket (recordings/, transcripts/, crm/). Beside these it may hold
`dispositions.csv` (the dialler's words), `*.yaml` under `sources/` (mappings of one's own) and
`truth.csv` (what is known of the recordings, to compare with).
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from psycopg import Connection, errors, sql
from psycopg.rows import dict_row

from callmart.landing import ObjectStore, load_dispositions_csv
from callmart.local.airflow_client import AirflowClient, TaskEvent
from callmart.settings import Settings
from callmart.warehouse import connect, migrate

LANDING_FOLDERS = ("recordings", "transcripts", "crm")
CHAIN = ("ingest_landing", "analyze_recordings", "build_marts")
"""The DAGs that set one another off, in the order of the data."""
FLOW = (*CHAIN, "write_back_crm", "publish_reports", "check_health")
"""The DAGs of the main job."""

RUN_TIMEOUT_SECONDS = 1800.0
END_TIMEOUT_SECONDS = 60.0
"""How long tasks of a run that was ended may take to stop (Airflow's killed_task_cleanup_time)."""
QUIET_SECONDS = 6.0
"""No run under way for this long after the last: the flow is at rest (an asset event takes < 1 s)."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Uploaded:
    """What an upload did, in files."""

    new: int
    unchanged: int


def check_landing(folder: Path) -> None:
    """Raise DemoError unless `folder` is laid out as a landing bucket."""
    if not folder.is_dir():
        raise DemoError(f"{folder} is not a folder")
    if not any((folder / name).is_dir() for name in LANDING_FOLDERS):
        wanted = ", ".join(f"{name}/" for name in LANDING_FOLDERS)
        raise DemoError(f"{folder} holds none of {wanted}: it is not laid out as a landing bucket")


def landing_files(folder: Path) -> list[Path]:
    """Every file that belongs into the bucket, in order of its key."""
    found = [
        path
        for name in LANDING_FOLDERS
        if (folder / name).is_dir()
        for path in (folder / name).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


class DemoState:
    """Which folder the stack's warehouse was filled from, remembered beside it."""

    def __init__(self, home: Path) -> None:
        self._path = home / "demo.json"

    def filled_from(self) -> str | None:
        """The folder, or None where the demo has not run on this stack."""
        if not self._path.exists():
            return None
        remembered: dict[str, str] = json.loads(self._path.read_text(encoding="utf-8"))
        return remembered["folder"]

    def remember(self, folder: Path) -> None:
        self._path.write_text(json.dumps({"folder": str(folder)}), encoding="utf-8")


def set_up_sources(settings: Settings, folder: Path) -> None:
    """Put the folder's own mappings and disposition words where the pipeline reads them.

    What lies there is replaced; a folder of the person's own, outside the stack, is left alone.
    """
    target = settings.sources_dir
    if target is None:
        raise DemoError("CALLMART_SOURCES_DIR is not set")
    if settings.home.resolve() not in target.resolve().parents:
        raise DemoError(
            f"CALLMART_SOURCES_DIR={target} lies outside {settings.home}: the demo would replace"
            " what is there. Unset it; mappings for the demo belong into the landing folder's sources/"
        )
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for path in sorted((folder / "sources").glob("*.yaml")):
        shutil.copyfile(path, target / path.name)
    words = folder / "dispositions.csv"
    if words.is_file():
        load_dispositions_csv(settings, words)


def upload(settings: Settings, folder: Path, tell: Callable[[int, int], None]) -> Uploaded:
    """Put the folder's files into the bucket, leaving out what lies there with the same content.

    tell: called with (files done, files in all).
    """
    store = ObjectStore(settings)
    there = {item.key: item.etag.strip('"') for page in store.list_pages() for item in page}
    files = landing_files(folder)
    new = 0
    for number, path in enumerate(files, start=1):
        key = path.relative_to(folder).as_posix()
        with path.open("rb") as body:
            # An object put in one piece has its MD5 as ETag; one put in parts is put again, which
            # the ledger takes for the repetition that it is.
            content = hashlib.file_digest(body, partial(hashlib.md5, usedforsecurity=False))
            if there.get(key) != content.hexdigest():
                body.seek(0)
                store.put(key, body)
                new += 1
        tell(number, len(files))
    return Uploaded(new, len(files) - new)


def empty_stack(client: AirflowClient, settings: Settings) -> None:
    """Make warehouse and bucket empty, for another folder; the DAGs stand still meanwhile.

    Runs that an earlier demo left are ended: what they would have done is thrown away anyhow.
    Raises DemoError where a task does not stop.
    """
    for dag_id in client.dag_ids():
        client.set_paused(dag_id, True)
    end = time.monotonic() + END_TIMEOUT_SECONDS
    while (runs := client.unfinished_runs()) or (tasks := client.running_tasks()):
        if time.monotonic() > end:
            what = ", ".join(" ".join(run) for run in runs) or ", ".join(tasks)
            raise DemoError(f"{what} of the earlier demo does not end: see the Airflow page")
        for dag_id, run_id in runs:
            client.fail_run(dag_id, run_id)
        if not runs:
            time.sleep(0.5)
    with connect(settings, autocommit=True) as connection:
        schemas = connection.execute(
            "select string_agg(quote_ident(nspname), ', ') from pg_namespace"
            " where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')"
        ).fetchone()
        if schemas and schemas[0]:
            connection.execute(f"drop schema {schemas[0]} cascade".encode())
    migrate(settings.warehouse_dsn)
    store = ObjectStore(settings)
    for page in store.list_pages():
        store.delete([item.key for item in page])
    shutil.rmtree(settings.home / "reports", ignore_errors=True)


class Flow:
    """One pass of the main job through Airflow.

    `run()` starts the ingest, follows what its events set off (the assets chain the DAGs) until all
    is at rest, then publishes the report of the newest day. Yields every task's changes of state.
    """

    def __init__(self, client: AirflowClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._seen: set[tuple[str, str]] = set()
        # A DAG that was paused makes its first run for a minute that has gone by already.
        self._since = datetime.now(UTC) - timedelta(minutes=30)
        self.failed: list[TaskEvent] = []

    def run(self) -> Iterator[TaskEvent]:
        """Events in the order in which they are seen; a run that failed is kept in `failed`."""
        known = self._client.dag_ids()
        missing = [dag_id for dag_id in FLOW if dag_id not in known]
        if missing:
            errors = "; ".join(self._client.import_errors()) or "no import error is reported"
            raise DemoError(f"Airflow does not know {', '.join(missing)}: {errors}")
        self._seen = {
            (dag_id, run["dag_run_id"])
            for dag_id in CHAIN
            for run in self._client.runs(dag_id, self._since)
        }
        # The chained DAGs first, so that no event of the ingest is missed.
        for dag_id in reversed(CHAIN):
            self._client.set_paused(dag_id, False)
        self._client.trigger("ingest_landing")
        yield from self._until_rest()
        for dag_id in FLOW[len(CHAIN) :]:
            self._client.set_paused(dag_id, False)
        day = newest_day(self._settings)
        if day is not None and not self.failed:
            yield from self._follow("write_back_crm", self._client.trigger("write_back_crm"))
            run_id = self._client.trigger("publish_reports", {"date": day.isoformat()})
            yield from self._follow("publish_reports", run_id)
        yield from self._follow("check_health", self._client.trigger("check_health"))

    def _follow(self, dag_id: str, run_id: str) -> Iterator[TaskEvent]:
        self._seen.add((dag_id, run_id))
        for event in self._client.watch(dag_id, run_id, RUN_TIMEOUT_SECONDS):
            if event.task_id is None and event.state == "failed":
                self.failed.append(event)
            yield event

    def _until_rest(self) -> Iterator[TaskEvent]:
        """Follow runs that were set off, one after another, until none has come for a while."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            following = self._next_run()
            if following is None:
                time.sleep(0.25)
                continue
            yield from self._follow(*following)
            quiet_since = time.monotonic()

    def _next_run(self) -> tuple[str, str] | None:
        """A run not followed yet, the earliest in the order of the data."""
        for dag_id in CHAIN:
            for run in self._client.runs(dag_id, self._since):
                key = (dag_id, run["dag_run_id"])
                if key not in self._seen:
                    return key
        return None


def newest_day(settings: Settings) -> date | None:
    """The newest business day that holds a call, or None before the first build."""
    with connect(settings) as connection:
        exists = connection.execute("select to_regclass('marts.calls')").fetchone()
        if not exists or exists[0] is None:
            return None
        row = connection.execute("select max(call_date) from marts.calls").fetchone()
    return row[0] if row else None


def fingerprint(settings: Settings) -> dict[str, int]:
    """Rows of every table in raw, facts, marts and of the ledger: equal before and after a pass
    that found nothing new."""
    counts = {}
    with connect(settings) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables"
            " where schemaname in ('raw', 'facts', 'marts')"
            " or (schemaname = 'ops' and tablename in ('objects', 'quarantine', 'notices'))"
            " order by 1, 2"
        ).fetchall()
        for schema, table in tables:
            query = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))
            row = connection.execute(query).fetchone()
            counts[f"{schema}.{table}"] = row[0] if row else 0
    return counts


@dataclass(frozen=True)
class Agreement:
    """How the decisions agree with the written truth."""

    recordings: int
    decided: int
    outcome_right: int
    connected_known: int
    connected_right: int
    differing: list[dict[str, str]]


DECISIONS_SQL = """
with heard as (
    select distinct on (links.call_id)
        links.call_id, facts.outcome, facts.is_connected
    from facts.call_recordings as links
    inner join facts.recordings as facts on links.content_hash = facts.content_hash
    order by links.call_id, links.delivered_on desc, links.object_key desc, facts.analysed_at desc
)
select
    heard.call_id,
    heard.outcome as heard_outcome,
    heard.is_connected as heard_connected,
    calls.outcome,
    calls.is_connected
from heard
left join marts.calls as calls on heard.call_id = calls.call_id
"""


def compare_with_truth(settings: Settings, truth_file: Path) -> Agreement:
    """Hold the decisions against `truth.csv` (call_id, outcome, also_acceptable, is_connected).

    The outcome is right where the recording's own decision, or the decision reconciled with the
    signalling and the words said, is the true one; `is_connected` is judged as reconciled, or as
    heard where no call row belongs to the recording.
    """
    with connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        decisions = {row["call_id"]: row for row in cursor.execute(DECISIONS_SQL).fetchall()}
    with truth_file.open(encoding="utf-8-sig", newline="") as lines:
        truth = list(csv.DictReader(lines))
    decided = right = known = connected_right = 0
    differing = []
    for row in truth:
        decision = decisions.get(row["call_id"])
        if decision is None:
            differing.append({"call_id": row["call_id"], "truth": row["outcome"], "decided": "–"})
            continue
        decided += 1
        accepted = {row["outcome"], *(row.get("also_acceptable") or "").split()}
        is_right = bool(accepted & {decision["heard_outcome"], decision["outcome"]})
        right += is_right
        reconciled = decision["is_connected"]
        connected = decision["heard_connected"] if reconciled is None else reconciled
        if row["is_connected"]:
            known += 1
            is_connected_right = connected == (row["is_connected"].lower() == "true")
            connected_right += is_connected_right
            is_right = is_right and is_connected_right
        if not is_right:
            differing.append(
                {
                    "call_id": row["call_id"],
                    "truth": f"{row['outcome']} connected={row['is_connected'] or '?'}",
                    "decided": f"{decision['heard_outcome']} → {decision['outcome']}"
                    f" connected={connected}",
                }
            )
    return Agreement(len(truth), decided, right, known, connected_right, differing)


SUMMARY_SQL: Mapping[str, str] = {
    "calls": """
        select count(*) as calls,
            count(*) filter (where direction = 'outbound') as attempts,
            count(*) filter (where direction = 'outbound' and is_answered) as answered,
            count(*) filter (where direction = 'outbound' and is_connected) as connected,
            count(*) filter (where has_recording) as with_recording,
            count(*) filter (where has_transcript) as with_transcript,
            count(*) filter (where is_disputed) as disputed,
            min(call_date) as first_day, max(call_date) as last_day
        from marts.calls""",
    "evaluations": """
        select 'conversation' as evaluation, count(distinct customer_id) as customers,
            round(avg(score), 1) as average_score, count(*) as rows
        from marts.evaluation_conversation where is_current
        union all
        select 'inspection', count(distinct customer_id), round(avg(score), 1), count(*)
        from marts.evaluation_inspection where is_current
        union all
        select 'rules_and_lines', count(distinct customer_id), round(avg(score), 1), count(*)
        from marts.evaluation_rules_and_lines where is_current""",
    "tiers": """
        select tier, count(*) as customers from marts.customer_quality
        where is_current group by tier order by tier""",
    "violations": """
        select rule_type as rule, count(*) as violations from marts.rule_violations
        group by 1 order by 2 desc, 1 limit 5""",
    "phrases": """
        select rule_id as rule, kind, count(*) as hits from marts.phrase_violations
        group by 1, 2 order by 3 desc, 1 limit 5""",
    "demands": """
        select stage, count(*) as demands, count(*) filter (where is_overdue) as overdue
        from marts.customer_demands group by 1
        order by array_position(array['new', 'contacted', 'interested', 'quoted', 'negotiating',
            'won', 'lost', 'dormant', 'reopened'], stage)""",
    "alerts": """
        select severity, count(*) as alerts from ops.alerts where closed_at is null
        group by 1 order by array_position(array['critical', 'major', 'minor'], severity)""",
    "quarantine": """
        select object_key as file, row_number as row, rule, reason from ops.quarantine
        where status = 'open' order by object_key, row_number nulls first""",
}


def summarise(settings: Settings) -> dict[str, Any]:
    """The figures of the summary, by block: each a list of rows from the marts."""
    with connect(settings) as connection:
        return {name: _rows(connection, query) for name, query in SUMMARY_SQL.items()}


def _rows(connection: Connection[Any], query: str) -> list[dict[str, Any]]:
    """The query's rows; none where a build that failed left no such mart."""
    with connection.cursor(row_factory=dict_row) as cursor:
        try:
            with connection.transaction():
                return cursor.execute(query.encode()).fetchall()
        except errors.UndefinedTable:
            return []


def save_reports(settings: Settings) -> list[Path]:
    """Copy the pages of the published reports out of the bucket, to be opened in a browser."""
    store = ObjectStore(settings)
    saved = []
    for page in store.list_pages("reports/"):
        for item in page:
            path = settings.home / item.key
            path.parent.mkdir(parents=True, exist_ok=True)
            store.download(item.key, path)
            saved.append(path)
    return saved
