"""The SQL of rule types against the contract's sentences written in Python, over random calls."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from compiled_models import Run, Table

ZONES = (
    "America/New_York",
    "Europe/Berlin",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CALL_COLUMNS = {
    "call_id": "text",
    "direction": "text",
    "customer_id": "text",
    "customer_key": "text",
    "campaign_id": "text",
    "customer_region": "text",
    "customer_country": "text",
    "customer_segment": "text",
    "customer_time_zone": "text",
    "customer_time_zone_origin": "text",
    "customer_local_started_at": "timestamp",
    "started_at": "timestamptz",
    "call_date": "date",
    "line_id": "text",
    "line_group": "text",
    "consent_status": "text",
    "do_not_call": "boolean",
    "hangup_by": "text",
    "is_answered": "boolean",
    "is_connected": "boolean",
    "is_abandoned": "boolean",
    "ring_seconds": "double precision",
    "agent_joined_at": "timestamptz",
    "answer_to_agent_seconds": "double precision",
}
RULE_COLUMNS = {
    "rule_id": "text",
    "rule_type": "text",
    "rule_version": "integer",
    "effective_from": "timestamptz",
    "severity": "text",
    "campaign_id": "text",
    "region": "text",
    "parameters": "jsonb",
    "in_force_from": "timestamptz",
    "in_force_to": "timestamptz",
}
HOLIDAYS = {("US", date(2026, 11, 1)), ("DE", date(2026, 10, 25)), ("CN", date(2026, 10, 27))}
Row = dict[str, Any]


def calls_at_both_changes_of_the_clock(seed: int, number: int) -> list[Row]:
    """Calls around the ends of summer time; minutes and whole hours, so that edges are met."""
    chance = random.Random(seed)
    first = datetime(2026, 10, 24, tzinfo=UTC)
    calls = []
    for index in range(number):
        customer = chance.randrange(25)
        zone = ZONES[customer % len(ZONES)]
        started = first + timedelta(minutes=chance.choice((1, 15, 30, 60)) * chance.randrange(200))
        started += timedelta(days=chance.choice((0, 0, 1, 7)))
        is_answered = chance.random() < 0.6
        is_connected = is_answered and chance.choice((True, True, False, None))
        joined = started + timedelta(seconds=20) if chance.random() < 0.7 else None
        calls.append(
            {
                "call_id": f"call-{index:04}",
                "direction": "inbound" if chance.random() < 0.1 else "outbound",
                "customer_id": f"C{customer}",
                "customer_key": f"C{customer}",
                "campaign_id": chance.choice(("A", "B", "B", None)),
                "customer_region": chance.choice(("华东", "华北", None)),
                "customer_country": {"America/New_York": "US", "Europe/Berlin": "DE"}.get(
                    zone, "CN"
                ),
                "customer_time_zone": zone,
                "customer_local_started_at": started.astimezone(ZoneInfo(zone)).replace(
                    tzinfo=None
                ),
                "started_at": started,
                "call_date": started.astimezone(ZoneInfo("Asia/Shanghai")).date(),
                "line_id": chance.choice(("L1", "L1", "L2", None)),
                "line_group": chance.choice(("east", "north", None)),
                "consent_status": chance.choice(
                    ("granted", "refused", "withdrawn", "unknown", None)
                ),
                "do_not_call": chance.choice((True, False, None)),
                "hangup_by": chance.choice(("agent", "customer", "dialler", "network", None)),
                "is_answered": is_answered,
                "is_connected": is_connected,
                "is_abandoned": bool(is_connected) and joined is None,
                "ring_seconds": chance.choice((None, 3, 14.9, 15, 40)),
                "agent_joined_at": joined,
                "answer_to_agent_seconds": chance.choice((0, 2, 2.1, 9)) if joined else None,
            }
        )
    return calls


def rule(rule_id: str, parameters: Any, **columns: Any) -> Row:
    return {
        "rule_id": rule_id,
        "rule_version": 1,
        "effective_from": datetime(2026, 1, 1, tzinfo=UTC),
        "severity": "major",
        "parameters": json.dumps(parameters),
        "in_force_from": datetime(2026, 1, 1, tzinfo=UTC),
        "in_force_to": datetime(2027, 1, 1, tzinfo=UTC),
        **columns,
    }


def covered(one: Row, call: Row) -> bool:
    return (
        call["direction"] == "outbound"
        and one.get("campaign_id") in (None, call["campaign_id"])
        and one.get("region") in (None, call["customer_region"])
    )


def in_force(one: Row, call: Row) -> bool:
    return bool(one["in_force_from"] <= call["started_at"] < one["in_force_to"])


def calling_hours(one: Row, call: Row, _calls: list[Row]) -> bool:
    parameters = json.loads(one["parameters"])
    local = call["customer_local_started_at"]
    if parameters.get("holidays") is False and (call["customer_country"], local.date()) in HOLIDAYS:
        return True
    for window in parameters.get("windows", [parameters]):
        days = [day.lower() for day in window.get("days", parameters.get("days", WEEK))]
        start = time.fromisoformat(window["from"]) if "from" in window else time.min
        end = window.get("to", "24:00")
        stops = None if end == "24:00" else time.fromisoformat(end)
        if (
            WEEK[local.weekday()] in days
            and start <= local.time()
            and (not stops or local.time() < stops)
        ):
            return False
    return True


def max_attempts(one: Row, call: Row, calls: list[Row]) -> bool:
    parameters = json.loads(one["parameters"])
    opens = call["started_at"] - timedelta(hours=parameters["per_hours"])
    within = [
        other
        for other in calls
        if other["customer_key"] == call["customer_key"]
        and covered(one, other)
        and opens < other["started_at"] <= call["started_at"]
    ]
    return len(within) > parameters["count"]


def min_interval(one: Row, call: Row, calls: list[Row]) -> bool:
    minutes = json.loads(one["parameters"])["minutes"]
    return any(
        timedelta(0) <= call["started_at"] - other["started_at"] < timedelta(minutes=minutes)
        for other in calls
        if other["customer_key"] == call["customer_key"]
        and covered(one, other)
        and (other["started_at"], other["call_id"]) < (call["started_at"], call["call_id"])
    )


def line_mode(one: Row, call: Row, calls: list[Row]) -> bool:
    parameters = json.loads(one["parameters"])
    if call["line_id"] is None or call["campaign_id"] is None:
        return False
    earlier = sorted(
        (
            other
            for other in calls
            if other["direction"] == "outbound"
            and other["line_id"] is not None
            and other["campaign_id"] == call["campaign_id"]
            and other["customer_key"] == call["customer_key"]
            and (other["started_at"], other["call_id"]) < (call["started_at"], call["call_id"])
        ),
        key=lambda other: (other["started_at"], other["call_id"]),
    )
    if parameters["mode"] == "single":
        return bool(earlier) and earlier[0]["line_id"] != call["line_id"]
    running = 0
    for other in reversed(earlier):
        if other["line_id"] != call["line_id"] or other["is_connected"]:
            break
        running += 1
    return running >= parameters["after_attempts"]


def never_judged_by_others(one: Row, call: Row, _calls: list[Row]) -> bool:
    parameters = json.loads(one["parameters"])
    match one["rule_type"]:
        case "do_not_call":
            return call["do_not_call"] is True
        case "consent_required":
            return call["consent_status"] != "granted"
        case "line_assignment":
            wanted = parameters.get(call["customer_region"] or "")
            return call["line_id"] is not None and wanted not in (None, call["line_group"])
        case "answer_to_agent":
            late = call["agent_joined_at"] is None or (
                call["answer_to_agent_seconds"] > parameters["seconds"]
            )
            return call["is_connected"] is True and late
        case _:
            return (
                not call["is_answered"]
                and call["hangup_by"] in ("agent", "dialler")
                and call["ring_seconds"] is not None
                and call["ring_seconds"] < parameters["seconds"]
            )


RULES: dict[str, tuple[Callable[[Row, Row, list[Row]], bool], list[Row]]] = {
    "calling_hours": (
        calling_hours,
        [
            rule(
                "day", {"from": "09:00", "to": "21:00", "days": ["Mon", "tue", "wed", "thu", "fri"]}
            ),
            rule(
                "parts",
                {
                    "windows": [{"from": "09:00", "to": "12:00"}, {"from": "13:00"}],
                    "holidays": False,
                },
            ),
            rule(
                "weekend",
                {"windows": [{"to": "03:00", "days": ["sun"]}], "days": ["sat"]},
                region="华东",
            ),
            rule("night", {"from": "01:00", "to": "02:00"}, campaign_id="B"),
        ],
    ),
    "max_attempts": (
        max_attempts,
        [
            rule("three", {"count": 3, "per_hours": 24}),
            rule("one_in_a", {"count": 1, "per_hours": 6.5}, campaign_id="A"),
            rule("none_north", {"count": 0, "per_hours": 1}, region="华北"),
            rule(
                "of_late",
                {"count": 2, "per_hours": 12},
                in_force_from=datetime(2026, 10, 25, 1, tzinfo=UTC),
                in_force_to=datetime(2026, 10, 31, 1, tzinfo=UTC),
            ),
        ],
    ),
    "min_interval": (
        min_interval,
        [
            rule("hour", {"minutes": 60}),
            rule("half", {"minutes": 300.5}, campaign_id="A", region="华东"),
            rule("of_late", {"minutes": 90}, in_force_from=datetime(2026, 10, 25, 1, tzinfo=UTC)),
        ],
    ),
    "line_mode": (
        line_mode,
        [
            rule("single", {"mode": "single"}),
            rule("single_east", {"mode": "single"}, region="华东", campaign_id="B"),
            rule("after_two", {"mode": "multiple", "after_attempts": 2}),
            rule("after_one", {"mode": "multiple", "after_attempts": 1}, region="华北"),
        ],
    ),
    "do_not_call": (never_judged_by_others, [rule("dnc", {}), rule("dnc_b", {}, campaign_id="B")]),
    "consent_required": (never_judged_by_others, [rule("consent", {}, region="华东")]),
    "line_assignment": (never_judged_by_others, [rule("lines", {"华东": "east"})]),
    "answer_to_agent": (never_judged_by_others, [rule("join", {"seconds": 2})]),
    "min_ring": (never_judged_by_others, [rule("ring", {"seconds": 15})]),
}


@pytest.mark.parametrize("rule_type", sorted(RULES))
def test_rules_break_as_the_contract_says(run_model: Run, rule_type: str) -> None:
    breaks, rules = RULES[rule_type]
    rules = [{**one, "rule_type": rule_type} for one in rules]
    calls = calls_at_both_changes_of_the_clock(7, 400)
    inputs: dict[str, Table] = {
        "int_calls_reconciled": (CALL_COLUMNS, calls),
        "int_sales_rules_usable": (RULE_COLUMNS, rules),
    }
    if rule_type == "calling_hours":
        days = [
            {"country": country, "holiday_date": day, "name": "holiday"}
            for country, day in HOLIDAYS
        ]
        columns = {"country": "text", "holiday_date": "date", "name": "text"}
        inputs["public_holidays"] = (columns, days)
    rows = run_model(f"int_{rule_type}_violated", inputs)
    found = sorted((row["rule_id"], row["call_id"]) for row in rows)
    wanted = sorted(
        (one["rule_id"], call["call_id"])
        for one in rules
        for call in calls
        if covered(one, call) and in_force(one, call) and breaks(one, call, calls)
    )
    assert found == wanted
    assert {rule_id for rule_id, _ in wanted} == {one["rule_id"] for one in rules}
    assert len(wanted) < sum(covered(one, call) for one in rules for call in calls)


def test_abandonment_over_business_days(run_model: Run) -> None:
    """Abandoned over connected of the campaign and the days up to today, on each day with an attempt."""
    calls = calls_at_both_changes_of_the_clock(8, 400)
    rules = [
        {**rule("two_days", {"ratio": 0.25, "days": 2}), "rule_type": "max_abandon_ratio"},
        {
            **rule("week_of_a", {"ratio": 0.3, "days": 7}, campaign_id="A"),
            "rule_type": "max_abandon_ratio",
        },
        {
            **rule("east", {"ratio": 0.2, "days": 1}, region="华东"),
            "rule_type": "max_abandon_ratio",
        },
    ]
    rows = run_model(
        "int_max_abandon_ratio_violated",
        {
            "int_calls_reconciled": (CALL_COLUMNS, calls),
            "int_sales_rules_usable": (RULE_COLUMNS, rules),
        },
    )
    found = sorted(
        (row["rule_id"], row["campaign_id"], row["violated_at"], row["detail"]["abandoned"])
        for row in rows
    )
    wanted = []
    for one in rules:
        parameters = json.loads(one["parameters"])
        mine = [call for call in calls if covered(one, call) and call["campaign_id"] is not None]
        for campaign, day in {(call["campaign_id"], call["call_date"]) for call in mine}:
            window = [
                call
                for call in mine
                if call["campaign_id"] == campaign
                and 0 <= (day - call["call_date"]).days < parameters["days"]
            ]
            connected = sum(call["is_connected"] is True for call in window)
            abandoned = sum(call["is_abandoned"] for call in window)
            if connected and abandoned / connected > parameters["ratio"]:
                last = max(call["started_at"] for call in window if call["call_date"] == day)
                wanted.append((one["rule_id"], campaign, last, abandoned))
    assert found == sorted(wanted)
    assert len({rule_id for rule_id, *_ in wanted}) == 3
