"""The reports file: which reports there are, for whom, and what the readers may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from callmart.reports.document import languages
from callmart.reports.periods import KINDS, Kind, as_kind
from callmart.reports.sections import AUDIENCES

FORMATS: Final = ("pdf", "xlsx")
MAY_SEE: Final = ("names", "quotes")
MOST_LINK_HOURS: Final = 168
"""A presigned address (AWS Signature Version 4) opens for seven days at most."""


@dataclass(frozen=True)
class Entry:
    """One report for one audience; `readers`: language → addresses and robots."""

    kind: Kind
    audience: str
    readers: Mapping[str, tuple[str, ...]]
    formats: tuple[str, ...]
    team: str | None
    may_see: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The file as read."""

    entries: tuple[Entry, ...]
    catch_up_days: Mapping[str, int]
    link_hours: float
    attach_megabytes: float


def load_plan(path: Path) -> Plan:
    """Read the reports file.

    Raises ValueError, naming the file, the report and what is wrong with it.
    """
    written: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries = tuple(_entry(path, item) for item in written["reports"])
    days = written.get("catch_up_days", 7)
    hours = float(written.get("link_hours", MOST_LINK_HOURS))
    if not 0 < hours <= MOST_LINK_HOURS:
        raise ValueError(f"{path}: link_hours: {hours:g} is not in 1 to {MOST_LINK_HOURS}")
    _refuse_twins(path, entries)
    return Plan(
        entries,
        days if isinstance(days, dict) else dict.fromkeys(KINDS, int(days)),
        hours,
        float(written.get("attach_megabytes", 10)),
    )


def _entry(path: Path, item: Mapping[str, Any]) -> Entry:
    place = f"{path}: report {item.get('report')}, audience {item.get('audience')}"
    audience, team = item.get("audience"), item.get("team")
    for name, given, known in (
        ("report", [item.get("report")], KINDS),
        ("audience", [audience], tuple(AUDIENCES)),
        ("format", item.get("formats", []), FORMATS),
        ("may_see", item.get("may_see", []), MAY_SEE),
    ):
        unknown = [str(each) for each in given if each not in known]
        if unknown:
            raise ValueError(f"{place}: {name} {', '.join(unknown)}: none of {', '.join(known)}")
    unknown = sorted(set(item["languages"]) - set(languages()))
    if unknown:
        raise ValueError(
            f"{place}: no locale for {', '.join(map(str, unknown))};"
            f" there are {', '.join(languages())}"
        )
    if team is not None and not AUDIENCES[str(audience)].by_team:
        able = ", ".join(name for name, each in AUDIENCES.items() if each.by_team)
        raise ValueError(f"{place}: team {team}: only {able} can be of one team")
    return Entry(
        as_kind(item["report"]),
        str(audience),
        {language: tuple(readers or ()) for language, readers in item["languages"].items()},
        tuple(item.get("formats", ())),
        None if team is None else str(team),
        tuple(item.get("may_see", MAY_SEE)),
    )


def _refuse_twins(path: Path, entries: tuple[Entry, ...]) -> None:
    """One report and audience once: two would write to one place, and one reader would get either."""
    seen = set()
    for entry in entries:
        key = (entry.kind, entry.audience, entry.team)
        if key in seen:
            team = f", team {entry.team}" if entry.team else ""
            raise ValueError(
                f"{path}: report {entry.kind}, audience {entry.audience}{team} stands there twice"
            )
        seen.add(key)
