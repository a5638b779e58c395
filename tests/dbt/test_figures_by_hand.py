"""Every figure of an invented centre against a second opinion, and the weightiest against numbers by hand.

figures/ holds what the centre delivers; reference.py works the figures out from the sentences of
docs/contracts.md and docs/metrics.md; the literal numbers below were worked out with pencil and paper, so
that neither the SQL nor the reference can be wrong alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from built_marts import Marts
from invented_centre import build_from, plain_delivery
from reference import Call, Record, Reference

from callmart.settings import Settings

pytestmark = pytest.mark.postgres

SITE = "Asia/Shanghai"
FRIDAY, SATURDAY, SUNDAY, MONDAY = (
    date(2026, 10, 30),
    date(2026, 10, 31),
    date(2026, 11, 1),
    date(2026, 11, 2),
)


@pytest.fixture(scope="module")
def centre(invented: Marts) -> Marts:
    return invented


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(SITE)


def records(marts: Marts, table: str, *keys: str) -> dict[Any, Record]:
    """The rows of a mart by their key."""
    from psycopg.rows import dict_row

    from callmart.warehouse import connect

    with connect(marts.settings) as conn, conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"select * from marts.{table}").fetchall()
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows)
    return found


def is_same(one: Any, other: Any) -> bool:
    if one is None or other is None or isinstance(one, bool):
        return one is other
    if isinstance(one, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)
    return bool(one == other)


def differences(wanted: dict[Any, Record], found: dict[Any, Record]) -> list[str]:
    """What the reference has and the mart has not, and the other way round."""
    lines = [f"{key}: only in the reference" for key in wanted.keys() - found.keys()]
    lines += [f"{key}: only in the mart" for key in found.keys() - wanted.keys()]
    for key in wanted.keys() & found.keys():
        lines += [
            f"{key}.{name}: reference {value!r}, mart {found[key][name]!r}"
            for name, value in wanted[key].items()
            if not is_same(value, found[key][name])
        ]
    return sorted(lines)


# The second opinion


def of_call(reference: Reference, call: Call) -> Record:
    found = {
        name: getattr(call, name)
        for name in (
            "direction", "customer_id", "customer_match_method", "agent_id", "agent_match_method",
            "line_id", "line_match_method", "line_group", "line_mode", "campaign_id", "outcome",
            "is_answered", "is_connected", "is_disputed", "decided_by", "is_handled", "talk_seconds",
            "ring_seconds", "half_hour_at", "started_at", "hold_seconds", "wrap_up_seconds",
        )
    }  # fmt: skip
    found |= {
        "is_abandoned": reference.is_abandoned(call),
        "answered_seconds": call.answered_seconds,
        "call_date": reference.day(call.started_at),
        "customer_time_zone": call.zone.key,
        "customer_local_started_at": call.started_at.astimezone(call.zone).replace(tzinfo=None),
        "queue_wait_seconds": call.queue_wait,
        "post_dial_delay_seconds": call.seconds("started_at", "ringing_at"),
    }
    if call.is_attempt and reference.key(call):
        day = found["call_date"]
        found |= {
            "attempts_in_24_hours": reference.attempts_in(call, 24),
            "attempts_on_date": sum(
                reference.day(other.started_at) == day
                for other in reference.attempts_to(reference.key(call))
            ),
            "attempts_on_local_date": reference.on_local_date(call),
        }
    return found


def test_calls(centre: Marts, reference: Reference) -> None:
    wanted = {(name,): of_call(reference, call) for name, call in reference.calls.items()}
    assert differences(wanted, records(centre, "calls", "call_id")) == []


def test_traffic(centre: Marts, reference: Reference) -> None:
    wanted = reference.traffic(
        lambda call: (call.campaign_id, call.line_id, call.agent_id, call.half_hour_at)
    )
    found = records(centre, "traffic", "campaign_id", "line_id", "agent_id", "half_hour_at")
    assert differences(wanted, found) == []


def test_days(centre: Marts, reference: Reference) -> None:
    wanted = reference.traffic(lambda call: (reference.day(call.started_at),))
    assert differences(wanted, records(centre, "daily_call_summary", "call_date")) == []


def test_agents_by_half_hour(centre: Marts, reference: Reference) -> None:
    found = records(centre, "agent_work", "agent_id", "half_hour_at")
    assert differences(reference.agent_work, found) == []


def test_agents_by_day(centre: Marts, reference: Reference) -> None:
    found = records(centre, "agent_scorecard", "agent_id", "work_date")
    assert differences(reference.scorecard(), found) == []


def test_customers_by_day(centre: Marts, reference: Reference) -> None:
    """Numbers of nobody known are not shown; they are told apart by how often they were called."""

    def known(rows: dict[Any, Record]) -> dict[Any, Record]:
        return {
            (key if key in customers else f"called {row['attempts']} times", day): row
            for (key, day), row in rows.items()
        }

    customers = {name for (name,) in reference.versions["customers"]}
    wanted = reference.customer_attempts()
    found = records(centre, "customer_attempts", "customer_key", "call_date")
    assert len(found) == len(wanted)
    assert differences(known(wanted), known(found)) == []


def test_lines_by_day(centre: Marts, reference: Reference) -> None:
    found = records(centre, "line_health", "line_id", "call_date")
    assert differences(reference.line_days(), found) == []


def test_violations(centre: Marts, reference: Reference) -> None:
    found = centre.query(
        "select rule_id, call_id from marts.rule_violations"
        " where rule_type not in ('max_abandon_ratio', 'required_follow_up')"
    )
    campaign_days = centre.query(
        "select rule_id, campaign_id, violation_date from marts.rule_violations"
        " where rule_type = 'max_abandon_ratio'"
    )
    assert set(found) == reference.violations
    assert len(found) == len(reference.violations)
    assert set(campaign_days) == reference.broken_campaign_days()


def test_demands(centre: Marts, reference: Reference) -> None:
    demands = [name for (name,) in reference.versions["demands"]]
    histories = {
        name: centre.query(
            "select stage, entered_at, left_at, is_left_censored from marts.customer_demand_history"
            " where demand_id = %s and source = 'crm' order by entered_at",
            name,
        )
        for name in demands
    }
    assert histories == {
        name: [
            (stage["stage"], stage["entered_at"], stage["left_at"], stage["censored"])
            for stage in reference.stages(name)
        ]
        for name in demands
    }
    living = [name for name in demands if not reference.is_deleted(name)]
    wanted = {(name,): reference.demand_state(name) for name in living}
    assert differences(wanted, records(centre, "customer_demands", "demand_id")) == []


def test_funnel(centre: Marts, reference: Reference) -> None:
    found = records(centre, "demand_funnel", "stage", "product", "campaign_id", "week_date")
    assert differences(reference.funnel(), found) == []


@pytest.fixture(scope="module")
def abroad(new_settings: Callable[[str], Settings]) -> Marts:
    """The same deliveries at a site whose own clock changes in the night of 1 November."""
    settings = replace(new_settings("abroad"), business_time_zone="America/New_York")
    return build_from(settings, [plain_delivery()], "+agent_scorecard +traffic")


def test_a_site_whose_clock_changes(abroad: Marts) -> None:
    there = Reference("America/New_York")
    traffic = records(abroad, "traffic", "campaign_id", "line_id", "agent_id", "half_hour_at")
    by_half_hour = there.traffic(
        lambda call: (call.campaign_id, call.line_id, call.agent_id, call.half_hour_at)
    )
    assert differences(by_half_hour, traffic) == []
    assert {row["call_date"] for row in traffic.values()} == {
        there.day(call.started_at) for call in there.calls.values()
    }
    scorecard = records(abroad, "agent_scorecard", "agent_id", "work_date")
    assert differences(there.scorecard(), scorecard) == []
    # 13:10 to 15:20 in Shanghai is 01:10 to 02:20 in New York, and 2 h 10 min, for 01:00 comes twice.
    assert scorecard["A5", SUNDAY]["meeting_seconds"] == 7800


# By hand


def test_friday_by_hand(centre: Marts) -> None:
    day = centre.row("select * from marts.daily_call_summary where call_date = %s", FRIDAY)
    # c01 to c11, c13 to c15, c17 to c28, c44
    assert day["attempts"] == 27
    # c01, c05, c06, c07, c08; each of them a person
    assert (day["answered"], day["connected"]) == (5, 5)
    # 5 answered, 3 busy (c03, c18, c44), 3 rang (c02, c09, c10), 1 rejected (c11)
    assert day["network_effective"] == 12
    assert day["network_effectiveness_ratio"] == pytest.approx(12 / 27)
    assert day["answer_seizure_ratio"] == pytest.approx(5 / 27)
    # 90 + 62 + 42 + 3 + 301
    assert (day["answered_seconds"], day["average_call_duration_seconds"]) == (498, 99.6)
    # 78.1 + 60 + 39.9 + 300, over the four that an agent joined
    assert day["average_talk_seconds"] == pytest.approx(478 / 4)
    # with 10 s of hold and 20 + 30 + 5 + 24 s of wrap-up
    assert day["average_handle_time_seconds"] == pytest.approx(567 / 4)
    # c06 after 2.1 s, c07 never; c05 after 2.0 s is in time
    assert (day["abandoned"], day["abandonment_ratio"]) == (2, 0.4)
    # 1, eight times 2, 3: between the ninth and the tenth at 0.95 * 9 = 8.55
    assert day["post_dial_delay_seconds_median"] == 2
    assert day["post_dial_delay_seconds_p95"] == pytest.approx(2.55)


def test_a_call_without_an_end_has_no_length(centre: Marts) -> None:
    call = centre.row("select * from marts.calls where call_id = 'c47'")
    assert (call["answered_seconds"], call["talk_seconds"], call["is_handled"]) == (
        None,
        None,
        True,
    )
    day = centre.row("select * from marts.daily_call_summary where call_date = %s", SUNDAY)
    # c33 61 s, c40 31 s, c46 61 s; of c47 nothing is known but the wrap-up
    assert (day["answered"], day["answered_with_seconds"]) == (4, 3)
    assert day["average_call_duration_seconds"] == pytest.approx((61 + 31 + 61) / 3)
    assert (day["talked_calls"], day["average_talk_seconds"]) == (3, pytest.approx(150 / 3))


def test_queues_by_hand(centre: Marts) -> None:
    day = centre.row("select * from marts.daily_call_summary where call_date = %s", SATURDAY)
    # i01 to i06, i08, i09; i07 never left the menu
    assert day["queued"] == 8
    # 12, 5, 20 and 10 s; i06 waited 36 s in two queues
    assert day["service_level_20s"] == 4 / 8
    # less i03 (3 s) and i04 (5 s)
    assert day["service_level_20s_without_short_abandons"] == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("agent", "day", "figures"),
    [
        (
            "A1",
            FRIDAY,
            {
                # to 09:00:10, 09:02 to 10:15, 10:35 to 12:00, 13:00 to the end of the shift at 17:00
                "available_seconds": 610 + 4380 + 5100 + 14400,
                # 09:00:11.9 to 09:01:00, where holding ends it for good
                "talking_seconds": 48.1,
                "occupancy": 78.1 / 24568.1,
                "utilisation": 24568.1 / 28800,
                "adherence": (9568.1 + 3600 + 14400) / 28800,
                "longest_state_seconds": 14400,
                "open_ended_states": 2,
            },
        ),
        (
            "A2",
            FRIDAY,
            {
                # offline until the next morning, but its seconds end with the day
                "offline_seconds": 47700,
                "other_state_seconds": 846,
                "scheduled_seconds": 28800,
                "scheduled_work_seconds": 27000,
                "conformance": 9054 / 27000,
                "longest_state": "available",
                "longest_state_seconds": 7210,
            },
        ),
        # 11:00 to 23:00, the limit of 12 hours
        ("A2", SATURDAY, {"available_seconds": 43200, "scheduled_seconds": 0, "utilisation": None}),
        ("A3", FRIDAY, {"talking_seconds": 114, "longest_state_seconds": 14286}),
        ("A3", SATURDAY, {"talking_seconds": 186 + 120, "training_seconds": 3600}),
        (
            "A4",
            SATURDAY,
            {
                "available_seconds": 3015 + 809 + 6004,
                "occupancy": 200 / 10028,
                "adherence": (3600 + 600 + 6134) / 14400,
            },
        ),
        ("A5", SATURDAY, {"meeting_seconds": 2400, "training_seconds": 1800}),
        ("A5", SUNDAY, {"training_seconds": 2700, "meeting_seconds": 7800}),
        ("A5", MONDAY, {"available_seconds": 15000, "open_ended_states": 1}),
    ],
)  # fmt: skip
def test_agents_by_hand(centre: Marts, agent: str, day: date, figures: dict[str, Any]) -> None:
    row = centre.row(
        "select * from marts.agent_scorecard where agent_id = %s and work_date = %s", agent, day
    )
    assert {name: row[name] for name in figures} == pytest.approx(figures)


def test_pauses_by_hand(centre: Marts) -> None:
    """A training from 23:30 to 00:45 is half an hour of one day and 45 minutes of the next."""
    assert centre.query(
        "select work_date, pause_seconds_by_reason from marts.agent_scorecard"
        " where agent_id = 'A5' and work_date between %s and %s order by work_date",
        SATURDAY,
        SUNDAY,
    ) == [
        (SATURDAY, {"meeting: weekly": 2400, "training: product": 1800}),
        (SUNDAY, {"meeting: weekly": 7800, "training: product": 2700}),
    ]


@pytest.mark.parametrize(
    ("rule", "calls"),
    [
        ("R_HOURS", "E03 c02 c04 c06 c07 c33 c35 c46"),
        ("R_HOLIDAYS", "E01"),
        ("R_ATTEMPTS", "c12"),
        ("R_INTERVAL", "c18 c35 c42"),
        ("R_DNC", "c13 c14 c15 c16"),
        ("R_CONSENT", "c24 c25 c26 c27 c28 c39 c43"),
        ("R_LINE", "E01 c12 c14 c46"),
        ("R_SINGLE", "c21 c35 c42"),
        ("R_MULTIPLE", "c09 c10 c11 c27"),
        ("R_AGENT", "c06 c07 c32"),
        ("R_RING", "c04"),
        ("R_INBOUND", "i02 i11"),
        ("R_FOLLOW", "i09"),
    ],
)
def test_violations_by_hand(centre: Marts, rule: str, calls: str) -> None:
    found = centre.column(
        "select call_id from marts.rule_violations where rule_id = %s order by call_id", rule
    )
    assert found == calls.split()


def test_the_abandoned_campaign_day_by_hand(centre: Marts) -> None:
    # Friday 2 of 3; Friday and Saturday 3 of 6, which is not over a half
    assert centre.query(
        "select campaign_id, violation_date from marts.rule_violations"
        " where rule_type = 'max_abandon_ratio'"
    ) == [("CM", FRIDAY)]


@pytest.mark.parametrize(
    ("call", "signalled"),
    [
        ("c03", "busy"),  # 486, 17
        ("c12", "busy"),  # 600, 17
        ("c09", "no_answer"),  # 408, 18
        ("c10", "no_answer"),  # 480
        ("c11", "rejected"),  # 603, 21
        ("c13", "invalid_number"),  # 404, 1
        ("c14", "invalid_number"),  # 484, 28
        ("c15", "invalid_number"),  # 410, 22
        ("c17", "invalid_number"),  # 485
        ("c19", "invalid_number"),  # 604, 1
        ("c16", "congestion"),  # 503, 34
        ("c20", "congestion"),  # 504
        ("c27", "congestion"),  # 34
        ("c21", "network_failure"),  # 401
        ("c22", "network_failure"),  # 403
        ("c23", "network_failure"),  # 407
        ("c24", "network_failure"),  # 483
        ("c25", "network_failure"),  # 500, 38
        ("c26", "network_failure"),  # 502, 27
        ("c04", "cancelled"),  # 487
    ],
)
def test_codes_by_hand(centre: Marts, call: str, signalled: str) -> None:
    row = centre.row("select * from marts.calls where call_id = %s", call)
    assert (row["outcome"], row["is_answered"], row["is_connected"]) == (signalled, False, False)


def test_the_demand_that_nobody_followed_by_hand(centre: Marts) -> None:
    row = centre.row("select * from marts.customer_demands where demand_id = 'D5'")
    # from Saturday 10:00 to the end of Monday; nobody was reached since
    assert row["staleness_days"] == pytest.approx(2 + 14 / 24)
    assert row["is_overdue"]


# Marts against each other


def test_the_ledger_adds_up_to_each_score(centre: Marts) -> None:
    for evaluation in ("conversation", "inspection", "rules_and_lines"):
        assert (
            centre.query(
                f"select e.customer_id, e.evaluation_date, e.score, sum(l.points)"
                f" from marts.evaluation_{evaluation} as e left join marts.evaluation_ledger as l"
                " on l.evaluation = %s and (l.customer_id, l.evaluation_date, l.rule_version)"
                " = (e.customer_id, e.evaluation_date, e.rule_version)"
                " group by 1, 2, 3 having e.score is distinct from sum(l.points)",
                evaluation,
            )
            == []
        )


def test_the_timeline_has_every_call_of_a_customer_in_order(
    centre: Marts, reference: Reference
) -> None:
    found = centre.query(
        "select customer_id, call_id from marts.customer_timeline where event_type = 'call'"
        " order by customer_id, event_number"
    )
    wanted = sorted(
        (call.customer_id, call.started_at, call.call_id)
        for call in reference.calls.values()
        if call.customer_id is not None
    )
    assert found == [(customer, call) for customer, _, call in wanted]


def test_freshness_counts_what_was_delivered(centre: Marts, reference: Reference) -> None:
    found = {
        row["entity"]: {
            "rows_loaded": row["rows_loaded"],
            "newest": str(row["newest_delivered_on"]),
        }
        for row in records(centre, "data_freshness", "entity", "source").values()
        if row["entity"] in reference.versions
    }
    assert {name: row for name, row in found.items() if row["rows_loaded"]} == {
        name: {"rows_loaded": row["rows_loaded"], "newest": row["newest_delivered_on"]}
        for name, row in reference.freshness().items()
    }
