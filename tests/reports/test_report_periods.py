"""Which days a report is about, and which reports a file may ask for."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from callmart.reports.periods import KINDS, Kind, closed, parse, period_of
from callmart.reports.plans import load_plan
from callmart.settings import Settings


@pytest.mark.parametrize(
    ("label", "start", "end", "before"),
    [
        ("2026-11-19", "2026-11-19", "2026-11-19", "2026-11-18"),
        ("2026-W47", "2026-11-16", "2026-11-22", "2026-W46"),
        ("2026-W01", "2025-12-29", "2026-01-04", "2025-W52"),
        ("2027-W01", "2027-01-04", "2027-01-10", "2026-W53"),
        ("2026-11", "2026-11-01", "2026-11-30", "2026-10"),
        ("2028-02", "2028-02-01", "2028-02-29", "2028-01"),
        ("2026-01", "2026-01-01", "2026-01-31", "2025-12"),
    ],
)
def test_a_label_names_its_days(label: str, start: str, end: str, before: str) -> None:
    period = parse(label)
    assert (str(period.start), str(period.end), period.before().label) == (start, end, before)


@pytest.mark.parametrize(
    "text", ["2026-W54", "2026-W00", "2026-13", "2026-02-30", "18.11.2026", "2026", ""]
)
def test_what_is_no_period_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match="2026-W47"):
        parse(text)


@given(kind=st.sampled_from(KINDS), day=st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_periods_of_a_kind_part_the_days_among_them(kind: Kind, day: date) -> None:
    period = period_of(kind, day)
    assert period.start <= day <= period.end
    assert parse(period.label) == period
    assert period.before().end == period.start - timedelta(days=1)


@pytest.mark.parametrize(
    ("kind", "today", "days", "due"),
    [
        ("daily", "2026-11-19", 2, ["2026-11-17", "2026-11-18"]),
        ("weekly", "2026-11-22", 6, []),  # Sunday: the week still runs, the last ended 7 days ago
        ("weekly", "2026-11-22", 7, ["2026-W46"]),
        ("weekly", "2026-11-23", 6, ["2026-W47"]),
        ("weekly", "2026-11-25", 14, ["2026-W46", "2026-W47"]),
        ("monthly", "2026-11-30", 29, []),
        ("monthly", "2026-12-01", 10, ["2026-11"]),
        ("monthly", "2026-12-02", 62, ["2026-10", "2026-11"]),
        ("monthly", "2026-12-02", 0, []),
    ],
)
def test_a_period_is_due_when_it_is_over(kind: Kind, today: str, days: int, due: list[str]) -> None:
    assert [each.label for each in closed(kind, date.fromisoformat(today), days)] == due


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"languages": {"fr": []}}, "fr.*en, zh"),
        ({"report": "hourly"}, "hourly.*daily, weekly, monthly"),
        ({"audience": "chiefs"}, "chiefs.*management"),
        ({"formats": ["docx"]}, "docx.*pdf, xlsx"),
        ({"may_see": ["numbers"]}, "numbers.*names, quotes"),
        ({"team": "East"}, "East.*team_leads, quality"),
    ],
)
def test_a_reports_file_that_cannot_be_is_refused_by_place(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "reports.yaml"
    entry = {"report": "daily", "audience": "management", "languages": {"en": []}}
    path.write_text(yaml.safe_dump({"reports": [entry]}))
    assert load_plan(path).entries[0].kind == "daily"
    path.write_text(yaml.safe_dump({"reports": [{**entry, **changes}]}))
    with pytest.raises(ValueError, match=rf"reports\.yaml.*{said}"):
        load_plan(path)
    path.write_text(yaml.safe_dump({"reports": [entry, entry]}))
    with pytest.raises(ValueError, match="stands there twice"):
        load_plan(path)
    path.write_text(yaml.safe_dump({"reports": [entry], "link_hours": 200}))
    with pytest.raises(ValueError, match="168"):
        load_plan(path)


def test_the_shipped_file_serves_every_audience_and_kind() -> None:
    plan = load_plan(Settings.from_environment({}).reports_file)
    assert {entry.kind for entry in plan.entries} == set(KINDS)
    assert {entry.audience for entry in plan.entries} == {
        "management", "team_leads", "quality", "operations",
    }  # fmt: skip
