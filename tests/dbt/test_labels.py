"""Every code that a reader meets has a name in English and Chinese, in a seed."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from functools import cache

import pytest
from built_marts import Marts

from callmart.contracts import load_entities
from callmart.settings import PROJECT_ROOT

SEEDS = PROJECT_ROOT / "dbt" / "seeds"
SUITES = PROJECT_ROOT / "expectations" / "suites" / "marts"

# Seeds that name codes of one kind: their column of codes.
OWN_SEEDS = {
    "outcomes": "outcome",
    "decision_reasons": "decision_reason",
    "rule_types": "rule_type",
    "agent_state_activities": "state",
    "quality_tiers": "tier",
    "evaluation_labels": "evaluation",
    "next_action_rules": "action_code",
}
# Column of a mart → the attribute of code_labels, or the seed, that names its codes. `mart.column` goes
# before a plain column.
NAMED_BY = {
    "action_code": "next_action_rules",
    "adjusted_label": "emotion",
    "advice": "advice",
    "agent_emotion": "emotion",
    "agent_match_method": "match_method",
    "announcement_outcome": "outcomes",
    "best_day_class": "day_class",
    "call_blocked_by": "call_blocked_by",
    "call_relation": "call_relation",
    "consent_status": "consent_status",
    "crm_stage": "stage",
    "customer_demand_history.source": "known_from",
    "customer_emotion": "emotion",
    "customer_match_method": "match_method",
    "customer_time_zone_origin": "time_zone_origin",
    "decided_by": "decided_by",
    "decision_reason": "decision_reasons",
    "direction": "direction",
    "dispute": "dispute",
    "do_not_call_requests.status": "request_status",
    "evaluation": "evaluation_labels",
    "event_type": "event_type",
    "evidence_type": "evidence_type",
    "family": "model_family",
    "fate": "fate",
    "follow_ups.origin": "promise_origin",
    "follow_ups.status": "follow_up_status",
    "hangup_by": "hangup_by",
    "interval_method": "interval_method",
    "issue_type": "issue_type",
    "kind": "phrase_kind",
    "label": "emotion",
    "led_by": "step_type",
    "line_health.verdict": "line_verdict",
    "line_match_method": "match_method",
    "line_mode": "line_mode",
    "line_mode_comparison.verdict": "mode_verdict",
    "longest_state": "agent_state_activities",
    "lost_at": "step_type",
    "next_stage": "stage",
    "outcome": "outcomes",
    "previous_tier": "quality_tiers",
    "recording_outcome": "outcomes",
    "rests_on": "best_time_basis",
    "review_verdict": "verdict",
    "role": "phrase_role",
    "rule_origin": "rule_origin",
    "rule_type": "rule_types",
    "severity": "severity",
    "side": "side",
    "signalling_outcome": "outcomes",
    "stage": "stage",
    "tier": "quality_tiers",
    "transcript_source": "transcript_source",
    "unmatched_calls.reason": "unmatched_reason",
    "when_to_call": "when_to_call",
}
# A word of the source that nobody has defined is shown as it came, and watched in code_watch.
UNDEFINED_WORDS_ARE_WATCHED = {"longest_state", "rule_type"}
# Answered, but not by whom: the signalling's own word, which no verdict keeps.
NOT_A_VERDICT = {"signalling_outcome": {"answered"}}
# Enumerations of the contract that no mart shows under the same name.
ENUMERATIONS = {"step_type", "marked_as", "dial_mode", "activity", "selection", "hangup_by"}


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def named(by: str) -> frozenset[str]:
    """The codes that a seed of their own, or an attribute of code_labels, names."""
    if by in OWN_SEEDS:
        return frozenset(row[OWN_SEEDS[by]] for row in seed(by))
    return frozenset(row["code"] for row in seed("code_labels") if row["attribute"] == by)


def namer(mart: str, column: str) -> str | None:
    return NAMED_BY.get(f"{mart}.{column}", NAMED_BY.get(column))


def test_labels_are_unique_and_in_both_languages() -> None:
    rows = seed("code_labels")
    counted = Counter((row["attribute"], row["code"]) for row in rows)
    assert [key for key, count in counted.items() if count > 1] == []
    for row in rows:
        assert re.search("[A-Za-z]", row["label_en"]), row
        assert re.search("[\u4e00-\u9fff]", row["label_zh"]), row


def test_every_enumeration_of_the_contract_has_labels() -> None:
    lacking = {
        f"{entity.name}.{column.name}": missing
        for entity in load_entities().values()
        for column in entity.columns.values()
        if column.values and (missing := set(column.values) - named(column.name))
    }
    assert lacking == {}
    assert all(named(name) for name in ENUMERATIONS)


def test_every_set_of_words_of_the_suites_has_labels() -> None:
    """The suites list all words that a column may hold, also those that no data here show."""
    checked = 0
    for path in sorted(SUITES.glob("*.json")):
        for expectation in json.loads(path.read_text(encoding="utf-8"))["expectations"]:
            if expectation["type"] != "expect_column_values_to_be_in_set":
                continue
            column, words = expectation["kwargs"]["column"], expectation["kwargs"]["value_set"]
            if not all(isinstance(word, str) for word in words):
                continue
            by = namer(path.stem, column)
            assert by, f"{path.stem}.{column}: a column of codes that NAMED_BY leaves out"
            assert set(words) <= named(by), f"{path.stem}.{column}: {set(words) - named(by)}"
            checked += 1
    assert checked > 20


@pytest.mark.postgres
def test_every_code_in_the_marts_has_a_label(marts: Marts) -> None:
    columns = marts.query(
        "select relname::text, attname::text from pg_attribute join pg_class on pg_class.oid = attrelid"
        " where relnamespace = 'marts'::regnamespace and relkind in ('r', 'p') and attnum > 0"
        " and atttypid = 'text'::regtype"
    )
    lacking, checked = {}, 0
    for mart, column in columns:
        by = namer(mart, column)
        if by is None or column in UNDEFINED_WORDS_ARE_WATCHED:
            continue
        codes = set(marts.column(f"select distinct {column} from marts.{mart}")) - {None}
        checked += bool(codes)
        if missing := codes - named(by) - NOT_A_VERDICT.get(column, set()):
            lacking[f"{mart}.{column}"] = sorted(missing)
    assert lacking == {}
    assert checked > 40


@pytest.mark.postgres
def test_readers_find_every_label_in_a_mart(marts: Marts) -> None:
    published = set(marts.query("select attribute, code from marts.code_names"))
    assert {(row["attribute"], row["code"]) for row in seed("code_labels")} <= published
    for attribute, by in (
        ("outcome", "outcomes"),
        ("decision_reason", "decision_reasons"),
        ("rule_type", "rule_types"),
        ("agent_state", "agent_state_activities"),
        ("tier", "quality_tiers"),
        ("evaluation", "evaluation_labels"),
        ("action_code", "next_action_rules"),
    ):
        assert {code for kind, code in published if kind == attribute} == named(by) - {""}, (
            attribute
        )
