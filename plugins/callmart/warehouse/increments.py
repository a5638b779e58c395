"""Whether a build may be an increment, from where on it looks, and what is kept when it succeeded.

A build is an increment when a complete build stands (`ops.build_state`) that was made by the same
code, seeds, variables and parameters in the same database; everything else is a full refresh, and
the reason is said. dbt/macros/increments.sql does the rest.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from callmart.settings import PROJECT_ROOT, Settings
from callmart.warehouse.connection import connect

log = logging.getLogger(__name__)

CODE = ("dbt_project.yml", "macros", "models", "seeds")
"""What of dbt/ decides which rows come out."""

PARAMETERS = {
    "staging.stg_callmart__lines_versions": "raw.lines",
    "staging.stg_callmart__agents_versions": "raw.agents",
    "staging.stg_callmart__campaigns_versions": "raw.campaigns",
    "staging.stg_callmart__sales_rules_versions": "raw.sales_rules",
    "staging.stg_callmart__phrase_rules_versions": "raw.phrase_rules",
    "ops.disposition_words": None,
    "ops.evaluation_versions": None,
    "ops.rule_sets": None,
    "ops.version_pins": None,
    "facts.emotion_baselines": None,
    "facts.phrase_rules": None,
}
"""Small relations of which one row can touch every call, and the tracked table under a view: a
change of content makes a full refresh. Columns that begin with an underscore say how a row came and
do not count."""

MOST_NEW_CALLS = 100_000
"""From so many new call rows on, a full refresh is chosen where they are over a quarter of the
history: it then costs less than comparing."""

FORGET = "update ops.build_state set built_from = null, built_by = null, is_increment = false"


@dataclass(frozen=True)
class Plan:
    """How a build is made."""

    is_increment: bool
    reason: str
    """Why it is a full refresh; from when on an increment looks."""


def fingerprint(
    conn: Connection, variables: Mapping[str, str], project: Path | None = None
) -> dict[str, str]:
    """What the rows of the marts depend on besides the tracked rows, by name and hash."""
    return {
        "the code": hash_of_code(project or PROJECT_ROOT / "dbt"),
        "a variable": hashlib.sha256(repr(sorted(variables.items())).encode()).hexdigest(),
        # Numbers of transactions mean nothing on another server, into which a dump was restored.
        "the server": str(
            _value(
                conn,
                "select system_identifier from pg_control_system()",
            )
        ),
    } | {relation: _hash_of_content(conn, relation) for relation in PARAMETERS}


def _settled(conn: Connection) -> dict[str, str]:
    """Hashes of the views of PARAMETERS as this build made them, where no row came meanwhile."""
    return {
        view: _hash_of_content(conn, view)
        for view, table in PARAMETERS.items()
        if table is not None
        and not _value(
            conn,
            sql.SQL(
                "select exists (select from {table} where _transaction_id >= building_from)"
                " or exists (select from ops.changed_rows"
                "  where relation = {name} and _transaction_id >= building_from)"
                " from ops.build_state"
            ).format(table=sql.Identifier(*table.split(".")), name=sql.Literal(table)),
        )
    }


def hash_of_code(project: Path) -> str:
    """SHA-256 over what of a project decides which rows come out."""
    digest = hashlib.sha256()
    for name in CODE:
        root = project / name
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.suffix in (".sql", ".yml", ".csv"):
                digest.update(f"{path.relative_to(project)}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _value(conn: Connection, query: LiteralString | sql.Composed) -> object:
    row = conn.execute(query).fetchone()
    return row[0] if row else None


def _hash_of_content(conn: Connection, relation: str) -> str:
    known = conn.execute("select to_regclass(%s)", (relation,)).fetchone()
    if known is None or known[0] is None:
        return "missing"
    return str(
        _value(
            conn,
            sql.SQL(
                "select md5(coalesce(string_agg(content, ',' order by content), '')) from ("
                " select (select jsonb_object_agg(key, value) from jsonb_each(to_jsonb(kept))"
                "  where key not like '\\_%')::text as content from {} as kept"
                ") as rows"
            ).format(sql.Identifier(*relation.split("."))),
        )
    )


@contextmanager
def building(
    settings: Settings, variables: Mapping[str, str], full_refresh: bool = False
) -> Iterator[Plan]:
    """One complete build, by who holds `marts_lock`; it counts as done when nothing was raised.

    A build that fails or is killed moves nothing: the next one begins where this one did, and knows
    what this one touched.
    """
    with connect(settings, autocommit=True) as conn:
        built_by = fingerprint(conn, variables)
        plan = plan_build(conn, built_by, full_refresh)
        with conn.transaction():
            if not plan.is_increment:
                conn.execute(FORGET)
            conn.execute(
                "update ops.build_state set is_increment = %s, building_by = %s,"
                # What ended before the oldest transaction that still runs is seen by this build.
                " building_from = pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
                (plan.is_increment, Jsonb(built_by)),
            )
        log.info("%s: %s", "increment" if plan.is_increment else "full refresh", plan.reason)
        yield plan
        with conn.transaction():
            conn.execute(
                "update ops.build_state set built_from = building_from,"
                " built_by = building_by || %s, built_at = now(), is_increment = false,"
                " building_from = null, building_by = null",
                (Jsonb(_settled(conn)),),
            )
            conn.execute(
                "delete from ops.changed_rows"
                " where _transaction_id < (select built_from from ops.build_state)"
            )
            for (table,) in conn.execute(
                "select relname from pg_class where relnamespace = 'ops'::regnamespace"
                " and relkind = 'r' and relname like 'touched\\_%'"
            ).fetchall():
                conn.execute(sql.SQL("truncate {}").format(sql.Identifier("ops", table)))


def forget(settings: Settings) -> None:
    """Make the next complete build a full refresh: models were built on their own."""
    with connect(settings, autocommit=True) as conn:
        conn.execute(FORGET)


def plan_build(conn: Connection, built_by: Mapping[str, str], full_refresh: bool = False) -> Plan:
    """Whether a build by what `fingerprint` says may be an increment of the one that stands."""
    if full_refresh:
        return Plan(False, "asked for")
    row = conn.execute("select built_from, built_by, built_at from ops.build_state").fetchone()
    if row is None or row[0] is None:
        return Plan(False, "no complete build stands")
    before: dict[str, str] = row[1]
    changed = [name for name in {**before, **built_by} if before.get(name) != built_by.get(name)]
    if changed:
        return Plan(False, f"changed since the last build: {', '.join(changed)}")
    emptied = conn.execute(
        "select string_agg(distinct relation, ', ') from ops.changed_rows where key is null"
    ).fetchone()
    if emptied and emptied[0]:
        return Plan(False, f"emptied since the last build: {emptied[0]}")
    counts = conn.execute(
        "select count(*), (select reltuples from pg_class where oid = 'raw.calls'::regclass)"
        " from raw.calls where _transaction_id >= %s",
        (row[0],),
    ).fetchone()
    if counts and counts[0] >= MOST_NEW_CALLS and counts[0] * 4 > counts[1]:
        return Plan(False, f"{counts[0]} calls are new")
    return Plan(True, f"of what came after the build of {row[2]:%Y-%m-%d %H:%M:%S%z}")
