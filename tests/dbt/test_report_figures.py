"""The figures of a report are those that the marts give, by questions of their own."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from built_marts import Marts

from callmart.reports import make_document, parse, write_xlsx
from callmart.reports.document import Document

pytestmark = pytest.mark.postgres

PERIODS = ["2026-11-18", "2026-W47", "2026-11"]


def figures(made: Document) -> dict[str, Any]:
    return {figure.name: figure.value for figure in made.figures}


def table(made: Document, name: str) -> Any:
    return next(t for part in made.sections for t in part.tables if t.name == name)


@pytest.mark.parametrize("label", PERIODS)
def test_traffic_is_that_of_the_daily_summary(marts: Marts, label: str) -> None:
    period = parse(label)
    shown = figures(make_document(marts.settings, period, "operations", "en"))
    wanted = marts.row(
        "select sum(attempts) as attempts, sum(answered) as answered, sum(connected) as connected,"
        " sum(abandoned) as abandoned, sum(inbound_calls) as inbound_calls from marts.traffic"
        " where call_date between %s and %s",
        period.start,
        period.end,
    )
    assert shown["attempts"] == wanted["attempts"]
    assert float(shown["answer_seizure_ratio"]) == pytest.approx(
        wanted["answered"] / wanted["attempts"]
    )
    assert float(shown["connection_ratio"]) == pytest.approx(
        wanted["connected"] / wanted["attempts"]
    )
    assert float(shown["abandonment_ratio"]) == pytest.approx(
        wanted["abandoned"] / wanted["connected"]
    )
    assert shown["inbound_calls"] == wanted["inbound_calls"]


def test_a_comparison_is_the_figure_of_that_day(marts: Marts) -> None:
    [(day, previous)] = marts.query(
        "select call_date::text, before::text from ("
        " select call_date, lag(call_date) over (order by call_date) as before,"
        " lag(sum(attempts)) over (order by call_date) as dialled_before, sum(attempts) as dialled"
        " from marts.traffic group by 1) as days"
        " where dialled > 0 and dialled_before > 0 order by 1 desc limit 1"
    )
    made = make_document(marts.settings, parse(day), "management", "en")
    before = figures(make_document(marts.settings, parse(previous), "management", "en"))
    for figure in made.figures:
        if figure.comparisons:
            assert figure.comparisons[0].label == f"against {previous}"
            assert figure.comparisons[0].value == before[figure.name], figure.name
    change = figures(made)["connection_ratio"] - before["connection_ratio"]
    for dimension in ("line", "campaign"):
        parts = [
            row["change"] for row in table(made, "drivers").rows if row["dimension"] == dimension
        ]
        assert sum(parts) == pytest.approx(float(change) * 100)


def test_agents_add_up_and_a_team_is_its_own(marts: Marts) -> None:
    day = parse("2026-11-18")
    everybody = table(make_document(marts.settings, day, "team_leads", "en"), "agents").rows
    wanted = marts.row(
        "select sum(attempts) as attempts, sum(connected) as connected,"
        " sum(talk_seconds) as talk_seconds from marts.agent_scorecard where work_date = %s",
        day.start,
    )
    for name, value in wanted.items():
        assert sum(row[name] for row in everybody) == pytest.approx(value), name
    teams = {row["team"] for row in everybody} - {None}
    assert len(teams) > 1
    for team in teams:
        made = make_document(marts.settings, day, "team_leads", "en", team)
        assert {row["team"] for row in table(made, "agents").rows} == {team}
        assert sum(row["attempts"] for row in table(made, "agents").rows) == sum(
            row["attempts"] for row in everybody if row["team"] == team
        )


def test_tiers_lines_and_breaches_are_those_of_the_marts(marts: Marts) -> None:
    day = parse("2026-11-18")
    # At the month's end, after the last day delivered, the current rows stand.
    management = make_document(marts.settings, parse("2026-11"), "management", "en")
    standing = {row["tier"]: row for row in table(management, "standing").rows}
    for tier, customers in marts.query(
        "select tier, count(*) from marts.customer_quality where is_current group by 1"
    ):
        assert standing[tier]["customers"] == customers
    for row in standing.values():
        rose_or_fell = row["rose_into"] + row["fell_into"]
        assert 0 <= rose_or_fell <= row["customers"]
    operations = make_document(marts.settings, day, "operations", "en")
    for row in table(operations, "lines").rows:
        mart = marts.row(
            "select * from marts.line_health where line_id = %s and call_date = %s",
            row["line"],
            date(2026, 11, 18),
        )
        assert (row["attempts"], row["connected"]) == (mart["attempts"], mart["connected"])
        assert row["low"] == pytest.approx(mart["connection_ratio_lower"], abs=1e-6)
        assert row["high"] == pytest.approx(mart["connection_ratio_upper"], abs=1e-6)
    quality = figures(make_document(marts.settings, parse("2026-W47"), "quality", "en"))
    assert quality["rule_violations"] == marts.query(
        "select count(*) from marts.rule_violations"
        " where violation_date between '2026-11-16' and '2026-11-22'"
    )[0][0]  # fmt: skip
    assert write_xlsx(operations).startswith(b"PK")
