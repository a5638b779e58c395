"""The metrics of the semantic layer, as MetricFlow computes them, are the figures of the marts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from math import nan
from pathlib import Path
from typing import Any

import pytest
from built_marts import Marts

from callmart.warehouse import connect

pytestmark = pytest.mark.postgres

Figures = dict[tuple[Any, ...], dict[str, float]]
Ask = Callable[[tuple[str, ...], tuple[str, ...]], Figures]

DAY = "metric_time__day"
TRAFFIC = (
    "attempts answered connected connection_unknown network_effective answer_seizure_ratio"
    " network_effectiveness_ratio connection_ratio answered_seconds answered_with_seconds"
    " average_call_duration_seconds talk_seconds talked_calls average_talk_seconds handled"
    " handle_seconds average_handle_time_seconds abandoned abandonment_ratio"
    " abandonment_of_answered_ratio inbound_calls queued queued_within_20s service_level_20s"
    " queued_without_short_abandons service_level_20s_without_short_abandons queue_abandoned"
)
OF_THE_DAY = (
    "disputed customers_called attempts_per_customer recorded_calls transcribed_calls"
    " rule_violations critical_rule_violations"
)

# Metrics, what they are grouped by, and the same figures from a mart: the columns of the groups first, then a
# column for each metric under its name.
CHECKS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "day": (
        f"{TRAFFIC} {OF_THE_DAY}",
        (DAY,),
        "select call_date, * from marts.daily_call_summary",
    ),
    "day and agent, calls": (
        "attempts answered connected connection_ratio inbound_calls handled talk_seconds"
        " talked_calls average_talk_seconds handle_seconds average_handle_time_seconds"
        " rule_violations critical_rule_violations",
        (DAY, "agent"),
        "select work_date, agent_id, * from marts.agent_scorecard",
    ),
    "day and agent, work": (
        "occupied_seconds staffed_seconds occupancy scheduled_seconds utilisation adherent_seconds"
        " adherence worked_seconds scheduled_work_seconds conformance",
        (DAY, "agent"),
        "select work_date, agent_id, * from marts.agent_scorecard",
    ),
    "day and line": (
        "attempts answered connected answer_seizure_ratio connection_ratio",
        (DAY, "line"),
        "select call_date, line_id, * from marts.line_health",
    ),
    "half hour": (
        "attempts queued queued_within_20s service_level_20s connection_ratio",
        ("traffic__half_hour_at__minute",),
        "select half_hour_at, sum(attempts) as attempts, sum(queued) as queued,"
        " sum(queued_within_20s) as queued_within_20s,"
        " sum(queued_within_20s)::float / nullif(sum(queued), 0) as service_level_20s,"
        " sum(connected)::float / nullif(sum(attempts), 0) as connection_ratio"
        " from marts.traffic group by half_hour_at",
    ),
    "week and campaign": (
        "attempts connected abandonment_ratio",
        ("metric_time__week", "campaign"),
        "select week_date, campaign_id, sum(attempts) as attempts, sum(connected) as connected,"
        " sum(abandoned)::float / nullif(sum(connected), 0) as abandonment_ratio from marts.traffic"
        " inner join marts.calendar on call_date = calendar_date group by week_date, campaign_id",
    ),
    "day and type of rule": (
        "rule_violations critical_rule_violations",
        (DAY, "rule_violation__rule_type"),
        "select violation_date, rule_type, count(*) as rule_violations, count(*) filter"
        " (where severity = 'critical') as critical_rule_violations from marts.rule_violations"
        " group by violation_date, rule_type",
    ),
    "day, per 100 calls": (
        "calls rule_violations_per_100_calls",
        (DAY,),
        "select call_date, attempts + inbound_calls as calls, 100.0 * rule_violations"
        " / nullif(attempts + inbound_calls, 0) as rule_violations_per_100_calls"
        " from marts.daily_call_summary",
    ),
    "day and agent, phrases": (
        "phrase_violations confirmed_phrase_hits decided_phrase_hits phrase_precision_ratio",
        (DAY, "agent"),
        "select call_date, agent_id, count(*) filter (where is_counted) as phrase_violations,"
        " count(*) filter (where review_verdict = 'confirmed') as confirmed_phrase_hits,"
        " count(*) filter (where review_verdict in ('confirmed', 'rejected')) as decided_phrase_hits,"
        " (avg((review_verdict = 'confirmed')::int) filter"
        " (where review_verdict in ('confirmed', 'rejected'))) as phrase_precision_ratio"
        " from marts.phrase_violations group by call_date, agent_id",
    ),
    "day, per 100 transcribed calls": (
        "transcribed_calls phrase_violations_per_100_calls",
        (DAY,),
        "select call_date, transcribed_calls, 100.0 * (select count(*) from marts.phrase_violations as hits"
        " where hits.call_date = days.call_date and is_counted) / nullif(transcribed_calls, 0)"
        " as phrase_violations_per_100_calls from marts.daily_call_summary as days",
    ),
    "tier": (
        "current_customers current_average_total_score",
        ("quality_span__tier",),
        "select tier, count(*) as current_customers, avg(total_score) as current_average_total_score"
        " from marts.customer_quality where is_current group by tier",
    ),
    "day a span began": (
        "quality_changes rated_spans total_score_sum average_total_score",
        (DAY,),
        "select valid_from, count(*) as quality_changes, count(*) as rated_spans,"
        " sum(total_score) as total_score_sum, avg(total_score) as average_total_score"
        " from marts.customer_quality group by valid_from",
    ),
    "tier on the day of the call": (
        "calls",
        (DAY, "customer__tier"),
        "select call_date, tier, count(*) as calls from marts.calls left join marts.customer_quality"
        " as quality on calls.customer_id = quality.customer_id and call_date >= valid_from"
        " and (call_date < valid_to or valid_to is null) group by call_date, tier",
    ),
    "funnel": (
        "stage_entries stage_entries_won stage_entries_lost conversion_ratio",
        (DAY, "funnel_row__stage", "funnel_row__product", "campaign"),
        "select week_date, stage, product, campaign_id, entered as stage_entries,"
        " won as stage_entries_won, lost as stage_entries_lost, conversion_ratio"
        " from marts.demand_funnel",
    ),
    "day and line, callers": (
        "callers callers_reaching_person callers_lost reached_person_ratio caller_loss_ratio",
        (DAY, "line"),
        "select call_date, nullif(line_id, ''), callers, reached_person as callers_reaching_person,"
        " lost as callers_lost, reached_person_ratio, lost::float / callers as caller_loss_ratio"
        " from marts.caller_line_days",
    ),
    "day and agent, emotion": (
        "customer_emotion_sum customer_emotion_calls average_customer_emotion_index"
        " agent_emotion_sum agent_emotion_calls average_agent_emotion_index",
        (DAY, "agent"),
        "select call_date, agent_id, sum(customer_emotion_index) as customer_emotion_sum,"
        " count(customer_emotion_index) as customer_emotion_calls,"
        " avg(customer_emotion_index) as average_customer_emotion_index,"
        " sum(agent_emotion_index) as agent_emotion_sum,"
        " count(agent_emotion_index) as agent_emotion_calls,"
        " avg(agent_emotion_index) as average_agent_emotion_index"
        " from marts.calls group by call_date, agent_id",
    ),
}
# What the extracts of the test hold nothing of: nobody reviewed a phrase or analysed a voice there.
NOTHING_IN_THE_DATA = {"day and agent, emotion", "day and agent, phrases"}


def key(value: Any) -> Any:
    if isinstance(value, datetime) and (value.hour, value.minute) == (0, 0):
        return value.date()
    return value


def figures(names: tuple[str, ...], groups: int, columns: list[str], rows: list[Any]) -> Figures:
    """Rows by their groups, null as not a number.

    A row in which there is nothing at all is none: marts keep such rows, metrics do not.
    """
    places = {name: len(columns) - 1 - columns[::-1].index(name) for name in names}
    found: Figures = {}
    for row in rows:
        values = {
            name: float(row[place]) if isinstance(row[place], Decimal | int) else row[place]
            for name, place in places.items()
        }
        if any(values.values()):
            group = tuple(map(key, row[:groups]))
            assert group not in found, group
            found[group] = {name: nan if v is None else v for name, v in values.items()}
    return found


def semantic_manifest(marts: Marts) -> Path:
    return marts.settings.home / "dbt" / "target" / "semantic_manifest.json"


@pytest.fixture(scope="module")
def ask(marts: Marts) -> Ask:
    """Asks MetricFlow for its SQL, and the warehouse for what that finds."""
    pytest.importorskip("metricflow", reason="MetricFlow (dbt-metricflow) is not installed")
    from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
    from metricflow.protocols.sql_client import SqlEngine
    from metricflow.sql.render.postgres import PostgresSQLSqlPlanRenderer
    from metricflow_semantics.model.dbt_manifest_parser import (
        parse_manifest_from_dbt_generated_manifest,
    )
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    class Dialect:
        """What the engine wants to know of a database to write SQL for it."""

        sql_engine_type = SqlEngine.POSTGRES
        sql_plan_renderer = PostgresSQLSqlPlanRenderer()

    text = semantic_manifest(marts).read_text(encoding="utf-8")
    manifest = parse_manifest_from_dbt_generated_manifest(manifest_json_string=text)
    engine = MetricFlowEngine(SemanticManifestLookup(manifest), Dialect())

    def answer(metrics: tuple[str, ...], groups: tuple[str, ...]) -> Figures:
        request = MetricFlowQueryRequest.create(metric_names=metrics, group_by_names=groups)
        statement = engine.explain(request).sql_statement.without_descriptions.sql
        with connect(marts.settings) as connection:
            connection.execute("set time zone 'UTC'")
            cursor = connection.execute(statement.encode())
            columns = [column.name for column in cursor.description or ()]
            # Named groups come in an order of the engine's own.
            order = [columns.index(group) for group in groups]
            rows = [[row[i] for i in order] + list(row) for row in cursor.fetchall()]
        return figures(metrics, len(groups), [*groups, *columns], rows)

    return answer


@pytest.mark.parametrize("check", CHECKS)
def test_metrics_are_the_figures_of_the_marts(check: str, ask: Ask, marts: Marts) -> None:
    names, groups, statement = CHECKS[check]
    metrics = tuple(names.split())
    with connect(marts.settings) as connection:
        connection.execute("set time zone 'UTC'")
        cursor = connection.execute(statement.encode())
        columns = [column.name for column in cursor.description or ()]
        expected = figures(metrics, len(groups), columns, cursor.fetchall())
    found = ask(metrics, groups)
    if "agent" in groups:
        # A scorecard is somebody's.
        found = {group: values for group, values in found.items() if group[1] is not None}
        expected = {group: values for group, values in expected.items() if group[1] is not None}
    assert bool(expected) or check in NOTHING_IN_THE_DATA
    assert found.keys() == expected.keys()
    for group, values in expected.items():
        assert found[group] == pytest.approx(values, rel=1e-9, nan_ok=True), group


def test_every_metric_is_compared(marts: Marts) -> None:
    manifest = json.loads(semantic_manifest(marts).read_text(encoding="utf-8"))
    named = {name for names, _, _ in CHECKS.values() for name in names.split()}
    assert {metric["name"] for metric in manifest["metrics"]} == named


def test_every_metric_says_what_it_is_in_both_languages(marts: Marts) -> None:
    manifest = json.loads(semantic_manifest(marts).read_text(encoding="utf-8"))
    wrong = [
        metric["name"]
        for metric in manifest["metrics"]
        if " / " not in metric["description"] or " / " not in (metric["label"] or "")
    ]
    assert wrong == []


def test_the_days_of_the_semantic_layer_are_the_calendar(marts: Marts) -> None:
    manifest = json.loads(semantic_manifest(marts).read_text(encoding="utf-8"))
    (spine,) = manifest["project_configuration"]["time_spines"]
    assert spine["node_relation"]["alias"] == "calendar"
    first, last = marts.query("select min(call_date), max(call_date) from marts.calls")[0]
    days = marts.column("select calendar_date from marts.calendar order by 1")
    assert isinstance(days[0], date)
    assert days[0] <= first
    assert last <= days[-1]
