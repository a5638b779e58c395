"""What a report says, before it is a page, a mail, a PDF or a workbook: raw values and their forms.

One document feeds every format, so that no two of them can differ.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml

HERE = Path(__file__).parent

Tone = Literal["good", "bad", "same"]
Form = Literal[
    "id", "text", "quote", "count", "ratio", "seconds", "number", "change", "time", "place"
]
NUMERIC: frozenset[str] = frozenset({"count", "ratio", "seconds", "number", "change", "place"})
"""Forms that stand on the right."""


@dataclass(frozen=True)
class Comparison:
    """How a figure changed since another period: `text` is "" where one of the two is missing."""

    label: str
    text: str
    tone: Tone
    value: Any


@dataclass(frozen=True)
class Figure:
    """One figure with its definition, what it counts over (n) and its comparisons."""

    name: str
    label: str
    definition: str
    form: Form
    value: Any
    text: str
    n: int | None
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column; the form says how its raw values are written."""

    name: str
    label: str
    form: Form


@dataclass(frozen=True)
class Link:
    """A value with the page where its evidence is; `url` "" where nobody named the pages."""

    value: Any
    url: str


@dataclass(frozen=True)
class Table:
    """Rows of raw values by the column's name; `more`: how many rows the limit left out."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    more: int = 0


@dataclass(frozen=True)
class Chart:
    """Series over categories: `bars` lie and have one series, `stacked` stand, `line` is a course."""

    name: str
    title: str
    kind: Literal["bars", "stacked", "line"]
    category: str
    categories: tuple[str, ...]
    series: tuple[tuple[str, tuple[float | None, ...]], ...]
    unit: str
    form: Form = "count"


@dataclass(frozen=True)
class Section:
    """A part of the report: what matters in words, then the figures, charts and tables for it."""

    name: str
    title: str
    sentences: tuple[str, ...]
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Document:
    """A whole report in one language."""

    language: str
    title: str
    subject: str
    subtitle: str
    period: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
    footer: tuple[str, ...]
    words: Mapping[str, Any] = field(repr=False)
    zone: ZoneInfo = field(repr=False)

    def definitions(self) -> list[tuple[str, str]]:
        """Label and definition of every figure shown, each once."""
        shown = [*self.figures, *(figure for part in self.sections for figure in part.figures)]
        return list({figure.label: figure.definition for figure in shown}.items())


def languages() -> list[str]:
    """The languages that have a locale file."""
    return sorted(path.stem for path in (HERE / "locales").glob("*.yaml"))


@functools.cache
def load_words(language: str) -> dict[str, Any]:
    """The locale file of `language` (zh or en)."""
    path = HERE / "locales" / f"{language}.yaml"
    words: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return words


def write(value: Any, form: str, words: Mapping[str, Any], zone: ZoneInfo) -> str:
    """A raw value as text of its form; null is a dash.

    ratio: 0–1, shown in per cent · seconds: m:ss from a minute on · place: milliseconds, as m:ss ·
    change: signed · number: without a tail of noughts
    """
    if isinstance(value, Link):
        value = value.value
    if value is None or value == "":
        return "–"
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if form == "place":
        return f"{int(value) // 60000}:{int(value) // 1000 % 60:02d}"
    if form == "ratio":
        return f"{float(value) * 100:.1f} %"
    if form == "seconds":
        total = round(float(value))
        if total >= 3600:
            return f"{total // 3600:,}:{total % 3600 // 60:02d}:{total % 60:02d}"
        return f"{total // 60}:{total % 60:02d}" if total >= 60 else f"{total} {words['seconds']}"
    if form == "count":
        return f"{round(float(value)):,}"
    if form == "change":
        return f"{float(value):+.1f}"
    if form == "number":
        return f"{Decimal(str(value)).normalize():,f}"
    return str(value)


def difference(
    current: Any, previous: Any, form: str, rise_is_good: bool | None, words: Mapping[str, Any]
) -> tuple[str, Tone]:
    """The change in words and its tone; a change that rounds to nothing is "="."""
    if current is None or previous is None:
        return "", "same"
    change = float(current) - float(previous)
    if form == "ratio":
        shown = f"{abs(change) * 100:.1f} {words['points']}"
        is_none = round(abs(change) * 100, 1) == 0
    else:
        is_none = round(change) == 0
        shown = f"{abs(round(change)):,}" + (f" {words['seconds']}" if form == "seconds" else "")
    if is_none:
        return "=", "same"
    tone: Tone = (
        "same" if rise_is_good is None else "good" if (change > 0) == rise_is_good else "bad"
    )
    return ("▲ " if change > 0 else "▼ ") + shown, tone


def wilson(hits: int, of: int) -> tuple[float, float] | None:
    """The 95 % interval of a ratio (Wilson 1927); None of nothing."""
    if not of:
        return None
    z, ratio = 1.959964, hits / of
    middle = ratio + z * z / (2 * of)
    spread = z * (ratio * (1 - ratio) / of + z * z / (4 * of * of)) ** 0.5
    scale = 1 + z * z / of
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def is_beyond_chance(hits: int, of: int, hits_before: int, of_before: int) -> bool:
    """Whether two ratios differ by more than chance explains (two proportions, z test, 95 %)."""
    if not of or not of_before:
        return False
    pooled = (hits + hits_before) / (of + of_before)
    spread: float = (pooled * (1 - pooled) * (1 / of + 1 / of_before)) ** 0.5
    return spread > 0 and abs(hits / of - hits_before / of_before) > 1.959964 * spread


def contributions(
    now: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]
) -> list[tuple[str, float]]:
    """What each member of a dimension adds to the change of the connection ratio.

    now, before: rows of (member, attempts, connected), which cover the same dimension.
    A member adds share × (its ratio − the ratio of all before), now less before. With shares that sum
    to one the parts sum to the change exactly. Largest first; nothing where a period has no attempt.
    """
    all_now, all_before = (sum(row["attempts"] for row in rows) for rows in (now, before))
    if not all_now or not all_before:
        return []
    base = sum(row["connected"] for row in before) / all_before
    parts: dict[str, float] = {}
    for rows, total, sign in ((now, all_now, 1), (before, all_before, -1)):
        for row in rows:
            part = (row["connected"] - base * row["attempts"]) / total
            parts[row["member"]] = parts.get(row["member"], 0.0) + sign * part
    return sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))
