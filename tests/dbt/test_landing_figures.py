"""The marts against the figures that were worked out by hand for the real landing zone."""

from __future__ import annotations

from typing import Any

import pytest
from built_marts import Marts

pytestmark = pytest.mark.postgres

# The figures are written with six decimals.
SIX_DECIMALS = 5e-7


@pytest.fixture
def metrics(marts: Marts) -> dict[str, Any]:
    figures: dict[str, Any] = marts.expected["metrics"]
    return figures


@pytest.fixture
def day(marts: Marts, metrics: dict[str, Any]) -> dict[str, Any]:
    return marts.row("select * from marts.daily_call_summary where call_date = %s", metrics["date"])


@pytest.mark.parametrize(
    "figure",
    [
        "attempts",
        "answered",
        "answer_seizure_ratio",
        "connected",
        "connection_ratio",
        "network_effectiveness_ratio",
        "average_call_duration_seconds",
        "average_talk_seconds",
    ],
)
def test_traffic_of_the_day(day: dict[str, Any], metrics: dict[str, Any], figure: str) -> None:
    assert day[figure] == pytest.approx(metrics[figure], abs=SIX_DECIMALS)


def test_a_ratio_stands_beside_its_numerator_and_denominator(
    day: dict[str, Any], metrics: dict[str, Any]
) -> None:
    level = metrics["service_level_20s"]
    without_short = metrics["service_level_20s_without_short_abandons"]
    abandonment = metrics["abandonment_ratio"]

    assert (day["queued_within_20s"], day["queued"]) == (level["numerator"], level["denominator"])
    assert day["service_level_20s"] == pytest.approx(level["ratio"])
    assert day["queued_without_short_abandons"] == without_short["denominator"]
    assert day["service_level_20s_without_short_abandons"] == pytest.approx(without_short["ratio"])
    assert (day["abandoned"], day["connected"]) == (
        abandonment["numerator"],
        abandonment["denominator"],
    )
    assert day["abandonment_ratio"] == pytest.approx(abandonment["ratio"], abs=SIX_DECIMALS)
    assert day["abandonment_of_answered_ratio"] == pytest.approx(
        abandonment["of_answered"], abs=SIX_DECIMALS
    )


def test_agent_work(marts: Marts, metrics: dict[str, Any]) -> None:
    rows = marts.query(
        "select agent_id, occupancy, utilisation, longest_state_seconds"
        " from marts.agent_scorecard where work_date = %s and is_known_agent",
        metrics["date"],
    )
    assert {row[0]: round(row[1], 6) for row in rows} == metrics["occupancy"]
    found = {row[0]: round(row[2], 6) for row in rows if row[0] in metrics["utilisation"]}
    assert found == metrics["utilisation"]
    assert {row[0]: row[3] for row in rows} == metrics["longest_state_per_agent_seconds"]


def test_the_longest_state_is_a_whole_one(marts: Marts, metrics: dict[str, Any]) -> None:
    from datetime import datetime

    longest = metrics["longest_state"]
    row = marts.row(
        "select agent_id, longest_state, longest_state_started_at, longest_state_seconds"
        " from marts.agent_scorecard where work_date = %s"
        " order by longest_state_seconds desc nulls last limit 1",
        metrics["date"],
    )
    assert (row["agent_id"], row["longest_state"]) == (longest["agent_id"], longest["state"])
    assert row["longest_state_started_at"] == datetime.fromisoformat(longest["started_at"])
    assert row["longest_state_seconds"] == longest["seconds"]


def test_half_hours_add_up_to_the_day(marts: Marts) -> None:
    assert (
        marts.query(
            "select c.agent_id, c.work_date from marts.agent_scorecard c"
            " left join (select agent_id, work_date, sum(occupied_seconds) occupied,"
            " sum(staffed_seconds) staffed, sum(scheduled_seconds) scheduled"
            " from marts.agent_work group by 1, 2) w using (agent_id, work_date)"
            " where (c.occupied_seconds, c.staffed_seconds, c.scheduled_seconds)"
            " is distinct from (w.occupied, w.staffed, w.scheduled)"
        )
        == []
    )


@pytest.mark.parametrize(
    ("rule_type", "figure", "is_both_days"),
    [
        ("calling_hours", "calling_hours_violations", False),
        ("do_not_call", "do_not_call_violations", False),
        ("consent_required", "consent_violations", False),
        ("line_assignment", "line_assignment_violations", False),
        ("max_attempts", "max_attempts_violations_both_days", True),
        ("min_interval", "min_interval_violations_both_days", True),
    ],
)
def test_rule_violations(
    marts: Marts, metrics: dict[str, Any], rule_type: str, figure: str, is_both_days: bool
) -> None:
    found = marts.column(
        "select call_id from marts.rule_violations where rule_type = %s"
        " and (%s or violation_date = %s) order by call_id",
        rule_type,
        is_both_days,
        metrics["date"],
    )
    assert found == metrics[figure]


def test_attempts_per_customer(marts: Marts, metrics: dict[str, Any]) -> None:
    wanted = metrics["attempts_per_customer"]
    rows = marts.query(
        "select customer_id, attempts from marts.customer_attempts where call_date = %s"
        " order by customer_id",
        metrics["date"],
    )
    for attempts in ("3", "2"):
        assert [key for key, number in rows if number == int(attempts)] == wanted[attempts]
    assert sum(number == 1 for _, number in rows) == wanted["customers_with_one"]


def test_every_recording_has_its_true_decision(marts: Marts, test_data: Any) -> None:
    import csv

    with (test_data / "landing" / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["call_id"]: row for row in csv.DictReader(file)}
    found = dict(marts.query("select call_id, outcome from marts.calls"))
    readable = {
        call_id: row["outcome"]
        for call_id, row in truth.items()
        if row["outcome"] != "unreadable" and call_id in found
    }
    assert len(readable) == 42
    assert {call_id: found[call_id] for call_id in readable} == readable


@pytest.mark.parametrize(
    ("call_id", "outcome", "decided_by", "is_disputed"),
    [
        ("C-20261118-0009", "human", "signalling", False),  # unreadable, SALE
        ("C-20261118-0010", "cancelled", "signalling", False),  # unreadable, 487
        ("C-20261118-0011", "human", "signalling", False),  # no recording
        ("C-20261118-0013", "music", "recording", True),  # ANSWERED, but music
        ("C-20261118-0027", "ivr", "recording", True),  # ANSWERED, but a machine
        ("C-20261118-0006", "silence", "recording", False),  # 200 without a disposition
        ("C-20261118-0031", "human", "signalling", False),  # DROP: nobody joined
    ],
)
def test_decisions_with_two_witnesses(
    marts: Marts, call_id: str, outcome: str, decided_by: str, is_disputed: bool
) -> None:
    row = marts.row("select * from marts.calls where call_id = %s", call_id)
    assert (row["outcome"], row["decided_by"], row["is_disputed"]) == (
        outcome,
        decided_by,
        is_disputed,
    )


def test_a_caller_who_gave_up_without_a_word_is_unknown(marts: Marts) -> None:
    rows = marts.query(
        "select call_id, is_connected from marts.calls where disposition = 'ABANDONED' order by 1"
    )
    assert rows == [("C-20261118-0037", None), ("C-20261118-0038", None)]


def test_consent_counts_as_it_stood(marts: Marts) -> None:
    assert marts.column(
        "select distinct consent_status from marts.calls where customer_id = 'C-0003'"
    ) == ["granted"]
    assert marts.column(
        "select consent_status from staging.stg_callmart__customers where customer_id = 'C-0003'"
    ) == ["withdrawn"]


def test_current_rows_and_history(marts: Marts) -> None:
    for entity, wanted in marts.expected["rows_current"].items():
        assert marts.column(f"select count(*) from staging.stg_callmart__{entity}") == [wanted]
    for entity, wanted in marts.expected["rows_history_versions"].items():
        assert marts.column(f"select count(*) from staging.stg_callmart__{entity}_versions") == [
            wanted
        ]
    for again in marts.expected["redelivery"]:
        row = marts.row(
            "select disposition, wrap_up_seconds from staging.stg_callmart__calls"
            " where call_id = %s",
            again["call_id"],
        )
        assert {name: row[name] for name in again["current"]} == again["current"]


def test_what_is_odd_is_reported(marts: Marts) -> None:
    issues = marts.query(
        "select issue_type, subject, call_id from marts.data_issues order by issue_type, call_id"
    )
    kinds = {(kind, call_id) for kind, _, call_id in issues}
    assert ("unknown_agent", "C-20261118-0011") in kinds
    assert ("recording_without_call", "C-20261119-0099") in kinds
    assert ("call_without_recording", "C-20261118-0039") in kinds
    assert ("unknown_column", "vendor_trunk_group") in {(kind, what) for kind, what, _ in issues}
    assert {subject for kind, subject, _ in issues if kind == "unknown_agent"} == {"A-099"}
    without = {call_id for kind, _, call_id in issues if kind == "call_without_recording"}
    assert without == {"C-20261118-0039"}


def test_quarantine_shows_in_the_freshness(marts: Marts) -> None:
    rows = marts.query(
        "select entity, rows_quarantined, files_quarantined from marts.data_freshness"
        " where rows_quarantined + files_quarantined > 0 order by entity"
    )
    assert rows == [("calls", 3, 0), ("customers", 0, 1)]


def test_readers_may_read_the_marts_and_nothing_else(marts: Marts) -> None:
    assert marts.query(
        "select has_schema_privilege('bi_reader', 'marts', 'usage'),"
        " has_table_privilege('bi_reader', 'marts.calls', 'select'),"
        " has_schema_privilege('bi_reader', 'intermediate', 'usage')"
    ) == [(True, True, False)]


def test_every_column_of_a_mart_is_described_in_both_languages(marts: Marts) -> None:
    rows = marts.query(
        "select c.relname, a.attname, col_description(c.oid, a.attnum)"
        " from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'marts'::regnamespace and c.relkind = 'r' and a.attnum > 0"
    )
    assert len(rows) > 200
    lacking = [
        f"{table}.{column}"
        for table, column, text in rows
        if not text or " / " not in text or text.isascii()
    ]
    assert lacking == []


def test_nothing_matches_where_no_stratum_holds_both_modes(marts: Marts) -> None:
    assert marts.query(
        "select distinct verdict, matched_strata, connection_ratio_difference_lower"
        " from marts.line_mode_comparison"
    ) == [("nothing_matches", 0, None)]
