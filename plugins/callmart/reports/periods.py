"""The days a report is about: a business day, an ISO week (Monday to Sunday) or a calendar month."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, cast, get_args

Kind = Literal["daily", "weekly", "monthly"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, order=True)
class Period:
    """Days from `start` to `end`, both included."""

    start: date
    end: date
    kind: Kind

    @property
    def label(self) -> str:
        """As people write it and as `parse` reads it: 2026-11-19, 2026-W47, 2026-11."""
        if self.kind == "weekly":
            return f"{self.start:%G-W%V}"
        return f"{self.start:%Y-%m}" if self.kind == "monthly" else self.start.isoformat()

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def before(self) -> Period:
        """The period that ends where this one starts."""
        return period_of(self.kind, self.start - timedelta(days=1))


def period_of(kind: Kind, day: date) -> Period:
    """The period of a kind that holds `day`."""
    if kind == "weekly":
        start = day - timedelta(days=day.weekday())
        return Period(start, start + timedelta(days=6), kind)
    if kind == "monthly":
        start = day.replace(day=1)
        next_month = (start + timedelta(days=31)).replace(day=1)
        return Period(start, next_month - timedelta(days=1), kind)
    return Period(day, day, kind)


def parse(text: str) -> Period:
    """The period that a label names; raises ValueError, with the three forms, for anything else."""
    refusal = f"{text!r} is no period: 2026-11-19 (day), 2026-W47 (ISO week), 2026-11 (month)"
    try:
        if re.fullmatch(r"\d{4}-W\d{2}", text):
            return period_of("weekly", date.fromisocalendar(int(text[:4]), int(text[6:]), 1))
        if re.fullmatch(r"\d{4}-\d{2}", text):
            return period_of("monthly", date.fromisoformat(f"{text}-01"))
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return period_of("daily", date.fromisoformat(text))
    except ValueError as error:
        raise ValueError(f"{refusal}; {error}") from error
    raise ValueError(refusal)


def closed(kind: Kind, today: date, catch_up_days: int) -> list[Period]:
    """The periods of a kind that ended before `today`, at most `catch_up_days` ago, oldest first."""
    found = []
    period = period_of(kind, today).before()
    while (today - period.end).days <= catch_up_days:
        found.append(period)
        period = period.before()
    return found[::-1]


def as_kind(text: str) -> Kind:
    """`text` as a kind; raises ValueError for one that is none."""
    if text not in KINDS:
        raise ValueError(f"{text!r} is none of {', '.join(KINDS)}")
    return cast(Kind, text)
