"""A build that touches only what changed makes the rows of a full refresh, whatever was delivered."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg
import pytest
from built_marts import Marts
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import DbtError, DbtResult, build
from callmart.warehouse.increments import fingerprint, plan_build

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

NOT_DELIVERED = {
    "_object_id", "_row_number", "_row_part", "_delivered_on", "_object_key", "_object_modified_at",
    "_loaded_at", "_transaction_id",
}  # fmt: skip
TIMES = ("started_at", "ringing_at", "answered_at", "agent_joined_at", "ended_at")


@dataclass
class Centre:
    """A warehouse into which more is delivered."""

    settings: Settings

    def execute(self, statement: str) -> int:
        with connect(self.settings) as conn:
            return conn.execute(statement.encode()).rowcount

    def again(self, entity: str, where: str, day: str = "2026-11-05", **changes: str) -> None:
        """Deliver rows of an entity again, with columns changed (SQL over the row)."""
        with connect(self.settings) as conn:
            columns = [
                name
                for (name,) in conn.execute(
                    "select attname from pg_attribute where attrelid = %s::regclass"
                    " and attnum > 0 and not attisdropped",
                    (f"raw.{entity}",),
                ).fetchall()
                if name not in NOT_DELIVERED
            ]
            key = f"crm/{entity}/dt={day}/{uuid.uuid4().hex}.csv"
            object_id = conn.execute(
                "insert into ops.objects (bucket, object_key, etag, size_bytes, modified_at, kind,"
                " status, entities, source, delivered_on)"
                " values ('b', %s, 'e', 1, now(), 'crm', 'loaded', %s, 'crm', %s)"
                " returning object_id",
                (key, [entity], day),
            ).fetchall()[0][0]
            values = ", ".join(changes.get(name, name) for name in columns)
            delivered = conn.execute(
                f"insert into raw.{entity} ({', '.join(columns)}, _object_id, _row_number,"
                " _delivered_on, _object_key, _object_modified_at)"
                f" select {values}, {object_id}, row_number() over (), '{day}', '{key}', now()"
                f" from raw.{entity} where {where}".encode()
            ).rowcount
            assert delivered > 0, (entity, where)

    def moved(self, where: str, by: str, suffix: str) -> None:
        """Deliver calls again as other calls, earlier or later."""
        self.again(
            "calls",
            where,
            call_id=f"call_id || '{suffix}'",
            **{name: f"{name} + interval '{by}'" for name in (*TIMES, "updated_at")},
        )

    def build(self, full_refresh: bool = False) -> DbtResult:
        return build(self.settings, "run", full_refresh=full_refresh)

    def contents(self) -> dict[str, list[str]]:
        """The rows of every relation that models make, as text, in no order."""
        with connect(self.settings) as conn:
            return {
                f"{schema}.{name}": sorted(
                    row
                    for (row,) in conn.execute(
                        sql.SQL("select t::text from {} as t").format(sql.Identifier(schema, name))
                    )
                )
                for schema, name in conn.execute(
                    "select relnamespace::regnamespace::text, relname from pg_class"
                    " where relkind in ('r', 'v') and relnamespace::regnamespace::text"
                    "  in ('intermediate', 'marts', 'marts_pii')"
                ).fetchall()
            }


def assert_increment_is_whole(centre: Centre) -> None:
    """Build what changed, then everything: the same rows."""
    result = centre.build()
    assert result.plan is not None
    assert result.plan.is_increment, result.plan.reason
    found = centre.contents()

    centre.build(full_refresh=True)
    wanted = centre.contents()

    assert found.keys() == wanted.keys()
    differing = {
        name: (sorted(set(found[name]) - set(rows))[:3], sorted(set(rows) - set(found[name]))[:3])
        for name, rows in wanted.items()
        if found[name] != rows
    }
    assert differing == {}


@pytest.fixture(scope="module")
def centre(invented: Marts, tmp_path_factory: pytest.TempPathFactory) -> Centre:
    """A copy of the invented centre's warehouse, built."""
    dsn = invented.settings.warehouse_dsn
    name, copy = conninfo_to_dict(dsn)["dbname"], f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as conn:
        conn.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(copy), sql.Identifier(str(name))
            )
        )
    return Centre(
        replace(
            invented.settings,
            home=tmp_path_factory.mktemp("incremental"),
            warehouse_dsn=make_conninfo(dsn, dbname=copy),
        )
    )


# What is delivered, one delivery a name. Every word of it is SQL over the rows that are there.

DELIVERIES: dict[str, Callable[[Centre], object]] = {
    "rows repeated": lambda c: (c.again("calls", "true"), c.again("customers", "true")),
    "late calls": lambda c: c.moved("call_id in ('c01', 'c05', 'c07', 'i05')", "-3 hours", "-late"),
    "an old call corrected": lambda c: c.again(
        "calls",
        "call_id = 'c06'",
        disposition="'NOANSWER'",
        sip_code="480",
        answered_at="null",
        agent_joined_at="null",
        updated_at="updated_at + interval '2 days'",
    ),
    "a call that loses its ids": lambda c: c.again(
        "calls",
        "call_id in ('c03', 'i01', 'c09')",
        customer_id="null",
        line_id="null",
        campaign_id="null",
        updated_at="updated_at + interval '3 days'",
    ),
    "a recording heard anew": lambda c: c.execute(
        "insert into facts.recordings (content_hash, analyser_version, outcome, is_answered,"
        " is_connected, confidence, reason, duration_seconds, analysed_at)"
        " select content_hash, 'anew', 'voicemail', true, false, 0.9, 'again', duration_seconds,"
        " now() + interval '1 hour' from facts.recordings where outcome = 'human'"
    ),
    "a hit rejected": lambda c: c.execute(
        "insert into raw.phrase_reviews (hit_id, reviewer, verdict, reviewed_at, _object_id,"
        " _row_number, _delivered_on, _object_key, _object_modified_at, _source)"
        " select hit_id, 'r', 'rejected', started_at + interval '1 day', -1, row_number() over (),"
        " '2026-11-05', 'k', now(), 'crm' from intermediate.int_phrase_hits_judged"
        " where purpose = 'rule'"
    ),
    "a step of a route corrected": lambda c: c.again(
        "call_routes",
        "call_id = 'i05' and step_no = 1",
        left_at="left_at + interval '5 seconds'",
        updated_at="'2026-11-05'",
    ),
    "states and shifts": lambda c: (
        c.again(
            "agent_states",
            "agent_id = 'A1' and state = 'break'",
            state="'meeting'",
            started_at="started_at + interval '7 minutes'",
        ),
        c.again(
            "agent_schedules",
            "agent_id = 'A2' and activity = 'meal'",
            starts_at="starts_at + interval '1 hour'",
            ends_at="ends_at + interval '1 hour'",
        ),
    ),
    "demands, late and new": lambda c: (
        c.again(
            "demands",
            "demand_id = 'D5'",
            stage="'won'",
            updated_at="updated_at + interval '1 day'",
        ),
        c.again(
            "demands",
            "demand_id = 'D4'",
            stage="'new'",
            updated_at="updated_at - interval '2 days'",
        ),
    ),
    "a complaint for another": lambda c: c.again(
        "complaints", "complaint_id = 'X1'", customer_id="'K03'", updated_at="'2026-11-05'"
    ),
    "a complaint gone": lambda c: c.execute("delete from raw.complaints where complaint_id = 'X2'"),
    "a number changes hands": lambda c: (
        c.again(
            "customers",
            "customer_id = 'K11'",
            phone="'+8613800138777'",
            phone_delivered="'x'",
            updated_at="'2026-10-30 09:00+08'",
        ),
        c.again(
            "customers",
            "customer_id = 'K12'",
            phone="'+8613800138011'",
            phone_delivered="'x'",
            updated_at="'2026-10-30 09:00+08'",
        ),
    ),
    "a customer merged": lambda c: c.again(
        "customers",
        "customer_id = 'K09'",
        merged_into_customer_id="'K08'",
        updated_at="'2026-11-01 09:00+08'",
    ),
    "consent withdrawn in the past": lambda c: c.again(
        "customers",
        "customer_id = 'K03'",
        consent_status="'withdrawn'",
        do_not_call="true",
        updated_at="'2026-10-20 09:00+08'",
    ),
    "calls and a customer erased": lambda c: (
        c.execute("delete from raw.calls where call_id in ('c02', 'i06')"),
        c.execute("delete from raw.customers where customer_id = 'K05'"),
    ),
    "hits found no more": lambda c: c.execute(
        "delete from facts.phrase_hits where transcript_sha256 in"
        " (select min(transcript_sha256) from facts.phrase_hits)"
    ),
    "two days later": lambda c: c.moved("call_id in ('c01', 'i02')", "5 days", "-next"),
    "the window leaves": lambda c: c.moved("call_id = 'c05'", "95 days", "-far"),
}


DAYS_GO_BY = ("two days later", "the window leaves")


def test_everything_at_once_after_a_build_that_broke(centre: Centre) -> None:
    for name in sorted(DELIVERIES.keys() - set(DAYS_GO_BY)):
        DELIVERIES[name](centre)
    # The server ends the session that writes the scores, when half of the layer is written.
    centre.execute(
        "create function public.end_session() returns trigger language plpgsql as"
        " $$begin perform pg_terminate_backend(pg_backend_pid()); return null; end$$"
    )
    centre.execute(
        "create trigger breaks before delete on intermediate.int_evaluation_scores_rounded"
        " for each statement execute function public.end_session()"
    )
    with pytest.raises(DbtError, match="int_evaluation_scores_rounded"):
        centre.build()
    centre.execute("drop trigger breaks on intermediate.int_evaluation_scores_rounded")

    for name in DAYS_GO_BY:
        DELIVERIES[name](centre)

    assert_increment_is_whole(centre)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update raw.lines set line_group = 'other' where line_id = 'L1'", "lines"),
        ("update raw.agents set extension = '8009' where agent_id = 'A5'", "agents"),
        ("update raw.campaigns set product = 'other' where campaign_id = 'CS'", "campaigns"),
        ("update raw.sales_rules set parameters = '{}'", "sales_rules"),
        ("update ops.disposition_words set outcome = 'human'", "disposition_words"),
        ("truncate raw.demands", "emptied since the last build: raw.demands"),
        ("update ops.build_state set built_from = null", "no complete build stands"),
    ],
)
def test_what_can_touch_everything_makes_a_full_refresh(
    centre: Centre, change: str, reason: str
) -> None:
    with connect(centre.settings) as conn:
        built_by = conn.execute("select built_by from ops.build_state").fetchall()[0][0]
        assert plan_build(conn, built_by).is_increment
        before = fingerprint(conn, {})
        conn.execute(change.encode())
        after = {
            name: value for name, value in fingerprint(conn, {}).items() if value != before[name]
        }
        plan = plan_build(conn, {**built_by, **after})
        conn.rollback()

    assert not plan.is_increment
    assert reason in plan.reason


@pytest.mark.parametrize(
    "again", ["update raw.lines set _delivered_on = '2027-01-01', _object_key = 'crm/lines/again'"]
)
def test_small_tables_delivered_again_stay_an_increment(centre: Centre, again: str) -> None:
    with connect(centre.settings) as conn:
        before = fingerprint(conn, {})
        conn.execute(again.encode())
        after = fingerprint(conn, {})
        conn.rollback()

    assert after == before


def test_another_day_or_key_is_another_build(centre: Centre) -> None:
    with connect(centre.settings) as conn:
        prints = [fingerprint(conn, v) for v in ({}, {"as_of": "2026-11-01"}, {"pseudonyms": "x"})]

    assert len({found["a variable"] for found in prints}) == 3


@pytest.mark.parametrize("seed", range(2))
def test_deliveries_in_any_order(centre: Centre, seed: int) -> None:
    for name in random.Random(seed).sample(sorted(DELIVERIES), 5):
        DELIVERIES[name](centre)
        assert_increment_is_whole(centre)
