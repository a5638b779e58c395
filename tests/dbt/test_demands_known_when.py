"""What the CRM knew of demands on a day, and what became of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from built_marts import Marts
from invented_centre import deliver

from callmart.settings import Settings
from callmart.warehouse.dbt import build

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MODELS = (
    "stg_callmart__customers_versions",
    "stg_callmart__customers",
    "stg_callmart__demands_versions",
    "int_customers_merged",
    "int_demand_versions_ordered",
    "int_demand_stages_sessionised",
    "customer_demand_changes",
)
CUSTOMERS = "customer_id,phone,merged_into_customer_id,updated_at\n"
DEMANDS = "demand_id,customer_id,stage,expected_value,custom_size,deleted_at,updated_at\n"
LATE = {
    # What was written last comes first.
    "crm/demands/dt=2026-11-05/corrections.csv": DEMANDS
    + "corrected,c1,interested,90,L,,2026-11-04T09:00:00+08:00\n"
    + "same,c1,interested,10,,,2026-11-02T09:00:00+08:00\n"
    + "closed,c1,reopened,10,,,2026-11-05T09:00:00+08:00\n"
    + "gone,c1,contacted,10,,2026-11-05T09:00:00+08:00,2026-11-05T09:00:00+08:00\n",
    "crm/customers/dt=2026-11-05/merged.csv": CUSTOMERS
    + "c2,+8613800000002,c1,2026-11-05T09:00:00+08:00\n",
}
EARLY = {
    "crm/demands/dt=2026-11-02/first.csv": DEMANDS
    + "corrected,c1,quoted,100,M,,2026-11-02T09:00:00+08:00\n"
    + "corrected,c1,contacted,100,M,,2026-11-01T09:00:00+08:00\n"
    + "same,c1,quoted,10,,,2026-11-02T09:00:00+08:00\n"
    + "closed,c1,lost,10,,,2026-11-02T09:00:00+08:00\n"
    + "gone,c1,contacted,10,,,2026-11-02T09:00:00+08:00\n"
    + "moved,c2,contacted,10,,,2026-11-02T09:00:00+08:00\n",
    "crm/customers/dt=2026-11-02/first.csv": CUSTOMERS
    + "c1,+8613800000001,,2026-11-01T09:00:00+08:00\n"
    + "c2,+8613800000002,,2026-11-01T09:00:00+08:00\n",
}
Known = dict[str, list[Any]]


@pytest.fixture(scope="module")
def known(new_settings: Callable[[str], Settings]) -> dict[date, Known]:
    """By the as-of day: the stays, the changes, and whose the demands are."""
    settings = new_settings("demands-known-when")
    encoded = [{key: text.encode() for key, text in wave.items()} for wave in (LATE, EARLY)]
    deliver(settings, encoded)
    seen = {}
    for day in (date(2026, 11, 3), date(2026, 11, 10)):
        marts = Marts(settings, {}, build(settings, "run", select=MODELS, as_of=day))
        seen[day] = {
            "stays": marts.query(
                "select demand_id, stage, entered_at, left_at, is_current, known_at"
                " from intermediate.int_demand_stages_sessionised order by demand_id, stage_number"
            ),
            "changes": marts.query(
                "select demand_id, attribute, from_value, to_value, seen_at"
                " from marts.customer_demand_changes order by 1, 5, 2"
            ),
            "owners": marts.query(
                "select distinct demand_id, customer_id"
                " from intermediate.int_demand_stages_sessionised order by 1"
            ),
        }
    return seen


def at(day: int) -> datetime:
    return datetime.fromisoformat(f"2026-11-{day:02}T09:00:00+08:00")


def stays(known: Known, demand_id: str) -> list[tuple[Any, ...]]:
    return [row[1:5] for row in known["stays"] if row[0] == demand_id]


def test_a_correction_changes_the_present_and_not_what_was_known(
    known: dict[date, Known],
) -> None:
    then, now = known[date(2026, 11, 3)], known[date(2026, 11, 10)]

    assert stays(then, "corrected") == [
        ("contacted", at(1), at(2), False),
        ("quoted", at(2), None, True),
    ]
    assert stays(now, "corrected") == [
        ("contacted", at(1), at(2), False),
        ("quoted", at(2), at(4), False),
        ("interested", at(4), None, True),
    ]


def test_what_was_known_then_can_be_asked_of_today(known: dict[date, Known]) -> None:
    end = datetime.fromisoformat("2026-11-04T00:00:00+08:00")
    then, now = known[date(2026, 11, 3)], known[date(2026, 11, 10)]

    assert [row[:3] for row in now["stays"] if row[5] < end] == [row[:3] for row in then["stays"]]
    assert [row for row in now["changes"] if row[4] < end] == then["changes"]


def test_equal_times_are_ordered_by_their_delivery(known: dict[date, Known]) -> None:
    assert stays(known[date(2026, 11, 10)], "same") == [
        ("quoted", at(2), at(2), False),
        ("interested", at(2), None, True),
    ]


def test_closed_reopened_deleted_and_merged(known: dict[date, Known]) -> None:
    then, now = known[date(2026, 11, 3)], known[date(2026, 11, 10)]

    assert stays(then, "closed") == [("lost", at(2), None, True)]
    assert stays(now, "closed") == [("lost", at(2), at(5), False), ("reopened", at(5), None, True)]
    assert stays(then, "gone") == [("contacted", at(2), None, True)]
    assert stays(now, "gone") == [("contacted", at(2), at(5), False)]
    assert dict(then["owners"])["moved"] == "c2"
    assert dict(now["owners"])["moved"] == "c1"


def test_every_attribute_that_changed_is_told(known: dict[date, Known]) -> None:
    now = known[date(2026, 11, 10)]

    assert [row[1:] for row in now["changes"] if row[0] == "corrected"] == [
        ("stage", "contacted", "quoted", at(2)),
        ("custom_size", "M", "L", at(4)),
        ("expected_value", "100", "90", at(4)),
        ("stage", "quoted", "interested", at(4)),
    ]
