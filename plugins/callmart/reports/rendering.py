"""From the day's figures to a page, a mail and its text part, in one language.

Everything a reader sees comes from the marts through `queries/`, words from `locales/`, the shape from
one template. Values are formatted here and escaped by the template, so a name from the CRM cannot
become markup.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from callmart.reports import charts

HERE = Path(__file__).parent

# figure → (format, is a rise good: True, False, or None where it is neither, its denominator)
FIGURES: dict[str, tuple[str, bool | None, str | None]] = {
    "attempts": ("count", None, None),
    "answer_seizure_ratio": ("ratio", True, "attempts"),
    "connection_ratio": ("ratio", True, "attempts"),
    "average_talk_seconds": ("seconds", None, "talked"),
    "customers_reached": ("count", True, None),
    "abandonment_ratio": ("ratio", False, "connected"),
    "rule_violations": ("count", False, None),
    "phrase_violations": ("count", False, "transcribed"),
}

BEST_HOUR_ATTEMPTS = 10
"""An hour with fewer attempts is not called the best: its ratio says too little."""

Row = Mapping[str, Any]
Data = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Rendered:
    """One report: the page for the bucket, the mail's HTML and text, and its subject."""

    page: str
    mail_html: str
    mail_text: str
    subject: str


def languages() -> list[str]:
    """The languages that have a locale file."""
    return sorted(path.stem for path in (HERE / "locales").glob("*.yaml"))


@functools.cache
def load_words(language: str) -> dict[str, Any]:
    """The locale file of `language` (zh or en)."""
    path = HERE / "locales" / f"{language}.yaml"
    words: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return words


def _number(value: Any, form: str, words: Mapping[str, Any]) -> str:
    """Format `value` as count, ratio (given 0–1, shown in per cent) or seconds; null is a dash."""
    if value is None:
        return "–"
    if form == "ratio":
        return f"{float(value) * 100:.1f} %"
    if form == "seconds":
        total = round(float(value))
        if total >= 3600:
            return f"{total // 3600}:{total % 3600 // 60:02d}:{total % 60:02d}"
        return f"{total // 60}:{total % 60:02d}" if total >= 60 else f"{total} {words['seconds']}"
    return f"{round(float(value)):,}"


def _text(value: Any, zone: ZoneInfo) -> str:
    """A cell's text: times in the business zone, numbers without a tail of noughts."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    return str(value)


def _place(milliseconds: int | None) -> str:
    """A place in a recording as m:ss."""
    if milliseconds is None:
        return "–"
    return f"{milliseconds // 60000}:{milliseconds // 1000 % 60:02d}"


def _delta(
    current: Any, previous: Any, form: str, rise_is_good: bool | None, words: Mapping[str, Any]
) -> tuple[str, str]:
    """The change since the previous day in words and its tone: good, bad or same."""
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
    tone = "same" if rise_is_good is None else ("good" if (change > 0) == rise_is_good else "bad")
    return ("▲ " if change > 0 else "▼ ") + shown, tone


def _column(name: str, label: str, kind: str = "name") -> dict[str, str]:
    return {"name": name, "label": label, "kind": kind}


class Renderer:
    """Renders one day's data in one language."""

    def __init__(self, data: Data, day: date, zone: str, language: str) -> None:
        self.data = data
        self.day = day
        self.zone_name = zone
        self.zone = ZoneInfo(zone)
        self.language = language
        self.words = load_words(language)
        periods = {row["period"]: row for row in data["headline"]}
        self.today: Row = periods["day"]
        previous = periods.get("previous")
        self.previous: Row | None = previous if previous and previous["call_date"] else None

    def render(self, page_place: str | None) -> Rendered:
        """The page with charts, and the mail without them that says where the page lies."""
        import css_inline
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        template = environment.get_template("report.html.j2")
        shared = {
            "words": self.words,
            "day": self.day.isoformat(),
            "subtitle": self._subtitle(),
            "figures": self._figures(),
            "footer": self.words["footer"].format(as_of=self.day.isoformat()),
        }
        sections = self._sections()
        page = template.render(sections=sections, page_place=None, **shared)
        plain = [{**section, "charts": []} for section in sections]
        mail_html = css_inline.inline(
            template.render(sections=plain, page_place=page_place, **shared)
        )
        return Rendered(page, mail_html, self._mail_text(sections, page_place), self.subject())

    def subject(self) -> str:
        """The mail's subject: what it is, of which day, and the connection ratio."""
        ratio = _number(self.today["connection_ratio"], "ratio", self.words)
        label = self.words["figures"]["connection_ratio"]["label"]
        return f"callmart {self.words['title']} {self.day.isoformat()} · {label} {ratio}"

    def _subtitle(self) -> str:
        parts = [
            self.words["subtitle"].format(
                weekday=self.words["weekdays"][self.day.weekday()],
                day=self.day.isoformat(),
                zone=self.zone_name,
            ),
            self.words["compared"].format(previous=self.previous["call_date"].isoformat())
            if self.previous
            else self.words["no_previous"],
        ]
        return " · ".join(parts)

    def _figures(self) -> list[dict[str, Any]]:
        figures = []
        for name, (form, rise_is_good, denominator) in FIGURES.items():
            current = self._figure(self.today, name, denominator)
            before = self._figure(self.previous, name, denominator) if self.previous else None
            delta, tone = _delta(current, before, form, rise_is_good, self.words)
            figures.append(
                {
                    **self.words["figures"][name],
                    "value": _number(current, form, self.words),
                    "delta": delta,
                    "tone": tone,
                    "n": self.today[denominator] if denominator else None,
                }
            )
        return figures

    @staticmethod
    def _figure(row: Row, name: str, denominator: str | None) -> Any:
        """The figure, or None where there was nothing that it could be counted over."""
        return None if denominator and not row[denominator] else row[name]

    def _label(self, group: str, word: str) -> str:
        """The locale's word for a code; the code itself where a newer warehouse sends another."""
        return str(self.words[group].get(word, word))

    def _sections(self) -> list[dict[str, Any]]:
        makers = {
            "traffic": self._traffic,
            "quality": self._quality,
            "inspection": self._inspection,
            "rules": self._rules,
            "demands": self._demands,
            "agents": self._agents,
            "state": self._state,
        }
        return [{"title": self.words["sections"][name], **make()} for name, make in makers.items()]

    def _say(self, sentence: str, **values: Any) -> str:
        return str(self.words["sentences"][sentence].format(**values))

    def _chart(self, name: str, svg: str) -> dict[str, str]:
        return {"title": self.words["charts"][name], "svg": svg}

    def _table(self, name: str, columns: list[dict[str, str]], rows: list[Row]) -> dict[str, Any]:
        cells = [
            {column["name"]: _text(row[column["name"]], self.zone) for column in columns}
            for row in rows
        ]
        return {"title": self.words["tables"][name], "columns": columns, "rows": cells}

    def _traffic(self) -> dict[str, Any]:
        words, today = self.words, self.today
        if not today["attempts"]:
            return {"sentences": [self._say("no_attempts")], "charts": [], "tables": []}
        sentences = [
            self._say(
                "reached",
                connected=today["connected"],
                attempts=today["attempts"],
                answered=today["answered"],
                ratio=_number(today["connection_ratio"], "ratio", words),
            )
        ]
        if self.previous and self.previous["connection_ratio"] is not None:
            change = float(today["connection_ratio"]) - float(self.previous["connection_ratio"])
            points = f"{abs(change) * 100:.1f}"
            key = (
                "reached_same"
                if points == "0.0"
                else ("reached_up" if change > 0 else "reached_down")
            )
            previous_day = self.previous["call_date"].isoformat()
            sentences.append(self._say(key, points=points, previous=previous_day))
        hours = self.data["hourly"]
        solid = [row for row in hours if row["attempts"] >= BEST_HOUR_ATTEMPTS]
        if solid:
            best = max(solid, key=lambda row: (row["connected"] / row["attempts"], -row["hour"]))
            sentences.append(
                self._say(
                    "best_hour",
                    hour=best["hour"],
                    attempts=best["attempts"],
                    ratio=_number(best["connected"] / best["attempts"], "ratio", words),
                )
            )
        outcomes = [
            {"outcome": self._label("outcomes", row["outcome"]), "calls": row["calls"]}
            for row in self.data["outcomes"]
        ]
        return {
            "sentences": sentences,
            "charts": [
                self._chart("hourly", charts.hourly(hours, words)),
                self._chart(
                    "outcomes", charts.bars(outcomes, "outcome", "calls", words["charts"]["calls"])
                ),
            ],
            "tables": [],
        }

    def _quality(self) -> dict[str, Any]:
        words = self.words
        tiers = self.data["tiers"]
        total = sum(row["customers"] for row in tiers)
        if not total:
            return {"sentences": [self._say("no_tiers")], "charts": [], "tables": []}
        by_tier = {row["tier"]: row["customers"] for row in tiers}
        tiers = [{"tier": tier, "customers": by_tier.get(tier, 0)} for tier in "ABCD"]
        scores = [
            {"name": self._label("evaluations", row["evaluation"]), "score": row["score"]}
            for row in self.data["scores"]
            if row["score"] is not None
        ]
        columns = [
            _column("customer", words["columns"]["customer"]),
            _column("tier", words["columns"]["tier"]),
            _column("change", words["columns"]["change"], "number"),
            _column("reasons", words["columns"]["reasons"], "quote"),
        ]
        rows: list[Row] = [
            {
                "customer": row["customer_id"],
                "tier": row["tier"]
                if row["previous_tier"] in (None, row["tier"])
                else f"{row['previous_tier']} → {row['tier']}",
                "change": f"{float(row['change']):+.1f}",
                "reasons": words["list_joiner"].join(row[f"reasons_{self.language}"] or []),
            }
            for row in self.data["movements"]
        ]
        return {
            "sentences": [
                self._say("tiers", a=by_tier.get("A", 0), d=by_tier.get("D", 0), all=total)
            ],
            "charts": [
                self._chart(
                    "tiers", charts.bars(tiers, "tier", "customers", words["charts"]["customers"])
                ),
                self._chart(
                    "scores", charts.bars(scores, "name", "score", words["charts"]["score"])
                ),
            ],
            "tables": [self._table("tiers", columns, rows)],
        }

    def _inspection(self) -> dict[str, Any]:
        words, today = self.words, self.today
        if not today["transcribed"]:
            return {"sentences": [self._say("no_transcripts")], "charts": [], "tables": []}
        found = self.data["phrases"]
        critical = sum(row["hits"] for row in found if row["severity"] == "critical")
        labels = words["columns"]
        columns = [
            _column("phrase", labels["phrase"]),
            _column("severity", labels["severity"]),
            _column("kind", labels["kind"]),
            _column("hits", labels["hits"], "number"),
            _column("quote", labels["quote"], "quote"),
            _column("call", labels["call"]),
            _column("at", labels["at"], "number"),
        ]
        rows: list[Row] = [
            {
                "phrase": row[f"rule_name_{self.language}"] or row["rule_id"],
                "severity": self._label("severities", row["severity"]),
                "kind": self._label("kinds", row["kind"]),
                "hits": row["hits"],
                "quote": row["quote"],
                "call": row["call_id"],
                "at": _place(row["start_ms"]),
            }
            for row in found
        ]
        sentence = self._say(
            "phrases",
            hits=today["phrase_violations"],
            calls=today["transcribed"],
            critical=critical,
        )
        return {
            "sentences": [sentence],
            "charts": [],
            "tables": [self._table("phrases", columns, rows)],
        }

    def _rules(self) -> dict[str, Any]:
        words = self.words
        labels = words["columns"]
        broken = self.data["rules"]
        sentences = [self._say("no_rules")]
        if broken:
            worst = max(broken, key=lambda row: row["violations"])
            sentences = [
                self._say(
                    "rules",
                    violations=sum(row["violations"] for row in broken),
                    rule=self._label("rule_types", worst["rule_type"]),
                    count=worst["violations"],
                )
            ]
        flagged = [row for row in self.data["lines"] if row["is_suspected_flagged"]]
        sentences += [
            self._say("line_marked" if row["verdict"] == "marked" else "lines", line=row["line_id"])
            for row in flagged
        ]
        rule_columns = [
            _column("rule", labels["rule"]),
            _column("severity", labels["severity"]),
            _column("violations", labels["violations"], "number"),
            _column("customers", labels["customers"], "number"),
        ]
        rule_rows: list[Row] = [
            {
                "rule": f"{self._label('rule_types', row['rule_type'])} ({row['rule_id']})",
                "severity": self._label("severities", row["severity"]),
                "violations": row["violations"],
                "customers": row["customers"],
            }
            for row in broken
        ]
        line_columns = [
            _column("line", labels["line"]),
            _column("attempts", labels["attempts"], "number"),
            _column("connected", labels["connected"], "number"),
            _column("ratio", labels["ratio"], "number"),
            _column("interval", labels["interval"], "number"),
            _column("flagged", labels["flagged"]),
        ]
        line_rows: list[Row] = [
            {
                "line": row["line_id"],
                "attempts": row["attempts"],
                "connected": row["connected"],
                "ratio": _number(row["connection_ratio"], "ratio", words),
                "interval": "–"
                if row["ratio_low"] is None
                else f"{float(row['ratio_low']) * 100:.0f}–{float(row['ratio_high']) * 100:.0f} %",
                "flagged": words["yes"] if row["is_suspected_flagged"] else words["no"],
            }
            for row in self.data["lines"]
        ]
        return {
            "sentences": sentences,
            "charts": [],
            "tables": [
                self._table("rules", rule_columns, rule_rows),
                self._table("lines", line_columns, line_rows),
            ],
        }

    def _demands(self) -> dict[str, Any]:
        words = self.words
        labels = words["columns"]
        stages = self.data["funnel"]
        counts = {row["stage"]: row["demands"] for row in stages}
        if not counts:
            return {"sentences": [self._say("no_demands")], "charts": [], "tables": []}
        closed = counts.get("won", 0) + counts.get("lost", 0)
        overdue = self.data["overdue"]
        shown = [
            {"stage": self._label("stages", row["stage"]), "demands": row["demands"]}
            for row in stages
        ]
        columns = [
            _column("demand", labels["demand"]),
            _column("customer", labels["customer"]),
            _column("product", labels["product"]),
            _column("stage", labels["stage"]),
            _column("next_action", labels["next_action"], "quote"),
            _column("due", labels["due"]),
            _column("value", labels["value"], "number"),
        ]
        rows: list[Row] = [
            {
                "demand": row["demand_id"],
                "customer": row["customer_id"],
                "product": row["product"],
                "stage": self._label("stages", row["stage"]),
                "next_action": row["next_action"],
                "due": row["next_action_due_at"],
                "value": f"{_text(row['expected_value'], self.zone)} {row['currency'] or ''}".strip()
                if row["expected_value"] is not None
                else None,
            }
            for row in overdue[:12]
        ]
        sentence = self._say(
            "demands",
            open=sum(counts.values()) - closed,
            overdue=len(overdue),
            won=counts.get("won", 0),
            lost=counts.get("lost", 0),
        )
        return {
            "sentences": [sentence],
            "charts": [
                self._chart(
                    "funnel", charts.bars(shown, "stage", "demands", words["charts"]["demands"])
                )
            ],
            "tables": [self._table("overdue", columns, rows)],
        }

    def _agents(self) -> dict[str, Any]:
        words = self.words
        labels = words["columns"]
        columns = [
            _column("agent", labels["agent"]),
            _column("calls", labels["calls"], "number"),
            _column("connected", labels["connected"], "number"),
            _column("talk", labels["talk"], "number"),
            _column("aht", labels["aht"], "number"),
            _column("occupancy", labels["occupancy"], "number"),
        ]
        rows: list[Row] = [
            {
                "agent": row["agent_name"] or row["agent_id"],
                "calls": row["calls"],
                "connected": row["connected"],
                "talk": _number(row["talk_seconds"], "seconds", words),
                "aht": _number(row["average_handle_time_seconds"], "seconds", words),
                "occupancy": _number(row["occupancy"], "ratio", words),
            }
            for row in self.data["agents"]
        ]
        return {"sentences": [], "charts": [], "tables": [self._table("agents", columns, rows)]}

    def _state(self) -> dict[str, Any]:
        labels = self.words["columns"]
        columns = [
            _column("source", labels["source"]),
            _column("newest", labels["newest"]),
            _column("loaded", labels["loaded"]),
            _column("quarantined", labels["quarantined"], "number"),
        ]
        rows: list[Row] = [
            {
                "source": row["entity"],
                "newest": row["newest_row_at"],
                "loaded": row["newest_load_at"],
                "quarantined": row["rows_quarantined"],
            }
            for row in self.data["freshness"]
        ]
        waiting = self.data["quarantine"][0]["open_items"]
        sentence = self._say("quarantine", rows=waiting) if waiting else self._say("clean")
        return {
            "sentences": [sentence],
            "charts": [],
            "tables": [self._table("freshness", columns, rows)],
        }

    def _mail_text(self, sections: list[dict[str, Any]], page_place: str | None) -> str:
        lines = [self.words["text_part"].format(day=self.day.isoformat()), ""]
        lines += [
            f"{figure['label']}: {figure['value']} {figure['delta']}".rstrip()
            for figure in self._figures()
        ]
        for section in sections:
            if section["sentences"]:
                lines += ["", section["title"], *section["sentences"]]
        if page_place:
            lines += ["", self.words["in_bucket"].format(place=page_place)]
        return "\n".join(lines) + "\n"
