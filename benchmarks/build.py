"""The day's build of the marts: an increment beside a full refresh, and whether both make the same rows.

Data: a history made by SQL from a seed (benchmarks/_history.py), in an embedded PostgreSQL of its own.
Measure: seconds of a build after one more day of calls, states and recordings came, of dbt in all and
of its models' SQL alone.
Peer: a full refresh of the same, in the same run.
Goal: a fifteenth of it, without a row that differs.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks._history import Size, fill

OPTIONS = {
    "calls": "how many calls the history holds (default 300000)",
    "day": "how many calls a day has (default 10000)",
    "dsn": "a database to use, empty or filled by an earlier run (default: one made for the run)",
}
_GOAL = 15.0


def run(options: dict[str, str]) -> dict[str, Any]:
    """Fill, build, add a day, build again, compare with a full refresh."""
    from callmart.local.ports import find_free_port
    from callmart.local.postgres import PostgresServer

    calls, day = int(options.get("calls", "300000")), int(options.get("day", "10000"))
    if "dsn" in options:
        return _measure(options["dsn"], calls, day)
    with tempfile.TemporaryDirectory(prefix="callmart-build-") as folder:
        Path(folder).chmod(0o711)
        server = PostgresServer(Path(folder), "benchmark", {"shared_buffers": "1GB"})
        server.start(find_free_port(32701, 32760), wait_seconds=120)
        try:
            server.ensure_database("build", "callmart", "benchmark")
            return _measure(server.dsn("build"), calls, day)
        finally:
            server.stop(wait_seconds=60)


def _measure(dsn: str, calls: int, day: int) -> dict[str, Any]:
    from callmart.settings import Settings
    from callmart.warehouse import migrate
    from callmart.warehouse.dbt import build

    started = time.perf_counter()
    migrate(dsn)
    size = Size(calls_a_day=day, customers=max(calls // 20, 10), agents=max(day // 100, 5))
    with tempfile.TemporaryDirectory(prefix="callmart-build-") as home:
        settings = replace(
            Settings.from_environment(),
            home=Path(home),
            warehouse_dsn=dsn,
            business_time_zone="Asia/Shanghai",
        )
        with psycopg.connect(dsn, autocommit=True) as connection:
            days = connection.execute(
                "select count(distinct _object_key) from raw.calls"
            ).fetchall()[0][0]
            if days == 0:
                days = max(calls // day, 1)
                fill(connection, size, 0, days - 1)
            connection.execute("vacuum analyze")
        build(settings, unit_tests=False, data_tests=False)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("vacuum analyze")
            fill(connection, size, days, days)
        increment = build(settings, unit_tests=False, data_tests=False)
        rows = _rows(dsn)
        refresh = build(settings, unit_tests=False, data_tests=False, full_refresh=True)
    differing = [name for name, content in _rows(dsn).items() if rows.get(name) != content]
    models = sorted(
        (node for node in increment.nodes if node.resource_type == "model"),
        key=lambda node: -node.seconds,
    )
    fresh = {node.name: node.seconds for node in refresh.nodes if node.resource_type == "model"}
    sql_seconds = sum(node.seconds for node in models)
    return {
        "name": "build",
        "n": days * day,
        "seconds": round(time.perf_counter() - started, 1),
        "new_calls": day,
        "is_increment": increment.plan is not None and increment.plan.is_increment,
        "increment_seconds": round(increment.seconds, 1),
        "increment_model_seconds": round(sql_seconds, 1),
        "refresh_seconds": round(refresh.seconds, 1),
        "refresh_model_seconds": round(sum(fresh.values()), 1),
        "relations_that_differ": differing,
        "dearest_models": [
            f"{node.name} {node.seconds:.1f} s (refresh {fresh.get(node.name, 0):.1f}),"
            f" {node.rows} rows"
            for node in models[:15]
        ],
        "peer": "a full refresh, seconds of all models",
        "ratio": round(sum(fresh.values()) / max(sql_seconds, 0.1), 2),
        "goal": _GOAL,
    }


def _rows(dsn: str) -> dict[str, tuple[Any, ...]]:
    """How many rows each relation of the models has, and a hash of them all, in no order."""
    found = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for schema, name in connection.execute(
            "select relnamespace::regnamespace::text, relname from pg_class"
            " where relkind = 'r' and relnamespace in"
            " ('intermediate'::regnamespace, 'marts'::regnamespace)"
        ).fetchall():
            row = connection.execute(
                sql.SQL("select count(*), sum(hashtextextended(t::text, 0)) from {} as t").format(
                    sql.Identifier(schema, name)
                )
            ).fetchone()
            found[f"{schema}.{name}"] = tuple(row or ())
    return found
