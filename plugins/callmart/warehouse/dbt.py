"""dbt inside this process: the project in `dbt/` against the warehouse of the settings.

The project folder is only read: the manifest, compiled SQL and logs go below `Settings.home`/dbt.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from callmart.settings import PROJECT_ROOT, Settings
from callmart.warehouse import increments
from callmart.warehouse.connection import connect
from callmart.warehouse.locks import marts_lock
from callmart.warehouse.roles import TRANSFORMER

log = logging.getLogger(__name__)

PROJECT_DIR = PROJECT_ROOT / "dbt"

WRITING = frozenset({"build", "run", "seed"})

MESSAGE_CHARACTERS = 2000
"""How much of a node's message is kept as a row."""

FAILED = frozenset({"error", "fail", "runtime error", "partial success"})

# dbt keeps adapters and flags in module globals and reads the profile from the environment.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class NodeResult:
    """One model, seed, test or hook: what became of it and how long it took."""

    unique_id: str
    """dbt's: `model.callmart.calls`."""
    name: str
    resource_type: str
    status: str
    """dbt's word: success, pass, warn, fail, error, skipped, no-op."""
    seconds: float
    rows: int | None
    """Rows written by a model or seed; failing rows of a test; None where dbt does not say."""
    message: str
    started_at: datetime | None
    """When dbt began to execute it; None where it did not."""


@dataclass(frozen=True)
class DbtResult:
    """What one invocation did."""

    command: str
    seconds: float
    nodes: tuple[NodeResult, ...]
    plan: increments.Plan | None = None
    """How a complete build was made: as an increment or, for which reason, a full refresh."""

    @property
    def failures(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.status in FAILED)

    @property
    def skipped(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.status == "skipped")


@dataclass(frozen=True)
class Beside:
    """A build beside the published one: its tables go into schemas of their own.

    What is not selected is read where it is published.
    """

    prefix: str
    """In front of every schema's name, e.g. `replay_7_`."""
    pins: tuple[dict[str, str], ...]
    """Versions tried out (`kind`, `version`, `from`, `to`): see models/intermediate/versions."""


class DbtError(RuntimeError):
    """dbt failed; the message names the nodes, `result` holds all that ran (None: none did)."""

    def __init__(self, message: str, result: DbtResult | None = None) -> None:
        super().__init__(message)
        self.result = result


def build(
    settings: Settings,
    command: str = "build",
    select: str | Sequence[str] | None = None,
    as_of: date | datetime | str | None = None,
    full_refresh: bool = False,
    unit_tests: bool = True,
    data_tests: bool = True,
    beside: Beside | None = None,
) -> DbtResult:
    """Run `dbt <command>` (build, run, test, seed, compile, "docs generate").

    `select` is dbt's node selection. `as_of` (a day means its end in the business time zone; a
    time needs an offset) limits what is seen; None means all. `unit_tests=False` leaves out the
    unit tests, which judge the SQL and not the data: they belong into CI; `data_tests=False` the
    tests of the data, where what follows rests on a build that had them.

    A complete build or run touches what changed since the last one that succeeded, unless
    `full_refresh` asks for everything anew or something changed that all rows depend on; the
    rows are the same (`increments`). With `select` the chosen models are made anew whole, and so
    is everything by the next complete build.

    Who writes marts waits for whoever writes them now; with `beside` nothing that is published is
    written, and the caller holds `marts_lock` where what is read must stand still.

    Raises:
        DbtError: nodes failed (named in the message, with their reasons), or the project does not
            parse, or the warehouse cannot be reached.
        ValueError: `as_of` is not a day or a time with an offset, or no warehouse is configured.
    """
    arguments = command.split()
    if select is not None:
        arguments += ["--select", *([select] if isinstance(select, str) else select)]
    if not unit_tests:
        arguments += ["--exclude-resource-type", "unit_test"]
    if not data_tests:
        arguments += ["--exclude-resource-type", "test"]
    variables: dict[str, Any] = {
        "business_time_zone": settings.business_time_zone,
        "business_country": settings.default_country,
    }
    if as_of is not None:
        variables["as_of"] = _as_of_text(as_of)
    if beside is not None:
        return _build_beside(settings, command, arguments, variables, beside)
    if command not in WRITING:
        return _invoke(settings, command, arguments, variables)
    with ExitStack() as stack:
        try:
            stack.enter_context(marts_lock(settings))
        except psycopg.OperationalError as error:
            raise DbtError(f"the warehouse cannot be reached: {error}".strip()) from error
        if command == "seed" or select is not None:
            increments.forget(settings)
            return _invoke(settings, command, [*arguments, "--full-refresh"], variables)
        # Pseudonyms depend on a key that reaches the session beside the variables.
        made_by = {**variables, "pseudonyms": _hashed(settings.pseudonym_key)}
        plan = stack.enter_context(increments.building(settings, made_by, full_refresh))
        if not plan.is_increment:
            arguments.append("--full-refresh")
        elif command == "build":
            arguments += ["--exclude-resource-type", "seed"]  # they are as they were
        return replace(_invoke(settings, command, arguments, variables), plan=plan)


def _build_beside(
    settings: Settings,
    command: str,
    arguments: list[str],
    variables: dict[str, Any],
    beside: Beside,
) -> DbtResult:
    _invoke(settings, "parse", ["parse"], variables, "published")
    arguments += ["--defer", "--favor-state", "--state", str(settings.home / "dbt" / "published")]
    variables = {
        **variables,
        "replay_prefix": beside.prefix,
        "trial_pins": list(beside.pins),
    }
    return _invoke(settings, f"{command} beside", arguments, variables, "beside")


def parse(settings: Settings) -> DbtResult:
    """Read the project and write its manifest to `manifest_path`; no warehouse is needed.

    Raises:
        DbtError: the project does not parse.
    """
    return _invoke(settings, "parse", ["parse"], {})


def write_documentation(settings: Settings) -> Path:
    """Write dbt's documentation of project and warehouse as one HTML file; where it lies.

    Raises:
        DbtError: the project does not parse, or the warehouse cannot be reached.
    """
    variables = {
        "business_time_zone": settings.business_time_zone,
        "business_country": settings.default_country,
    }
    # In a folder of its own, so that the manifest of the last build stays.
    _invoke(settings, "parse", ["parse"], variables, "docs")
    arguments = ["docs", "generate", "--static", "--no-compile"]
    _invoke(settings, "docs generate", arguments, variables, "docs")
    return settings.home / "dbt" / "docs" / "static_index.html"


def _as_of_text(as_of: date | datetime | str) -> str:
    try:
        moment = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except ValueError as error:
        raise ValueError(f"as_of {as_of!r} is neither YYYY-MM-DD nor an ISO 8601 time") from error
    if isinstance(as_of, str) and len(as_of) == len("YYYY-MM-DD"):
        return as_of
    if not isinstance(moment, datetime):
        return moment.isoformat()
    if moment.tzinfo is None:
        raise ValueError(f"as_of {as_of!s} has no offset: write it with one, or name a day")
    return moment.isoformat()


def _profile_environment(settings: Settings) -> dict[str, str]:
    dsn = settings.warehouse_dsn
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    if not parts.get("dbname"):
        raise ValueError("no warehouse is configured: set CALLMART_WAREHOUSE_DSN")
    return {
        "CALLMART_DB_ROLE": _role_to_take(dsn),
        "CALLMART_DB_HOST": parts.get("host", "127.0.0.1"),
        "CALLMART_DB_PORT": parts.get("port", "5432"),
        "CALLMART_DB_USER": parts.get("user", "callmart"),
        "CALLMART_DB_PASSWORD": parts.get("password", ""),
        "CALLMART_DB_NAME": parts["dbname"],
        "CALLMART_DB_SSLMODE": parts.get("sslmode", "prefer"),
        # libpq's session zone: what is written into JSON must not depend on the server's.
        "PGTZ": "UTC",
        # Beside the SQL, which lands in logs and compiled files.
        "PGOPTIONS": f"-c callmart.pseudonym_key={_hashed(settings.pseudonym_key)}",
    }


def _hashed(key: str) -> str:
    """A key of any characters as one word; nothing stays nothing."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def _role_to_take(dsn: str) -> str:
    """The transformer's role where this login may take it on; empty: dbt stays who logs in.

    Without CREATE on the database it could make nothing: a copy of a database or a restored one has
    no rights of its own until it is migrated.
    """
    try:
        with connect(dsn) as connection:
            row = connection.execute(
                "select 1 from pg_roles where rolname = %s and pg_has_role(oid, 'set')"
                " and has_database_privilege(oid, current_database(), 'create')",
                (TRANSFORMER,),
            ).fetchone()
    except psycopg.OperationalError:
        return ""  # dbt says it better
    return TRANSFORMER if row else ""


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _invoke(
    settings: Settings,
    command: str,
    arguments: list[str],
    variables: dict[str, Any],
    target: str = "target",
) -> DbtResult:
    from dbt.cli.main import dbtRunner
    from dbt_common.invocation import get_invocation_id

    state = settings.home / "dbt"
    profile = {}
    if command != "parse" or settings.warehouse_dsn:
        profile = _profile_environment(settings)
    full = [
        "--quiet",
        "--no-use-colors-file",
        "--no-send-anonymous-usage-stats",
        "--no-version-check",
        "--log-path",
        str(state / "logs"),
        *arguments,
        "--project-dir",
        str(PROJECT_DIR),
        "--profiles-dir",
        str(PROJECT_DIR),
        "--target-path",
        str(state / target),
        "--vars",
        json.dumps(variables),
    ]
    started, started_at = time.monotonic(), datetime.now(UTC)
    with _ONE_AT_A_TIME, _environment(profile):
        outcome = dbtRunner().invoke(full)
        invocation_id = get_invocation_id()
    result = DbtResult(command, time.monotonic() - started, _nodes(outcome.result))
    if result.nodes:
        keep_results(
            settings,
            result,
            invocation_id,
            started_at,
            variables.get("as_of"),
            "--full-refresh" in full,
        )
    if outcome.success:
        return result
    if result.failures:
        raise DbtError(_explain(result), result)
    raise DbtError(f"dbt {command} failed: {outcome.exception or 'see dbt.log'}".strip())


def _nodes(result: Any) -> tuple[NodeResult, ...]:
    nodes = []
    for item in getattr(result, "results", None) or ():
        node = getattr(item, "node", None)
        if node is None:
            continue
        answer = getattr(item, "adapter_response", None) or {}
        rows = item.failures if item.failures is not None else answer.get("rows_affected")
        nodes.append(
            NodeResult(
                unique_id=node.unique_id,
                name=node.name,
                resource_type=str(node.resource_type),
                status=str(item.status),
                seconds=float(item.execution_time or 0.0),
                rows=rows,
                message=str(item.message or ""),
                started_at=_started_at(item),
            )
        )
    return tuple(nodes)


def _started_at(item: Any) -> datetime | None:
    for timing in item.timing or ():
        if timing.name == "execute" and timing.started_at is not None:
            moment: datetime = timing.started_at
            # dbt counts in UTC, in some versions without saying so.
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def keep_results(
    settings: Settings,
    result: DbtResult,
    invocation_id: str,
    started_at: datetime,
    as_of: str | None = None,
    is_full_refresh: bool = False,
) -> None:
    """One row a node into `ops.dbt_run_results`; rows older than the setting go.

    What dbt did is done: a warehouse that cannot take the rows changes nothing of it and is only
    logged.
    """
    versions = (version("dbt-core"), version("callmart"))
    rows = [
        (invocation_id, node.unique_id, result.command, node.started_at or started_at,
         node.resource_type, node.name, node.status, node.seconds, node.rows,
         node.message.replace("\x00", "")[:MESSAGE_CHARACTERS], *versions, as_of, is_full_refresh)
        for node in result.nodes
    ]  # fmt: skip
    oldest = started_at - timedelta(days=settings.dbt_results_days)
    try:
        with connect(settings) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.dbt_run_results (invocation_id, unique_id, command, started_at,"
                " node_type, node_name, status, seconds, rows_affected, message, dbt_version,"
                " callmart_version, as_of, is_full_refresh)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " on conflict do nothing",
                rows,
            )
            cursor.execute("delete from ops.dbt_run_results where started_at < %s", (oldest,))
    except psycopg.Error as error:
        log.warning("the results of dbt %s could not be kept: %s", result.command, error)


def _explain(result: DbtResult) -> str:
    lines = [f"dbt {result.command}: {len(result.failures)} of {len(result.nodes)} nodes failed"]
    for node in result.failures:
        reason = " ".join(node.message.split())[:300]
        lines.append(f"{node.resource_type} {node.name}: {reason}")
    if result.skipped:
        lines.append(f"skipped after them: {len(result.skipped)}")
    return "\n".join(lines)


def manifest_path(settings: Settings) -> str:
    """Where `parse` and `build` leave dbt's manifest."""
    return str(settings.home / "dbt" / "target" / "manifest.json")
