"""Suites fit the contracts they check, a broken row is found and named, nothing secret is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import yaml
from psycopg import sql

from callmart.contracts import load_entities
from callmart.contracts.outcomes import OUTCOMES
from callmart.settings import PROJECT_ROOT, Settings
from callmart.warehouse.expectations import PROJECT, ValidationOutcome, validate

SUITES = {
    f"{path.parent.name}.{path.stem}": json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((PROJECT / "suites").rglob("*.json"))
}


def mart_contracts() -> dict[str, dict[str, str]]:
    """Mart → column → type, as dbt enforces them."""
    marts: dict[str, dict[str, str]] = {}
    for path in sorted((PROJECT_ROOT / "dbt" / "models" / "marts").rglob("*.yml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for model in document.get("models") or []:
            columns = model.get("columns") or []
            if columns:
                marts[model["name"]] = {column["name"]: column["data_type"] for column in columns}
    return marts


def columns_of(suite: dict[str, Any]) -> set[str]:
    named: set[str] = set(suite["meta"]["key"])
    for rule in suite["expectations"]:
        arguments = rule["kwargs"]
        named |= {
            arguments[name] for name in ("column", "column_A", "column_B") if name in arguments
        }
        named |= set(arguments.get("column_list", []))
    return named


# --- the suites as files --------------------------------------------------------------------------


def test_every_mart_and_every_entity_has_a_suite() -> None:
    assert {name for name in SUITES if name.startswith("marts.")} == {
        f"marts.{name}" for name in mart_contracts()
    }
    assert {name for name in SUITES if name.startswith("raw.")} == {
        *(f"raw.{name}" for name in load_entities()),
        "raw.recordings",
        "raw.transcripts",
        "raw.transcript_segments",
    }


@pytest.mark.parametrize("table", sorted(SUITES))
def test_a_suite_names_its_table_and_says_each_rule_once(table: str) -> None:
    suite = SUITES[table]
    assert suite["name"] == table
    rules = suite["expectations"]
    assert rules
    assert len({rule["description"] for rule in rules}) == len(rules)
    assert len({UUID(rule["id"]) for rule in rules}) == len(rules)
    assert {rule["severity"] for rule in rules} <= {"critical", "warning", "info"}


@pytest.mark.parametrize("mart", sorted(mart_contracts()))
def test_rules_on_a_mart_name_columns_of_its_contract(mart: str) -> None:
    assert columns_of(SUITES[f"marts.{mart}"]) <= set(mart_contracts()[mart])


def test_rules_on_raw_allow_the_words_of_the_contract() -> None:
    for name, entity in load_entities().items():
        allowed = {
            rule["kwargs"]["column"]: set(rule["kwargs"]["value_set"])
            for rule in SUITES[f"raw.{name}"]["expectations"]
            if rule["type"] == "expect_column_values_to_be_in_set"
        }
        wanted = {
            column: set(definition["values"])
            for column, definition in entity_columns(name).items()
            if definition["type"] == "enum"
        }
        assert allowed == wanted, entity


def entity_columns(name: str) -> dict[str, dict[str, Any]]:
    text = (PROJECT_ROOT / "plugins/callmart/contracts/entities.yaml").read_text(encoding="utf-8")
    columns: dict[str, dict[str, Any]] = yaml.safe_load(text)[name]["columns"]
    return columns


def test_outcomes_of_a_call_are_the_words_of_the_contract() -> None:
    [rule] = [
        rule
        for rule in SUITES["marts.calls"]["expectations"]
        if rule["kwargs"].get("column") == "outcome" and "value_set" in rule["kwargs"]
    ]
    assert set(rule["kwargs"]["value_set"]) == OUTCOMES


# --- against a warehouse --------------------------------------------------------------------------


@pytest.fixture
def settings(postgres: str, tmp_path: Path) -> Settings:
    return Settings.from_environment(
        {"CALLMART_WAREHOUSE_DSN": postgres, "CALLMART_HOME": str(tmp_path / "home")}
    )


@pytest.fixture
def connection(postgres: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres, autocommit=True) as opened:
        yield opened


def insert(connection: psycopg.Connection, table: str, **values: Any) -> None:
    schema, name = table.split(".")
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(schema, name),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        ),
        list(values.values()),
    )


def insert_call(connection: psycopg.Connection, number: int, **changes: Any) -> None:
    values: dict[str, Any] = {
        "call_id": f"c-{number}",
        "direction": "outbound",
        "started_at": "2026-11-16T09:00:00+08:00",
        "ended_at": "2026-11-16T09:01:00+08:00",
        "_object_id": 1,
        "_row_number": number,
        "_delivered_on": "2026-11-16",
        "_object_key": "crm/calls/dt=2026-11-16/calls.csv",
        "_object_modified_at": "2026-11-16T20:00:00+08:00",
        "_source": "contract",
    }
    insert(connection, "raw.calls", **(values | changes))


def rules_broken(outcome: ValidationOutcome) -> set[tuple[str, str]]:
    return {(finding.table, finding.rule) for finding in outcome.findings if not finding.is_met}


@pytest.mark.postgres
def test_good_rows_pass_and_a_broken_row_is_named(
    settings: Settings, connection: psycopg.Connection, postgres: str
) -> None:
    for number in range(30):
        insert_call(connection, number)
    outcome = validate(settings, "raw")
    assert outcome.success, str(outcome)
    assert outcome.failures == []
    assert outcome.warnings == []

    insert_call(connection, 99, direction="sideways", sip_code=7)
    outcome = validate(settings, "raw")
    assert not outcome.success
    assert rules_broken(outcome) == {
        ("raw.calls", "direction is one of outbound, inbound"),
        ("raw.calls", "sip_code lies between 100 and 699"),
    }
    assert outcome.suites["raw.calls"] is False
    assert outcome.suites["raw.customers"] is True
    [sentence] = [failure for failure in outcome.failures if "direction" in failure]
    assert sentence == (
        "raw.calls: it does not hold that direction is one of outbound, inbound: "
        "1 of 31 rows breaks it, e.g. call_id c-99, direction sideways"
    )

    kept = connection.execute(
        "select severity, rows_checked, rows_unexpected, samples from ops.expectation_results"
        " where not is_met and table_name = 'raw.calls' and rule like 'direction%%'"
    ).fetchall()
    assert kept == [("critical", 31, 1, [{"call_id": "c-99", "direction": "sideways"}])]
    runs = connection.execute(
        "select count(distinct validated_at) from ops.expectation_results"
    ).fetchone()
    assert runs == (2,)

    assert outcome.data_docs_path.is_file()
    assert "direction" in "".join(
        path.read_text(encoding="utf-8")
        for path in outcome.data_docs_path.parent.rglob("calls.html")
    )
    front = (settings.home / "expectations" / "index.html").read_text(encoding="utf-8")
    assert "raw/index.html" in front
    assert "marts/index.html" not in front
    password = postgres.split(":")[2].split("@")[0].encode()
    written = [path for path in settings.home.rglob("*") if path.is_file()]
    assert written
    assert [path for path in written if password in path.read_bytes()] == []
    assert [
        path for path in PROJECT.rglob("*") if path.is_file() and password in path.read_bytes()
    ] == []


@pytest.mark.postgres
def test_a_warning_lets_pass(settings: Settings) -> None:
    outcome = validate(settings, "raw")
    assert outcome.success
    assert outcome.warnings == [
        "raw.calls: it does not hold that calls have arrived: the table has 0 rows"
    ]


@pytest.mark.postgres
def test_marts_that_were_never_built_fail_with_their_names(settings: Settings) -> None:
    outcome = validate(settings, "marts")
    assert not outcome.success
    assert outcome.failures == [
        f"marts.{name}: the table does not exist" for name in sorted(mart_contracts())
    ]


def test_there_are_two_layers(settings: Settings) -> None:
    with pytest.raises(ValueError, match="on raw and on marts, not on 'staging'"):
        validate(settings, "staging")


def make_marts(connection: psycopg.Connection) -> None:
    """The marts as their contracts say, empty."""
    connection.execute("create schema if not exists marts")
    for name, columns in mart_contracts().items():
        connection.execute(
            sql.SQL("create table {} ({})").format(
                sql.Identifier("marts", name),
                sql.SQL(", ").join(
                    sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
                    for column, kind in columns.items()
                ),
            )
        )


@pytest.mark.postgres
def test_each_broken_mart_is_found(settings: Settings, connection: psycopg.Connection) -> None:
    make_marts(connection)
    insert(connection, "marts.data_freshness", entity="calls", source="contract", rows_loaded=1)
    day = "2026-11-16"
    scored = {"customer_id": "C-1", "evaluation_date": day, "rule_version": 1, "is_current": True}
    insert(connection, "marts.evaluation_inspection", **scored, score="70.50", confidence="0.5")
    contribution = {**scored, "evaluation": "inspection", "component": "phrases", "weight": 40}
    del contribution["is_current"]
    insert(
        connection, "marts.evaluation_ledger", contribution_id="1", points="30.25", **contribution
    )
    insert(
        connection, "marts.evaluation_ledger", contribution_id="2", points="40.25", **contribution
    )
    quality = {"customer_id": "C-1", "tier": "B", "total_score": "70.50", "confidence": "0.5"}
    insert(connection, "marts.customer_quality", valid_from=day, is_current=True, **quality)
    summary = {"call_date": day, "attempts": 1, "answered": 1, "connected": 0}
    ratios = {
        "answer_seizure_ratio": 1.0,
        "connection_ratio": 0.0,
        "network_effectiveness_ratio": 1.0,
    }
    insert(connection, "marts.daily_call_summary", **summary, **ratios, network_effective=1)
    insert(
        connection, "marts.traffic", **summary, **ratios, network_effective=1,
        traffic_id="t", half_hour_at=f"{day}T09:00:00+08:00",
    )  # fmt: skip
    call = {"call_id": "c-1", "direction": "outbound", "call_date": day, "is_answered": True}
    call |= {"started_at": f"{day}T09:00:00+08:00", "outcome": "voicemail", "is_connected": False}
    insert(connection, "marts.calls", **call)
    insert_call(connection, 1)
    outcome = validate(settings, "marts")
    assert outcome.success, str(outcome)
    assert rules_broken(outcome) == set(), str(outcome)

    insert(
        connection,
        "marts.evaluation_conversation",
        **(scored | {"customer_id": "C-2"}),
        score="120",
    )
    connection.execute(
        "update marts.evaluation_ledger set points = points + 0.01 where contribution_id = '2'"
    )
    insert(
        connection, "marts.customer_quality", valid_from="2026-11-15", is_current=True, **quality
    )
    connection.execute("update marts.customer_quality set tier = 'E' where valid_from = %s", (day,))
    connection.execute("update marts.daily_call_summary set attempts = 2")
    connection.execute("update marts.traffic set connection_ratio = 1.5")
    insert(connection, "marts.calls", **(call | {"outcome": "robot", "call_date": "2026-11-17"}))
    insert_call(connection, 2, call_id="c-lost")
    outcome = validate(settings, "marts")
    assert not outcome.success
    broken = rules_broken(outcome)
    assert broken >= {
        ("marts.evaluation_conversation", "score lies between 0 and 100"),
        ("marts.evaluation_inspection", "the ledger's points add up to the score exactly"),
        ("marts.customer_quality", "tier is one of A, B, C, D"),
        ("marts.customer_quality", "a customer has exactly one current row"),
        ("marts.customer_quality", "the spans of a customer do not overlap"),
        ("marts.daily_call_summary", "attempts and connections of a day are those of its calls"),
        ("marts.daily_call_summary", "the half hours of a day add up to the day"),
        ("marts.traffic", "connection_ratio lies between 0 and 1"),
        ("marts.calls", "call_id is unique"),
        ("marts.calls", "every call that arrived is here"),
    }
    assert not any(table == "marts.line_health" for table, _ in broken)
    [lost] = [
        found for found in outcome.findings if found.rule == "every call that arrived is here"
    ]
    assert lost.rows_unexpected == 1
    assert lost.samples == [{"call_id": "c-lost"}]
    [ledger] = [found for found in outcome.findings if found.rule.startswith("the ledger's points")
                and not found.is_met and found.table == "marts.evaluation_inspection"]  # fmt: skip
    assert ledger.samples == [
        {
            "customer_id": "C-1",
            "evaluation_date": day,
            "rule_version": 1,
            "score": 70.5,
            "points": 70.51,
        }
    ]
