"""The entities: what the contract promises is in the definition."""

from __future__ import annotations

import pytest

from callmart.contracts import load_entities
from callmart.contracts.entities import parse_entities

# docs/contracts.md: keys (*) and what a file must have (bold).
PROMISED = {
    "customers": (("customer_id",), {"phone"}),
    "demands": (("demand_id",), {"customer_id", "stage"}),
    "campaigns": (("campaign_id",), set()),
    "lines": (("line_id",), {"number"}),
    "agents": (("agent_id",), set()),
    "agent_states": (("agent_id", "state", "started_at"), set()),
    "agent_schedules": (("agent_id", "starts_at"), {"activity"}),
    "calls": (("call_id",), {"direction", "started_at"}),
    "call_routes": (("call_id", "step_no"), {"step_type"}),
    "sales_rules": (("rule_id", "effective_from"), {"rule_type"}),
    "phrase_rules": (("rule_id", "effective_from"), {"definition"}),
    "complaints": (("complaint_id",), {"received_at"}),
    "number_marks": (("number", "observed_at"), {"marked_as"}),
    "phrase_reviews": (("hit_id", "reviewer"), {"verdict", "reviewed_at"}),
}


@pytest.mark.parametrize("name", PROMISED)
def test_keys_and_required_columns(name: str) -> None:
    key, required = PROMISED[name]
    entity = load_entities()[name]
    assert set(entity.key) == set(key)
    assert set(entity.required) == {*key, *required}


def test_no_entity_is_missing_and_each_may_carry_updated_at() -> None:
    entities = load_entities()
    assert set(entities) == set(PROMISED)
    assert all(entity.columns["updated_at"].type == "timestamp" for entity in entities.values())


def test_a_phone_is_two_columns_of_the_raw_table() -> None:
    columns = dict(load_entities()["lines"].raw_columns())
    assert columns["number"] == columns["number_delivered"] == "text"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("a: {type: text}", "no key"),
        ("a: {type: words, key: true}", "a"),
        ("a: {type: enum, key: true}", "lists its values"),
        ("a: {type: text, key: true, colour: red}", "colour"),
    ],
)
def test_a_faulty_definition_is_refused(columns: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_entities(f"things:\n  description: {{en: t}}\n  columns:\n    {columns}\n")
