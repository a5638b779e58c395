"""Evaluations, customer quality and demand tracking on the real landing zone."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from built_marts import Marts

from callmart.recordings.wording import match_phrases
from callmart.warehouse.dbt import build

pytestmark = pytest.mark.postgres

EVALUATIONS = ("conversation", "inspection", "rules_and_lines")
MARTS = (
    *(f"evaluation_{name}" for name in EVALUATIONS),
    "evaluation_ledger",
    "phrase_violations",
    "customer_quality",
    "customer_timeline",
    "customer_demands",
    "customer_demand_changes",
    "customer_demand_history",
    "demand_funnel",
)


@pytest.fixture(scope="module")
def heard(marts: Marts) -> Marts:
    """The same marts, after the transcripts were searched for phrases."""
    match_phrases(marts.settings)
    build(marts.settings, command="run")
    return marts


def contents(marts: Marts) -> dict[str, str]:
    """A hash of all rows of each mart, whatever their order."""
    hashed = "select md5(string_agg(r::text, chr(10) order by r::text)) from marts.{} as r"
    return {table: marts.column(hashed.format(table))[0] for table in MARTS}


@pytest.mark.parametrize("evaluation", EVALUATIONS)
def test_every_customer_has_each_evaluation_with_its_ledger(heard: Marts, evaluation: str) -> None:
    customers = heard.expected["rows_current"]["customers"]
    current = heard.query(
        f"select count(*), count(distinct customer_id) from marts.evaluation_{evaluation}"
        " where is_current"
    )
    unbalanced = heard.query(
        f"select e.customer_id, e.score from marts.evaluation_{evaluation} as e"
        " left join marts.evaluation_ledger as l on l.evaluation = %s and"
        " (l.customer_id, l.evaluation_date, l.rule_version)"
        " = (e.customer_id, e.evaluation_date, e.rule_version)"
        " group by e.customer_id, e.evaluation_date, e.rule_version, e.score"
        " having sum(l.points) is distinct from e.score",
        evaluation,
    )

    assert current == [(customers, customers)]
    assert unbalanced == []


def test_no_evidence_is_said_and_gives_the_prior(heard: Marts) -> None:
    rows = heard.query(
        "select score, confidence, reason_1, reason_1_en, reason_1_zh"
        " from marts.evaluation_inspection where evidence_count = 0"
    )
    prior = heard.column(
        "select sum(weight * prior)::numeric(5, 2) from seeds.evaluation_weights"
        " where evaluation = 'inspection'"
    )[0]

    assert rows
    for score, confidence, reason, english, chinese in rows:
        assert (score, confidence, reason) == (prior, 0, "no_evidence")
        assert english
        assert chinese


def test_each_customer_has_a_tier_and_one_current_row(heard: Marts) -> None:
    customers = heard.expected["rows_current"]["customers"]
    rows = heard.query(
        "select q.customer_id, q.tier, t.tier from marts.customer_quality as q"
        " join lateral (select tier from seeds.quality_tiers where minimum_score <= q.total_score"
        " order by minimum_score desc limit 1) as t on true where q.is_current"
    )

    assert len(rows) == len({row[0] for row in rows}) == customers
    assert [row for row in rows if row[1] != row[2]] == []


def test_phrase_violations_are_the_hits_expected_by_hand(heard: Marts) -> None:
    places = ("call_id", "rule_id", "kind", "role", "segment_index", "char_start", "char_end")
    wanted = {
        (*(hit.get(place) for place in places), hit.get("text"))
        for hit in heard.expected["phrase_hits"]
    }
    found = heard.query(f"select {', '.join(places)}, quoted_text from marts.phrase_violations")

    assert set(found) == wanted
    assert len(found) == len(wanted)


def test_hits_on_announcements_stay_facts_and_cost_nothing(heard: Marts) -> None:
    scored = heard.column(
        "select distinct l.call_id from marts.evaluation_ledger as l"
        " where l.evaluation = 'inspection' and l.component = 'phrase_score' and not l.is_prior"
    )

    assert scored == ["7f3a9c52e1b04d@pbx-sh1"]


def test_demand_versions_become_changes_and_intervals(heard: Marts) -> None:
    changes = heard.query(
        "select demand_id, attribute, from_value, to_value from marts.customer_demand_changes"
    )
    d3 = heard.query(
        "select stage, stage_seconds, is_left_censored, is_current"
        " from marts.customer_demand_history where demand_id = 'D-0003' and source = 'crm'"
        " order by stage_number"
    )
    versions = heard.expected["rows_history_versions"]["demands"]

    assert set(changes) == {
        ("D-0003", "stage", "interested", "quoted"),
        ("D-0005", "stage", "negotiating", "won"),
        ("D-0005", "closed_at", None, "2026-11-18T10:00:00Z"),
        ("D-0005", "close_reason", None, "signed"),
    }
    # From 18:00 on the 17th to 17:40 on the 18th.
    assert d3 == [("interested", 85200.0, True, False), ("quoted", None, False, True)]
    assert heard.column(
        "select count(*) from marts.customer_demand_history where source = 'crm'"
    ) == [versions]


@pytest.mark.parametrize(
    ("demand_id", "stage", "is_overdue", "is_reopened", "staleness_hours"),
    [
        # Due 10:00 on the 19th, last attempt on the 18th, not connected; version of 18:00 on the 17th.
        ("D-0001", "new", True, False, 54.0),
        # Due on the 16th, before the version of 17:40 on the 18th; C-0022 answered nobody since.
        ("D-0003", "quoted", False, False, None),
        ("D-0005", "won", False, False, None),
        ("D-0009", "reopened", False, True, None),
    ],
)
def test_demands_as_of_the_end_of_the_19th(
    heard: Marts,
    demand_id: str,
    stage: str,
    is_overdue: bool,
    is_reopened: bool,
    staleness_hours: float | None,
) -> None:
    row = heard.row("select * from marts.customer_demands where demand_id = %s", demand_id)

    assert row["as_of_at"] == datetime.fromisoformat("2026-11-20T00:00:00+08:00")
    assert (row["stage"], row["is_overdue"], row["is_reopened"]) == (stage, is_overdue, is_reopened)
    if staleness_hours is not None:
        assert row["staleness_days"] * 24 == pytest.approx(staleness_hours)


def test_the_timeline_holds_every_call_of_a_known_customer_in_order(heard: Marts) -> None:
    missing = heard.query(
        "select call_id from marts.calls where customer_id is not null and call_id not in"
        " (select call_id from marts.customer_timeline where event_type = 'call')"
    )
    disordered = heard.query(
        "select customer_id from (select customer_id, occurred_at, lag(occurred_at) over"
        " (partition by customer_id order by event_number) as earlier"
        " from marts.customer_timeline) as events where earlier > occurred_at"
    )

    assert missing == []
    assert disordered == []


def test_yesterday_is_computed_again_and_today_comes_back(heard: Marts) -> None:
    scores = (
        "select 'conversation', customer_id, evaluation_date, rule_version, score, reason_1"
        " from marts.evaluation_conversation where evaluation_date <= %s and not customer_id = any(%s)"
        " union all select 'inspection', customer_id, evaluation_date, rule_version, score, reason_1"
        " from marts.evaluation_inspection where evaluation_date <= %s and not customer_id = any(%s)"
    )
    yesterday = date(2026, 11, 18)
    # What reached the CRM only on the 19th was not known on the 18th.
    learnt_later = heard.column(
        "select distinct customer_id from raw.calls where customer_id is not null"
        " and started_at < '2026-11-19 00:00+08' and updated_at >= '2026-11-19 00:00+08'"
    )
    arguments: list[Any] = [yesterday, learnt_later, yesterday, learnt_later]
    before = contents(heard)
    seen_today = set(heard.query(scores, *arguments))

    try:
        build(heard.settings, command="run", as_of=yesterday)
        seen_then = set(heard.query(scores, *arguments))
        newest = heard.column("select max(evaluation_date) from marts.evaluation_ledger")
    finally:
        build(heard.settings, command="run")

    assert newest == [yesterday]
    assert len(seen_then) > 30
    assert seen_then == seen_today
    assert contents(heard) == before
