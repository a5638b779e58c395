"""The calendar: weeks at the turn of a year, holidays where the law puts them, and days to compare with."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from built_marts import Marts
from compiled_models import Run

pytestmark = pytest.mark.postgres

CALLS = {"call_date": "date"}
DEMANDS = {"created_at": "timestamptz"}
AS_OF = {"as_of_date": "date"}
HOLIDAYS = {"country": "text", "holiday_date": "date", "name": "text"}

Days = dict[date, dict[str, Any]]


def days_of(
    run_model: Run, first: str, last: str, holidays: list[tuple[str, str, str]] | None = None
) -> Days:
    inputs: dict[str, Any] = {
        "int_calls_reconciled": (CALLS, [{"call_date": first}]),
        "int_demand_versions_ordered": (DEMANDS, []),
        "int_as_of": (AS_OF, [{"as_of_date": last}]),
    }
    if holidays is not None:
        rows = [dict(zip(HOLIDAYS, holiday, strict=True)) for holiday in holidays]
        inputs["public_holidays"] = (HOLIDAYS, rows)
    return {row["calendar_date"]: row for row in run_model("calendar", inputs)}


@pytest.fixture
def days(run_model: Run) -> Days:
    """With the holidays of the seed; the business is in China."""
    return days_of(run_model, "2026-11-16", "2026-11-18")


@pytest.mark.parametrize(
    ("day", "week", "monday"),
    [
        ("2025-12-28", "2025-W52", "2025-12-22"),
        ("2025-12-29", "2026-W01", "2025-12-29"),
        ("2026-01-01", "2026-W01", "2025-12-29"),
        ("2026-12-31", "2026-W53", "2026-12-28"),
        ("2027-01-03", "2026-W53", "2026-12-28"),
        ("2027-01-04", "2027-W01", "2027-01-04"),
    ],
)
def test_iso_weeks(days: Days, day: str, week: str, monday: str) -> None:
    found = days[date.fromisoformat(day)]
    assert found["iso_week_name"] == week
    assert f"{found['iso_year']}-W{found['iso_week']:02}" == week
    assert found["week_date"] == date.fromisoformat(monday)
    year, number, weekday = date.fromisoformat(day).isocalendar()
    assert (found["iso_year"], found["iso_week"], found["iso_weekday"]) == (year, number, weekday)
    assert found["calendar_year"] == int(day[:4])


def test_names_of_a_day(days: Days) -> None:
    found = days[date(2026, 2, 28)]
    assert (found["weekday_en"], found["weekday_zh"]) == ("Saturday", "星期六")
    assert (found["calendar_quarter"], found["month_name"]) == (1, "2026-02")
    assert found["month_date"] == date(2026, 2, 1)
    assert (found["day_of_month"], found["day_of_year"]) == (28, 59)


@pytest.mark.parametrize(
    ("day", "holiday", "moved", "make_up", "business", "name_zh"),
    [
        # A Friday off, for which the Sunday after it is worked.
        ("2026-01-02", True, True, False, False, "调休放假"),
        ("2026-01-04", False, False, True, True, None),
        # The festival falls on a Sunday: the Monday is off for it.
        ("2026-04-05", True, False, False, False, "清明节"),
        ("2026-04-06", True, True, False, False, "清明节（补休）"),
        # A plain Saturday and a plain Monday.
        ("2026-01-10", False, False, False, False, None),
        ("2026-01-12", False, False, False, True, None),
    ],
)
def test_holidays_are_where_the_law_puts_them(
    days: Days,
    day: str,
    holiday: bool,
    moved: bool,
    make_up: bool,
    business: bool,
    name_zh: str | None,
) -> None:
    found = days[date.fromisoformat(day)]
    assert found["is_public_holiday"] is holiday
    assert found["is_moved_holiday"] is moved
    assert found["is_make_up_workday"] is make_up
    assert found["is_business_day"] is business
    assert found["holiday_name_zh"] == name_zh
    assert (found["holiday_name_en"] is None) is (name_zh is None)


def test_two_holidays_of_a_day_another_countrys_and_unknown_years(run_model: Run) -> None:
    days = days_of(
        run_model,
        "2026-03-01",
        "2026-03-31",
        [
            ("CN", "2026-10-01", "National Day; Mid-Autumn Festival"),
            ("CN", "2026-10-05", "Alternative holiday for Mid-Autumn Festival"),
            ("CN", "2026-10-08", "Local feast"),
            ("US", "2026-07-03", "Independence Day (observed)"),
        ],
    )
    assert days[date(2026, 10, 1)]["holiday_name_zh"] == "国庆节、中秋节"
    assert days[date(2026, 10, 5)]["holiday_name_zh"] == "中秋节（补休）"
    assert days[date(2026, 10, 5)]["is_moved_holiday"] is True
    # A name without a translation is shown as it is.
    assert days[date(2026, 10, 8)]["holiday_name_zh"] == "Local feast"
    assert days[date(2026, 7, 3)]["is_public_holiday"] is False
    # Nobody entered the year: not known, and judged by the weekday.
    unknown = days[date(2027, 10, 1)]
    assert (unknown["are_holidays_known"], unknown["is_public_holiday"]) == (False, None)
    assert unknown["is_business_day"] is True


def test_days_to_compare_with(days: Days) -> None:
    found = days[date(2026, 10, 15)]
    # The Thursdays 8 October, then 1 October, a holiday.
    assert found["previous_same_weekday_date"] == date(2026, 10, 8)
    assert found["previous_comparable_date"] == date(2026, 10, 8)
    assert days[date(2026, 10, 8)]["previous_comparable_date"] == date(2026, 9, 24)
    assert days[date(2026, 10, 1)]["previous_comparable_date"] == date(2026, 2, 19)
    assert days[date(2026, 10, 8)]["previous_business_date"] == date(2026, 9, 30)
    # Four days of the month are worked before it: 8, 9, 10 (Saturday, made up), 12.
    assert days[date(2026, 10, 12)]["business_day_of_month"] == 4
    assert found["same_weekday_last_year_date"] == date(2025, 10, 16)


def test_the_calendar_spans_two_years_around_the_data_without_gaps(days: Days) -> None:
    assert (min(days), max(days)) == (date(2024, 11, 16), date(2028, 11, 18))
    assert len(days) == (max(days) - min(days)).days + 1


def test_without_data_there_are_no_days(run_model: Run) -> None:
    nothing: dict[str, Any] = {
        "int_calls_reconciled": (CALLS, []),
        "int_demand_versions_ordered": (DEMANDS, []),
        "int_as_of": (AS_OF, [{}]),
    }
    assert run_model("calendar", nothing) == []


def test_every_holiday_of_the_seed_has_a_chinese_name(marts: Marts) -> None:
    words = (
        r" \((observed|substituted from [^)]*)\)",
        "Alternative holiday for ",
    )
    lacking = marts.column(
        "select distinct part from seeds.public_holidays,"
        " unnest(string_to_array(replace(regexp_replace(name, %s, '', 'g'), %s, ''), '; ')) as part"
        " where part not in (select name_en from seeds.holiday_labels)",
        *words,
    )
    assert lacking == []


def test_every_day_with_figures_is_in_the_calendar(marts: Marts) -> None:
    for mart, day in (
        ("calls", "call_date"),
        ("agent_work", "work_date"),
        ("rule_violations", "violation_date"),
        ("demand_funnel", "week_date"),
        ("customer_quality", "valid_from"),
    ):
        assert (
            marts.column(
                f"select {day} from marts.{mart}"
                f" where {day} not in (select calendar_date from marts.calendar)"
            )
            == []
        ), mart
