"""The warehouse's schema: numbered SQL files, raw tables from the contract, roles.

Migrations only go forward. A file that was applied must not change any more (its checksum is kept
in `ops.schema_migrations`); raw tables follow `contracts/entities.yaml` by gaining tables and
columns. dbt owns everything behind the raw and fact tables.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg import sql

from callmart.contracts import Entity, load_entities
from callmart.settings import Settings
from callmart.warehouse.connection import connect
from callmart.warehouse.roles import RoleError, ensure_roles

MIGRATION_LOCK = 0x63616C6C  # "call": one migration at a time in a database

# Rows are written in one transaction with their ledger row, which is locked then: a foreign key would
# find nothing and cost a look-up for every row of a COPY.
RAW_METADATA = (
    ("_object_id", "bigint not null"),
    ("_row_number", "bigint not null"),
    ("_row_part", "integer not null default 0"),
    ("_delivered_on", "date not null"),
    ("_object_key", "text not null"),
    ("_object_modified_at", "timestamptz not null"),
    ("_source", "text not null"),
    ("_extra", "jsonb not null default '{}'"),
    ("_flags", "jsonb not null default '{}'"),
    ("_loaded_at", "timestamptz not null default now()"),
)


class MigrationError(RuntimeError):
    """The database and the migrations do not fit together; the message says where."""


@dataclass(frozen=True)
class Migration:
    """One SQL file: `NNNN_name.sql`."""

    version: int
    name: str
    statements: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.statements.encode()).hexdigest()


def shipped_migrations() -> list[Migration]:
    """The SQL files beside this module, in order."""
    migrations = []
    for file in resources.files("callmart.warehouse").joinpath("migrations").iterdir():
        match = re.fullmatch(r"(\d{4})_\w+\.sql", file.name)
        if match:
            migrations.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    migrations.sort(key=lambda migration: migration.version)
    versions = [migration.version for migration in migrations]
    if len(set(versions)) != len(versions):
        raise MigrationError(f"two migrations have one number: {versions}")
    return migrations


def migrate(
    target: Settings | str,
    *,
    migrations: list[Migration] | None = None,
    entities: dict[str, Entity] | None = None,
) -> list[str]:
    """Bring the warehouse to the newest schema; returns what was done (empty: nothing to do).

    Safe to run again and from several processes at once (an advisory lock lets one in at a time);
    each migration is one transaction. Raises MigrationError when an applied file was changed or
    vanished, or when a raw column has another type than the contract says.
    """
    migrations = shipped_migrations() if migrations is None else migrations
    entities = load_entities() if entities is None else entities
    done: list[str] = []
    with connect(target, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        try:
            done += _apply_migrations(conn, migrations)
            with conn.transaction():
                done += _make_raw_tables(conn, entities)
            done += _make_roles(conn)
        finally:
            conn.execute("select pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
    return done


def _apply_migrations(conn: psycopg.Connection, migrations: list[Migration]) -> list[str]:
    applied: dict[int, tuple[str, str]] = {}
    known = conn.execute("select to_regclass('ops.schema_migrations')").fetchone()
    if known and known[0] is not None:
        for version, name, checksum in conn.execute(
            "select version, name, checksum from ops.schema_migrations"
        ):
            applied[version] = (name, checksum)
    shipped = {migration.version for migration in migrations}
    for version in sorted(set(applied) - shipped):
        raise MigrationError(
            f"{applied[version][0]} is applied in the database but not known here: "
            "the database was migrated by a newer callmart"
        )
    done = []
    for migration in migrations:
        if migration.version in applied:
            if applied[migration.version][1] != migration.checksum:
                raise MigrationError(
                    f"{migration.name} was changed after it had been applied; "
                    "write a new migration instead"
                )
            continue
        with conn.transaction():
            conn.execute(migration.statements.encode())
            conn.execute(
                "create table if not exists ops.schema_migrations ("
                " version integer primary key, name text not null, checksum text not null,"
                " applied_at timestamptz not null default now())"
            )
            conn.execute(
                "insert into ops.schema_migrations (version, name, checksum) values (%s, %s, %s)",
                (migration.version, migration.name, migration.checksum),
            )
        done.append(f"applied {migration.name}")
    return done


def _existing_columns(conn: psycopg.Connection) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in conn.execute(
        "select c.relname, a.attname, format_type(a.atttypid, null)"
        " from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'raw'::regnamespace and c.relkind in ('r', 'p')"
        "   and a.attnum > 0 and not a.attisdropped"
    ):
        tables.setdefault(table, {})[column] = kind
    return tables


def _make_raw_tables(conn: psycopg.Connection, entities: dict[str, Entity]) -> list[str]:
    done = []
    existing = _existing_columns(conn)
    long_names = {"timestamptz": "timestamp with time zone"}
    for entity in entities.values():
        table = sql.Identifier("raw", entity.name)
        columns = entity.raw_columns()
        if entity.name not in existing:
            definitions = [
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
                for name, kind in [*columns, *RAW_METADATA]
            ]
            conn.execute(
                sql.SQL(
                    "create table {} ({}, primary key (_object_id, _row_number, _row_part))"
                ).format(table, sql.SQL(", ").join(definitions))
            )
            conn.execute(
                sql.SQL("create index {} on {} ({})").format(
                    sql.Identifier(f"{entity.name}_key"),
                    table,
                    sql.SQL(", ").join(sql.Identifier(name) for name in entity.key),
                )
            )
            conn.execute(
                sql.SQL("comment on table {} is {}").format(
                    table, sql.Literal(" / ".join(entity.description.values()))
                )
            )
            _track_changes(conn, entity)
            done.append(f"created raw.{entity.name}")
            continue
        present = existing[entity.name]
        for name, kind in columns:
            if name not in present:
                conn.execute(
                    sql.SQL("alter table {} add column {} {}").format(
                        table, sql.Identifier(name), sql.SQL(kind)
                    )
                )
                done.append(f"added raw.{entity.name}.{name}")
            elif present[name] != long_names.get(kind, kind):
                raise MigrationError(
                    f"raw.{entity.name}.{name} is {present[name]} in the database "
                    f"and {kind} by the contract: a contract may only add"
                )
        _track_changes(conn, entity)
    return done


def _track_changes(conn: psycopg.Connection, entity: Entity) -> None:
    """Let increments see which rows of the entity came, changed and went (0010_increments.sql)."""
    known = conn.execute("select to_regprocedure('ops.track_changes(regclass, text[])')").fetchone()
    if known and known[0] is not None:  # else this migrates to an older schema
        conn.execute(
            "select ops.track_changes(%s::regclass, variadic %s::text[])",
            (f"raw.{entity.name}", list(entity.key)),
        )


def _make_roles(conn: psycopg.Connection) -> list[str]:
    try:
        return ensure_roles(conn)
    except RoleError as error:
        raise MigrationError(str(error)) from error
