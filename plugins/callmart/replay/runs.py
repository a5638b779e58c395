"""A past range computed under other versions beside the published one, and what becomes of it.

The affected models are built into schemas of their own (`replay_<id>_marts` …) with the trial's
pins in front of those that were promoted; what is not affected is read where it is published. Both
sides are built from the same data under one lock, so that they differ by the versions alone.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from callmart.replay.difference import compare
from callmart.replay.versions import KINDS, Kind, resolve
from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import PROJECT_DIR, Beside, build
from callmart.warehouse.locks import marts_lock

log = logging.getLogger(__name__)

# The models where a kind of version comes in. What hangs on them is computed anew; the pins
# themselves always are.
ENTRANCES: dict[Kind, tuple[str, ...]] = {
    "rules": ("int_versions_pinned", "int_sales_rules_effective+", "int_phrase_hits_judged+"),
    "weights": (
        "int_evaluation_weights+",
        "int_evaluation_knots+",
        "int_evaluation_versions+",
        "int_quality_versions+",
    ),
    "model": ("int_versions_pinned", "int_emotions_adjusted+"),
}
PINS = "int_version_pins_collected"

# What the published tables and a replay's were made from. Whatever adds to raw or facts moves one of these.
BASIS_SQL = """
select jsonb_build_object(
    'objects', (
        select jsonb_object_agg(status, array[count::text, finished_at::text])
        from (
            select status, count(*) as count, max(finished_at) as finished_at
            from ops.objects group by status
        ) as by_status
    ),
    'recordings', (select array[count(*)::text, max(analysed_at)::text] from facts.recordings),
    'links', (select array[count(*)::text, max(linked_at)::text] from facts.call_recordings),
    'scans', (select array[count(*)::text, max(scanned_at)::text] from facts.phrase_scans),
    'hits', (select count(*) from facts.phrase_hits),
    'emotions', (select count(*) from facts.emotions),
    'recognitions', (select array[count(*)::text, max(recognised_at)::text] from facts.recognitions),
    'words', (select md5(string_agg(w::text, '' order by w::text)) from ops.disposition_words as w),
    'pins', (select max(pin_id) from ops.version_pins),
    'built', (
        select jsonb_build_array(built_from is not null, built_by -> 'a variable') from ops.build_state
    ),
    'weights', (
        select array[count(*)::text, max(greatest(created_at, decided_at))::text] from ops.evaluation_versions
    )
)
"""


class ReplayError(RuntimeError):
    """A replay cannot be made, promoted or discarded; the message says why."""


@dataclass(frozen=True)
class Replay:
    """A row of ops.replays; `difference` is that of `callmart.replay.difference`."""

    replay_id: int
    status: str
    """building, ready, promoted or discarded."""
    from_date: date
    to_date: date
    versions: dict[str, str]
    """Version by kind; empty: recomputed as judged."""
    prefix: str
    basis: dict[str, Any] | None
    difference: dict[str, Any] | None
    requested_at: datetime
    requested_by: str
    built_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of versions that are tried; all where none is, to see that nothing moves."""
        return tuple(kind for kind in KINDS if kind in self.versions) or KINDS

    @property
    def pins(self) -> tuple[dict[str, str], ...]:
        """What would judge the range."""
        days = {"from": self.from_date.isoformat(), "to": self.to_date.isoformat()}
        return tuple({"kind": kind, "version": v, **days} for kind, v in self.versions.items())

    @property
    def selection(self) -> list[str]:
        """dbt's selection of the models that are computed anew."""
        return [PINS, *dict.fromkeys(node for kind in self.kinds for node in ENTRANCES[kind])]


def request(
    settings: Settings, from_date: date, to_date: date, versions: Mapping[Kind, str]
) -> Replay:
    """Enter a replay of [from_date, to_date] (business days), or find the one that was asked before.

    Asked again, a replay that waits is made anew under its number; one that another process is
    making now is not touched (`make` waits for it).

    Raises:
        UnknownVersionError: there is no such version.
        ValueError: the range ends before it begins, or begins after the newest business day.
    """
    if to_date < from_date:
        raise ValueError(f"the range ends before it begins: {from_date} to {to_date}")
    found = resolve(settings, versions)
    with connect(settings.as_transformer()) as connection:
        newest = connection.execute("select max(call_date) from marts.calls").fetchone()
        if newest is None or newest[0] is None or from_date > newest[0]:
            holds = "no call" if newest is None or newest[0] is None else f"calls until {newest[0]}"
            raise ValueError(
                f"there is nothing to replay from {from_date} on: the marts hold {holds}"
            )
    with connect(settings.as_loader()) as connection:
        row = connection.execute(
            "insert into ops.replays (from_date, to_date, versions) values (%s, %s, %s)"
            " on conflict (from_date, to_date, versions) where status in ('building', 'ready')"
            " do update set requested_at = clock_timestamp() returning replay_id",
            (from_date, to_date, Jsonb(dict(sorted(found.items())))),
        ).fetchone()
        if row is None:
            raise ReplayError("the warehouse did not take the request")
        connection.execute(
            "update ops.replays set prefix = 'replay_' || replay_id || '_' where replay_id = %s",
            row,
        )
    return get(settings, row[0])


def get(settings: Settings, replay_id: int) -> Replay:
    """A replay by its number. Raises ReplayError where there is none."""
    for replay in list_replays(settings):
        if replay.replay_id == replay_id:
            return replay
    raise ReplayError(f"there is no replay {replay_id}: see `callmart replay list`")


def list_replays(settings: Settings) -> list[Replay]:
    """All replays, the newest first."""
    with (
        connect(settings.as_loader()) as connection,
        connection.cursor(row_factory=class_row(Replay)) as cursor,
    ):
        return cursor.execute(
            sql.SQL(
                "select {} from ops.replays where prefix is not null order by replay_id desc"
            ).format(sql.SQL(", ").join(map(sql.Identifier, Replay.__dataclass_fields__)))
        ).fetchall()


def search(settings: Settings, replay: Replay) -> None:
    """Find what the rules of the replay's set say of the range's transcripts, where nobody has yet."""
    from callmart.recordings import match_phrases

    if "rules" in replay.versions:
        found = match_phrases(
            settings.as_loader(), int(replay.versions["rules"]), (replay.from_date, replay.to_date)
        )
        log.info("%s", found)


def plan_judging(settings: Settings, replay: Replay) -> list[dict[str, Any]]:
    """Batches (`label`, `content_hashes`, `model`) for `callmart.recordings.judge_batch`: recordings of
    the range in which the replay's emotion model has not judged the voices yet."""
    from callmart.recordings import plan_judging as plan

    if "model" not in replay.versions:
        return []
    return plan(settings.as_loader(), replay.versions["model"], replay.from_date, replay.to_date)


def make(settings: Settings, replay_id: int) -> Replay:
    """Bring the marts up to date, build the replay beside them and keep what differs.

    Killed and called again it begins anew. Raises DbtError, ReplayError.
    """
    with marts_lock(settings.as_transformer()):
        replay = get(settings, replay_id)
        if replay.status not in ("building", "ready"):
            raise ReplayError(f"replay {replay_id} is {replay.status} already")
        _set_status(settings, replay_id, "building")
        _build_both(settings, replay)
    return get(settings, replay_id)


def _build_both(settings: Settings, replay: Replay) -> None:
    basis = _basis(settings)
    builder = settings.as_transformer()
    if basis != _published_from(settings):
        build(builder, "build", unit_tests=False, data_tests=False)
        basis["built"] = _basis(settings)["built"]
    with connect(builder) as connection:
        _drop(connection, replay.prefix)
    build(builder, "run", select=replay.selection, beside=Beside(replay.prefix, replay.pins))
    with connect(builder) as connection:
        difference = compare(
            connection, replay.prefix, replay.from_date, replay.to_date, replay.versions
        )
    with connect(settings.as_loader()) as connection:
        connection.execute(
            "update ops.replays set status = 'ready', basis = %s, difference = %s,"
            " built_at = clock_timestamp() where replay_id = %s",
            (Jsonb(basis), Jsonb(difference), replay.replay_id),
        )


def promote(settings: Settings, replay_id: int, by: str) -> Replay:
    """Let the replay's versions judge its range, and publish its rows, in one transaction.

    Where the data have moved on since it was built, it is built again first. Promoting what is
    promoted changes nothing.

    Raises:
        ReplayError: it is not ready, or was discarded.
        DbtError: it had to be built again and could not be.
    """
    with marts_lock(settings.as_transformer()):
        replay = get(settings, replay_id)
        if replay.status == "promoted":
            return replay
        if replay.status == "discarded" or replay.difference is None:
            raise ReplayError(
                f"replay {replay_id} "
                + ("is discarded" if replay.status == "discarded" else "was never built to its end")
                + ": ask for it again"
            )
        if replay.status != "ready" or replay.basis != _basis(settings):
            log.info("the data have moved on since replay %s was built: built again", replay_id)
            _set_status(settings, replay_id, "building")
            _build_both(settings, replay)
        with connect(settings) as connection:
            for pin in replay.pins:
                connection.execute(
                    "insert into ops.version_pins"
                    " (kind, version, from_date, to_date, replay_id, decided_by)"
                    " values (%(kind)s, %(version)s, %(from)s, %(to)s, %(replay)s, %(by)s)",
                    {**pin, "replay": replay_id, "by": by},
                )
            _publish(connection, replay.prefix)
            _drop(connection, replay.prefix)
            connection.execute(
                "update ops.replays set status = 'promoted', decided_at = clock_timestamp(),"
                " decided_by = %s, basis = basis || jsonb_build_object("
                "  'pins', (select max(pin_id) from ops.version_pins)"
                " ) where replay_id = %s",
                (by, replay_id),
            )
    return get(settings, replay_id)


def discard(settings: Settings, replay_id: int, by: str) -> Replay:
    """Drop the tables of a replay; facts that were added for it stay. Raises ReplayError."""
    with marts_lock(settings.as_transformer()):
        replay = get(settings, replay_id)
        if replay.status == "promoted":
            raise ReplayError(
                f"replay {replay_id} is promoted: replay its range under the versions before it"
            )
        with connect(settings) as connection:
            _drop(connection, replay.prefix)
            connection.execute(
                "update ops.replays set status = 'discarded', decided_at = clock_timestamp(),"
                " decided_by = %s where replay_id = %s and status <> 'discarded'",
                (by, replay_id),
            )
    return get(settings, replay_id)


def _set_status(settings: Settings, replay_id: int, status: str) -> None:
    with connect(settings.as_loader()) as connection:
        connection.execute(
            "update ops.replays set status = %s where replay_id = %s", (status, replay_id)
        )


def _basis(settings: Settings) -> dict[str, Any]:
    """What the marts are made from: data, decisions, models, settings."""
    with connect(settings.as_transformer()) as connection:
        row = connection.execute(BASIS_SQL).fetchone()
    code = hashlib.sha256()
    for path in sorted(PROJECT_DIR.rglob("*")):
        if path.suffix in (".sql", ".csv", ".yml"):
            code.update(path.read_bytes())
    basis = dict(row[0]) if row else {}
    basis["code"] = code.hexdigest()
    basis["settings"] = [settings.business_time_zone, settings.default_country]
    # As it comes back from the warehouse.
    return dict(json.loads(json.dumps(basis)))


def _published_from(settings: Settings) -> dict[str, Any] | None:
    """What the published tables were made from when a replay last built or replaced them."""
    with connect(settings.as_loader()) as connection:
        row = connection.execute(
            "select basis from ops.replays where basis is not null"
            " order by greatest(built_at, case when status = 'promoted' then decided_at end) desc"
            " limit 1"
        ).fetchone()
    return dict(row[0]) if row else None


def _schemas(connection: Connection[Any], prefix: str) -> list[str]:
    rows = connection.execute(
        "select nspname from pg_namespace where starts_with(nspname, %s) order by nspname",
        (prefix,),
    ).fetchall()
    return [name for (name,) in rows]


def _drop(connection: Connection[Any], prefix: str) -> None:
    for schema in _schemas(connection, prefix):
        connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))


def _tables(connection: Connection[Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Schema and table of a replay and the schema in which the table is published."""
    rows = connection.execute(
        "select schemaname, tablename from pg_tables where starts_with(schemaname, %s)"
        " order by schemaname, tablename",
        (prefix,),
    ).fetchall()
    for schema, table in rows:
        yield schema, table, schema.removeprefix(prefix)


def _columns(connection: Connection[Any], schema: str, table: str) -> Sequence[str]:
    rows = connection.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
        " and not attisdropped and attgenerated = '' order by attnum",
        (f'"{schema}"."{table}"',),
    ).fetchall()
    return [name for (name,) in rows]


def _publish(connection: Connection[Any], prefix: str) -> None:
    """Put the replay's rows in the place of the published ones; tables, grants, views stay.

    Readers see the rows before or after, never both.
    """
    for schema, table, published in _tables(connection, prefix):
        columns = _columns(connection, schema, table)
        if sorted(columns) != sorted(_columns(connection, published, table)):
            raise ReplayError(
                f"{published}.{table} has other columns than the replay's: make it again"
            )
        names = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
        connection.execute(sql.SQL("delete from {}").format(sql.Identifier(published, table)))
        connection.execute(
            sql.SQL("insert into {} ({}) select {} from {}").format(
                sql.Identifier(published, table), names, names, sql.Identifier(schema, table)
            )
        )
