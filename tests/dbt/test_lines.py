"""The SQL of lines and rules against made-up calls, and against the same figures worked out in Python."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from compiled_models import Run, Table

# --- line health ----------------------------------------------------------------------------------

HEALTH_COLUMNS = {
    "call_id": "text",
    "direction": "text",
    "line_id": "text",
    "line_group": "text",
    "call_date": "date",
    "started_at": "timestamptz",
    "is_answered": "boolean",
    "is_connected": "boolean",
}
NO_MARKS: dict[str, Table] = {
    "stg_callmart__lines_versions": (
        {
            "line_id": "text",
            "number": "text",
            "valid_from": "timestamptz",
            "valid_to": "timestamptz",
        },
        [],
    ),
    "stg_callmart__number_marks": (
        {"number": "text", "marker": "text", "marked_as": "text", "observed_at": "timestamptz"},
        [],
    ),
    "stg_callmart__complaints": ({"call_id": "text", "received_at": "timestamptz"}, []),
}
FIRST_DAY = date(2026, 9, 1)
DAYS = 60
FALLS_ON = 50


def centre(seed: int, attempts: int = 60) -> list[dict[str, Any]]:
    """44 lines in four groups: good and bad hours, days and lines; four connect half from day 50 on."""
    chance = random.Random(seed)
    ratio_of_hour = {9: 0.22, 10: 0.3, 11: 0.3, 14: 0.26, 15: 0.33, 16: 0.36, 17: 0.4, 18: 0.45}
    skill = {line: chance.uniform(0.8, 1.25) for line in range(44)}
    calls = []
    for day in range(DAYS):
        of_day = chance.uniform(0.85, 1.15)
        for line in range(44):
            own_luck = chance.gauss(1, 0.08)
            fallen = 0.5 if line >= 40 and day >= FALLS_ON else 1.0
            hours = chance.choices(list(ratio_of_hour), k=attempts)
            for number, hour in enumerate(hours):
                ratio = ratio_of_hour[hour] * skill[line] * of_day * own_luck * fallen
                moment = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
                moment += timedelta(days=day, hours=hour - 8, seconds=number * 20)
                calls.append(
                    {
                        "call_id": f"{day}-{line}-{number}",
                        "direction": "outbound",
                        "line_id": f"L{line:02}",
                        "line_group": f"G{line % 4}",
                        "call_date": FIRST_DAY + timedelta(days=day),
                        "started_at": moment,
                        "is_answered": True,
                        "is_connected": chance.random() < ratio,
                    }
                )
    return calls


def test_healthy_lines_are_left_alone_and_fallen_ones_found(run_model: Run) -> None:
    """40 healthy lines over 60 days: no more than the stated 5 % of days (and what chance adds) flag one
    falsely, no more than 5 % of all flags are false; lines of 60 attempts a day that connect half are
    found within five days here (three out of four within three, over many seeds)."""
    inputs = {"int_calls_reconciled": (HEALTH_COLUMNS, centre(12)), **NO_MARKS}
    rows = run_model("line_health", inputs)
    assert len(rows) == 44 * DAYS
    judged = [row for row in rows if row["p_value"] is not None]
    assert len(judged) > 44 * 55
    flagged = [row for row in rows if row["is_suspected_flagged"]]
    truly = [row for row in flagged if row["line_id"] >= "L40" and day_of(row) >= FALLS_ON]
    falsely = [row for row in flagged if row not in truly]
    assert len({row["call_date"] for row in falsely}) <= 6  # 3 expected at most, 99 % of samples
    assert len(falsely) <= 0.05 * len(flagged) + 2
    for line in ("L40", "L41", "L42", "L43"):
        days = [day_of(row) for row in truly if row["line_id"] == line]
        assert days, line
        assert min(days) < FALLS_ON + 5, (line, days)
    assert {row["verdict"] for row in truly} <= {"below_baseline", "fell_within_day"}


def day_of(row: dict[str, Any]) -> int:
    days: int = (row["call_date"] - FIRST_DAY).days
    return days


# --- single against multiple lines ----------------------------------------------------------------

COMPARED_COLUMNS = {
    "call_id": "text",
    "direction": "text",
    "customer_key": "text",
    "product": "text",
    "list_id": "text",
    "customer_region": "text",
    "customer_local_started_at": "timestamp",
    "line_mode": "text",
    "is_connected": "boolean",
    "call_date": "date",
}
Counts = tuple[int, int, int, int]  # attempts single, multiple; connected single, multiple


def compared_calls(
    strata: dict[tuple[str, str, int], Counts], per_customer: int = 1
) -> list[dict[str, Any]]:
    """Calls that fill strata of (product, region, hour), per_customer attempts a customer, one fate."""
    calls = []
    for (product, region, hour), (n0, n1, x0, x1) in strata.items():
        for mode, attempts, connected in (("single", n0, x0), ("multiple", n1, x1)):
            for number in range(attempts):
                customer = f"{product}{region}{hour}{mode}{number // per_customer}"
                calls.append(
                    {
                        "call_id": f"{customer}-{number}",
                        "direction": "outbound",
                        "customer_key": customer,
                        "product": product,
                        "customer_region": region,
                        "customer_local_started_at": f"2026-11-18 {hour}:10",
                        "line_mode": mode,
                        "is_connected": number < connected,
                        "call_date": date(2026, 11, 18),
                    }
                )
    return calls


def mantel_haenszel(strata: list[Counts]) -> tuple[float, float]:
    """Risk difference, multiple less single, and its standard error (Sato 1989, Biometrics 45)."""
    weight = difference = p = q = 0.0
    for n0, n1, x0, x1 in strata:
        total = n0 + n1
        weight += n0 * n1 / total
        difference += (x1 * n0 - x0 * n1) / total
        p += (n1**2 * x0 - n0**2 * x1 + n1 * n0 * (n0 - n1) / 2) / total**2
        q += (x1 * (n0 - x0) + x0 * (n1 - x1)) / (2 * total)
    delta = difference / weight
    return delta, math.sqrt(delta * p + q) / weight


def newcombe(n0: int, n1: int, x0: int, x1: int) -> tuple[float, float]:
    def wilson(x: int, n: int) -> tuple[float, float]:
        z = 1.959964
        middle = (x + z * z / 2) / (n + z * z)
        half = z / (n + z * z) * math.sqrt(x * (n - x) / n + z * z / 4)
        return middle - half, middle + half

    p0, p1 = x0 / n0, x1 / n1
    (lower0, upper0), (lower1, upper1) = wilson(x0, n0), wilson(x1, n1)
    return (
        p1 - p0 - math.hypot(p1 - lower1, upper0 - p0),
        p1 - p0 + math.hypot(upper1 - p1, p0 - lower0),
    )


def compare(run_model: Run, calls: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    rows = run_model(
        "line_mode_comparison",
        {
            "int_calls_reconciled": (COMPARED_COLUMNS, calls),
            "int_callers_routed": ({"call_id": "text", "is_person_reached": "boolean"}, []),
            "int_as_of": ({"as_of_date": "date"}, [{"as_of_date": date(2026, 11, 18)}]),
        },
    )
    return {row["scope"]: row for row in rows if row["direction"] == "outbound"}


def test_modes_are_compared_as_by_hand(run_model: Run) -> None:
    """Raw ratios favour single lines, which call at the good hours; within the hours others do better."""
    strata: dict[tuple[str, str, int], Counts] = {
        ("loan", "CN", 10): (20, 80, 2, 16),
        ("loan", "CN", 19): (80, 20, 40, 12),
        ("loan", "DE", 19): (50, 0, 45, 0),
        ("card", "CN", 11): (6, 5, 0, 3),
        ("fund", "CN", 11): (9, 0, 3, 0),
    }
    rows = compare(run_model, compared_calls(strata))
    loan = rows["loan"]
    # by hand: weights 16 and 16, differences 0.1 and 0.1
    assert loan["connection_ratio_difference"] == pytest.approx(0.1)
    assert (loan["matched_strata"], loan["strata"]) == (2, 3)
    assert loan["single_connection_ratio"] == pytest.approx(0.3)
    assert loan["multiple_connection_ratio"] == pytest.approx(0.4)
    delta, error = mantel_haenszel([(20, 80, 2, 16), (80, 20, 40, 12)])
    assert loan["interval_method"] == "mantel_haenszel_sato"
    assert loan["connection_ratio_difference_lower"] == pytest.approx(delta - 1.959964 * error)
    assert loan["connection_ratio_difference_upper"] == pytest.approx(delta + 1.959964 * error)
    card = rows["card"]
    assert card["interval_method"] == "newcombe"
    assert (
        card["connection_ratio_difference_lower"],
        card["connection_ratio_difference_upper"],
    ) == pytest.approx(newcombe(6, 5, 0, 3))
    assert (rows["fund"]["is_comparable"], rows["fund"]["verdict"]) == (False, "nothing_matches")
    assert rows["fund"]["connection_ratio_difference"] is None
    assert "single lines were used alone" in rows["fund"]["reason_en"]
    assert "单线路" in rows["fund"]["reason_zh"]


def test_modes_agree_with_an_independent_calculation(run_model: Run) -> None:
    chance = random.Random(5)
    strata: dict[tuple[str, str, int], Counts] = {}
    for hour in range(9, 21):
        for region in ("CN", "DE", "FR"):
            n0, n1 = chance.randint(0, 12), chance.randint(0, 30)
            strata["loan", region, hour] = (n0, n1, chance.randint(0, n0), chance.randint(0, n1))
    matched = [counts for counts in strata.values() if counts[0] and counts[1]]
    delta, error = mantel_haenszel(matched)
    loan = compare(run_model, compared_calls(strata))["loan"]
    assert loan["matched_strata"] == len(matched)
    assert loan["connection_ratio_difference"] == pytest.approx(delta)
    width = loan["connection_ratio_difference_upper"] - loan["connection_ratio_difference_lower"]
    assert width == pytest.approx(2 * 1.959964 * error * math.sqrt(loan["design_effect"]))


def test_attempts_at_one_customer_are_no_independent_witnesses(run_model: Run) -> None:
    """Each customer five times with one fate: a fifth of the witnesses."""
    rows = compare(
        run_model, compared_calls({("loan", "CN", 10): (200, 200, 80, 100)}, per_customer=5)
    )
    assert rows["loan"]["design_effect"] == pytest.approx(5, rel=0.02)
    _, error = mantel_haenszel([(200, 200, 80, 100)])
    lower = rows["loan"]["connection_ratio_difference_lower"]
    assert lower == pytest.approx(0.1 - 1.959964 * error * math.sqrt(rows["loan"]["design_effect"]))
    assert rows["loan"]["verdict"] == "no_difference_shown"
