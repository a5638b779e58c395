"""The schema: forward only, checked, generated from the contract."""

from __future__ import annotations

import threading

import psycopg
import pytest

from callmart.contracts import load_entities
from callmart.contracts.entities import parse_entities
from callmart.warehouse import MigrationError, connect, copy_rows, migrate
from callmart.warehouse.migrations import Migration, shipped_migrations

pytestmark = pytest.mark.postgres


def test_migrating_again_does_nothing(postgres: str) -> None:
    assert migrate(postgres) == []


def test_every_entity_has_its_raw_table_with_all_columns(postgres: str) -> None:
    with connect(postgres) as conn:
        for name, entity in load_entities().items():
            found = dict(
                conn.execute(
                    "select column_name, udt_name from information_schema.columns"
                    " where table_schema = 'raw' and table_name = %s",
                    (name,),
                ).fetchall()
            )
            aliases = {"bigint": "int8", "boolean": "bool"}
            for column, kind in entity.raw_columns():
                assert found[column] == aliases.get(kind, kind), (name, column)
            assert {"_object_id", "_row_number", "_row_part", "_extra", "_flags"} <= set(found)
            assert found["updated_at"] == "timestamptz"


def test_a_new_column_of_the_contract_is_added_and_rows_stay(postgres: str) -> None:
    entities = load_entities()
    with connect(postgres) as conn:
        copy_rows(
            conn,
            "raw.campaigns",
            ("campaign_id", "_object_id", "_row_number", "_delivered_on", "_object_key",
             "_object_modified_at", "_source"),
            [("A", 1, 1, "2026-11-18", "k", "2026-11-18T00:00:00Z", "contract")],
        )  # fmt: skip
    grown = parse_entities(
        "campaigns:\n  description: {en: c}\n  columns:\n"
        "    campaign_id: {type: text, key: true}\n    budget: {type: decimal}\n"
        "    hotline: {type: phone}\n"
    )

    done = migrate(postgres, entities={**entities, **grown})

    assert done == [
        "added raw.campaigns.budget",
        "added raw.campaigns.hotline",
        "added raw.campaigns.hotline_delivered",
    ]
    with connect(postgres) as conn:
        row = conn.execute("select campaign_id, budget, hotline from raw.campaigns").fetchone()
    assert row == ("A", None, None)


def test_a_column_that_changes_its_type_is_refused(postgres: str) -> None:
    changed = parse_entities(
        "campaigns:\n  description: {en: c}\n  columns:\n"
        "    campaign_id: {type: text, key: true}\n    name: {type: decimal}\n"
    )
    with pytest.raises(MigrationError, match=r"raw\.campaigns\.name is text .* numeric"):
        migrate(postgres, entities=changed)


def test_a_migration_that_was_changed_afterwards_is_refused(postgres: str) -> None:
    first, *rest = shipped_migrations()
    changed = Migration(first.version, first.name, first.statements + "\n-- changed")
    with pytest.raises(MigrationError, match="was changed after it had been applied"):
        migrate(postgres, migrations=[changed, *rest])


def test_a_database_from_a_newer_callmart_is_refused(postgres: str) -> None:
    newer = Migration(9999, "9999_future.sql", "create table ops.future (a integer);")
    assert migrate(postgres, migrations=[*shipped_migrations(), newer]) == [
        "applied 9999_future.sql"
    ]
    with pytest.raises(MigrationError, match=r"9999_future\.sql .* newer callmart"):
        migrate(postgres)


def test_a_migration_that_fails_leaves_nothing_of_itself(postgres: str) -> None:
    broken = Migration(9998, "9998_broken.sql", "create table ops.half (a integer); select 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(postgres, migrations=[*shipped_migrations(), broken])
    with connect(postgres) as conn:
        assert conn.execute("select to_regclass('ops.half')").fetchone() == (None,)
        assert conn.execute(
            "select count(*) from ops.schema_migrations where version = 9998"
        ).fetchone() == (0,)


def test_two_migrations_at_once_take_turns(postgres: str) -> None:
    migration = Migration(9997, "9997_once.sql", "create table ops.once (a integer);")
    outcomes: list[list[str] | Exception] = []

    def run() -> None:
        try:
            outcomes.append(migrate(postgres, migrations=[*shipped_migrations(), migration]))
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, outcomes)) == ["['applied 9997_once.sql']", "[]", "[]", "[]"]


def test_bi_reader_is_a_group_without_login(postgres: str) -> None:
    with connect(postgres) as conn:
        row = conn.execute(
            "select rolcanlogin, rolsuper from pg_roles where rolname = 'bi_reader'"
        ).fetchone()
    assert row == (False, False)


def test_sessions_speak_utc(postgres: str) -> None:
    with connect(postgres) as conn:
        assert conn.execute("show timezone").fetchone() == ("UTC",)


def test_no_warehouse_configured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="CALLMART_WAREHOUSE_DSN"):
        connect("")
