"""dbt inside this process: the project in `dbt/` against the warehouse of the settings.

The project folder is only read: the manifest, compiled SQL and logs go below `Settings.home`/dbt.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from callmart.settings import PROJECT_ROOT, Settings

PROJECT_DIR = PROJECT_ROOT / "dbt"

FAILED = frozenset({"error", "fail", "runtime error", "partial success"})

# dbt keeps adapters and flags in module globals and reads the profile from the environment.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class NodeResult:
    """One model, seed, test or hook: what became of it and how long it took."""

    name: str
    resource_type: str
    status: str
    """dbt's word: success, pass, warn, fail, error, skipped, no-op."""
    seconds: float
    rows: int | None
    """Rows written by a model or seed; failing rows of a test; None where dbt does not say."""
    message: str


@dataclass(frozen=True)
class DbtResult:
    """What one invocation did."""

    command: str
    seconds: float
    nodes: tuple[NodeResult, ...]

    @property
    def failures(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.status in FAILED)

    @property
    def skipped(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.status == "skipped")


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
) -> DbtResult:
    """Run `dbt <command>` (build, run, test, seed, compile, "docs generate").

    `select` is dbt's node selection. `as_of` (a day means its end in the business time zone; a
    time needs an offset) limits what is seen; None means all. `unit_tests=False` leaves out the
    unit tests, which judge the SQL and not the data: they belong into CI.

    Raises:
        DbtError: nodes failed (named in the message, with their reasons), or the project does not
            parse, or the warehouse cannot be reached.
        ValueError: `as_of` is not a day or a time with an offset, or no warehouse is configured.
    """
    arguments = command.split()
    if select is not None:
        arguments += ["--select", *([select] if isinstance(select, str) else select)]
    if full_refresh:
        arguments.append("--full-refresh")
    if not unit_tests:
        arguments += ["--exclude-resource-type", "unit_test"]
    variables = {
        "business_time_zone": settings.business_time_zone,
        "business_country": settings.default_country,
    }
    if as_of is not None:
        variables["as_of"] = _as_of_text(as_of)
    return _invoke(settings, command, arguments, variables)


def parse(settings: Settings) -> DbtResult:
    """Read the project and write its manifest to `manifest_path`; no warehouse is needed.

    Raises:
        DbtError: the project does not parse.
    """
    return _invoke(settings, "parse", ["parse"], {})


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


def _profile_environment(dsn: str) -> dict[str, str]:
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    if not parts.get("dbname"):
        raise ValueError("no warehouse is configured: set CALLMART_WAREHOUSE_DSN")
    return {
        "CALLMART_DB_HOST": parts.get("host", "127.0.0.1"),
        "CALLMART_DB_PORT": parts.get("port", "5432"),
        "CALLMART_DB_USER": parts.get("user", "callmart"),
        "CALLMART_DB_PASSWORD": parts.get("password", ""),
        "CALLMART_DB_NAME": parts["dbname"],
        "CALLMART_DB_SSLMODE": parts.get("sslmode", "prefer"),
        # libpq's session zone: what is written into JSON must not depend on the server's.
        "PGTZ": "UTC",
    }


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
    settings: Settings, command: str, arguments: list[str], variables: dict[str, str]
) -> DbtResult:
    from dbt.cli.main import dbtRunner

    state = settings.home / "dbt"
    profile = {}
    if command != "parse" or settings.warehouse_dsn:
        profile = _profile_environment(settings.warehouse_dsn)
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
        str(state / "target"),
        "--vars",
        json.dumps(variables),
    ]
    started = time.monotonic()
    with _ONE_AT_A_TIME, _environment(profile):
        outcome = dbtRunner().invoke(full)
    result = DbtResult(command, time.monotonic() - started, _nodes(outcome.result))
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
                name=node.name,
                resource_type=str(node.resource_type),
                status=str(item.status),
                seconds=float(item.execution_time or 0.0),
                rows=rows,
                message=str(item.message or ""),
            )
        )
    return tuple(nodes)


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
