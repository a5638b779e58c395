"""A small centre whose past is replayed: four customers, five days, words, rules that change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from callmart.landing import discover, load_objects
from callmart.local.postgres import PostgresServer
from callmart.recordings import match_phrases
from callmart.replay.runs import _basis
from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import build
from callmart.weights.versions import propose

DAYS = ("2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20")
CUSTOMERS = ("C1", "C2", "C3", "C4")

SAID = {
    # customer → what the agent says on each of the days
    "C1": ("您好，保证收益。", "您好，稳赚不赔。", "您好，稳赚不赔。", "您好。", "您好。"),
    "C2": ("您好。", "您好。", "您好，保证收益。", "您好。", "您好。"),
}

PHRASE_RULES = [
    {
        "rule_id": "promise",
        "definition": {"id": "promise", "severity": "critical", "any": ["保证收益"]},
        "effective_from": "2026-11-01T00:00:00+08:00",
    },
    {
        "rule_id": "promise",
        "definition": {"id": "promise", "severity": "critical", "any": ["保证收益", "稳赚不赔"]},
        "effective_from": "2026-11-18T00:00:00+08:00",
    },
]
HOURS = {"rule_id": "hours", "rule_type": "calling_hours", "severity": "major"}
SALES_RULES = [
    {
        **HOURS,
        "parameters": {"from": "09:00", "to": "21:00"},
        "effective_from": "2026-11-01T00:00:00+08:00",
    },
    # Known today, in force next year: what it would have meant can be replayed.
    {
        **HOURS,
        "parameters": {"from": "09:00", "to": "18:00"},
        "effective_from": "2027-01-01T00:00:00+08:00",
    },
]


def calls() -> list[dict[str, Any]]:
    """A call at ten and one at seven in the evening, of every customer on every day."""
    rows = []
    for number, customer in enumerate(CUSTOMERS):
        for day in DAYS:
            for hour in (10, 19):
                started = datetime.fromisoformat(f"{day}T{hour}:0{number}:00+08:00")
                # C3 never picks up, C4 only in the evening; C1 talks longer every day.
                is_answered = customer in ("C1", "C2") or (customer == "C4" and hour == 19)
                seconds = 40 + 30 * DAYS.index(day) if customer == "C1" else 20
                answered = started + timedelta(seconds=8)
                rows.append(
                    {
                        "call_id": f"{customer}-{day}-{hour}",
                        "direction": "outbound",
                        "customer_id": customer,
                        "agent_id": "A1",
                        "started_at": started.isoformat(),
                        "answered_at": answered.isoformat() if is_answered else None,
                        "agent_joined_at": answered.isoformat() if is_answered else None,
                        "ended_at": (
                            started + timedelta(seconds=8 + seconds if is_answered else 25)
                        ).isoformat(),
                        "disposition": "human" if is_answered else "no_answer",
                        "hangup_by": "customer",
                    }
                )
    return rows


def deliveries() -> dict[str, str]:
    """Objects of the bucket by key."""
    customers = [
        {
            "customer_id": customer,
            "name": customer,
            "consent_status": "granted" if customer != "C3" else "refused",
            "do_not_call": False,
            "created_at": "2026-11-01T00:00:00+08:00",
        }
        for customer in CUSTOMERS
    ]
    rows = {
        "customers": customers,
        "agents": [{"agent_id": "A1", "name": "Agent", "team": "T1"}],
        "calls": calls(),
        "phrase_rules": PHRASE_RULES,
        "sales_rules": SALES_RULES,
    }
    objects = {
        f"crm/{entity}/dt=2026-11-20/{entity}.jsonl": "\n".join(
            json.dumps(row, ensure_ascii=False) for row in of_entity
        )
        for entity, of_entity in rows.items()
    }
    for customer, words in SAID.items():
        for day, text in zip(DAYS, words, strict=True):
            call_id = f"{customer}-{day}-10"
            objects[f"transcripts/dt={day}/{call_id}.json"] = json.dumps(
                {
                    "call_id": call_id,
                    "language": "zh",
                    "segments": [
                        {"role": "agent", "start_ms": 9000, "end_ms": 12000, "text": text},
                        {"role": "customer", "start_ms": 12500, "end_ms": 14000, "text": "好的。"},
                    ],
                },
                ensure_ascii=False,
            )
    return objects


@dataclass(frozen=True)
class Centre:
    """A warehouse with built marts."""

    settings: Settings

    def query(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with connect(self.settings) as connection:
            return connection.execute(statement.encode(), arguments).fetchall()

    def published(self) -> dict[str, str]:
        """A hash of all rows of each table that dbt made, whatever their order.

        What the versions of weights hold is left out: one was proposed after the build.
        """
        tables = self.query(
            "select schemaname, tablename from pg_tables"
            " where schemaname in ('intermediate', 'marts', 'marts_pii') and not tablename = any(%s)"
            " order by 1, 2",
            ["int_evaluation_weights", "int_evaluation_knots", "int_evaluation_knots_joined"],
        )
        assert len(tables) > 50
        hashes = {}
        with connect(self.settings) as connection:
            for schema, table in tables:
                row = connection.execute(
                    sql.SQL(
                        "select md5(string_agg(r::text, chr(10) order by r::text)) from {} as r"
                    ).format(sql.Identifier(schema, table))
                ).fetchone()
                assert row is not None
                hashes[f"{schema}.{table}"] = row[0]
        return hashes

    def side_schemas(self) -> Sequence[str]:
        found = self.query("select nspname from pg_namespace where starts_with(nspname, 'replay')")
        return [name for (name,) in found]


@pytest.fixture(scope="session")
def built(
    make_database: Callable[[], str],
    s3_server: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Centre]:
    """The centre as it is published, with a proposed version 2 of the weights. Nobody writes into it."""
    import boto3

    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.items():
            patch.setenv(name, value)
        settings = replace(
            Settings.from_environment(),
            home=tmp_path_factory.mktemp("replay-home"),
            warehouse_dsn=make_database(),
            bucket="replay-landing",
            s3_endpoint_url=s3_server["CALLMART_S3_ENDPOINT_URL"],
            sources_dir=None,
        )
        client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
        client.create_bucket(Bucket=settings.bucket)
        for key, body in deliveries().items():
            client.put_object(Bucket=settings.bucket, Key=key, Body=body.encode())
        for batch in discover(settings):
            summary = load_objects(settings, batch["object_ids"])
            assert summary.failed == 0, summary.messages
        match_phrases(settings)
        build(settings, "build", unit_tests=False, data_tests=False)
        centre = Centre(settings)
        weights = dict(
            centre.query(
                "select component, weight::float from intermediate.int_evaluation_weights"
                " where evaluation = 'engagement' and rule_version = 1"
            )
        )
        heaviest = max(weights, key=lambda name: weights[name])
        lightest = min(weights, key=lambda name: weights[name])
        weights[heaviest], weights[lightest] = weights[lightest], weights[heaviest]
        propose(
            settings,
            {"engagement": {name: {"weight": weight} for name, weight in weights.items()}},
            {"engagement": "turned round by hand"},
            "turned round",
            {"engagement": {}},
        )
        # As after a replay of the same data: those of the copies need not build what stands.
        with connect(settings) as connection:
            connection.execute(
                "insert into ops.replays"
                " (status, from_date, to_date, versions, prefix, basis, built_at, decided_at)"
                " values ('discarded', %s, %s, '{}', 'replay_0_', %s, now(), now())",
                (DAYS[0], DAYS[-1], Jsonb(_basis(settings))),
            )
        yield centre


@pytest.fixture
def copy_of(
    built: Centre, postgres_server: PostgresServer, tmp_path: Path
) -> Callable[[str], Centre]:
    """Makes a copy of the built centre under a name, for a test that writes into it."""

    def copy(name: str) -> Centre:
        origin = psycopg.conninfo.conninfo_to_dict(built.settings.warehouse_dsn)["dbname"]
        database = f"{origin}_{name}"
        with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(database), sql.Identifier(str(origin))
                )
            )
        return Centre(replace(built.settings, warehouse_dsn=postgres_server.dsn(database)))

    return copy
