"""The sections of each audience's report: what they show and what they say of it, by rules.

A sentence is chosen by the numbers and holds them; where a number is missing it is not said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from callmart.reports.document import (
    Chart,
    Column,
    Comparison,
    Document,
    Figure,
    Form,
    Link,
    Section,
    Table,
    contributions,
    difference,
    is_beyond_chance,
    load_words,
    wilson,
    write,
)
from callmart.reports.periods import Period

# figure → (form, is a rise good: True, False, or None where it is neither, what it counts over)
FIGURES: Final[dict[str, tuple[Form, bool | None, str | None]]] = {
    "attempts": ("count", None, None),
    "answer_seizure_ratio": ("ratio", True, "attempts"),
    "connection_ratio": ("ratio", True, "attempts"),
    "average_talk_seconds": ("seconds", None, "talked"),
    "customers_reached": ("count", True, None),
    "abandonment_ratio": ("ratio", False, "connected"),
    "rule_violations": ("count", False, None),
    "critical_rule_violations": ("count", False, None),
    "phrase_violations": ("count", False, "transcribed"),
    "critical_phrase_violations": ("count", False, "transcribed"),
    "hits_to_review": ("count", False, "phrase_violations"),
    "calling_hour_breaches": ("count", False, None),
    "tier_a_ratio": ("ratio", True, "customers_judged"),
    "won_ratio": ("ratio", True, "demands_closed"),
    "agents": ("count", None, None),
    "adherence": ("ratio", True, "agents"),
    "occupancy": ("ratio", None, "agents"),
    "average_handle_time_seconds": ("seconds", None, "handled"),
    "inbound_calls": ("count", None, None),
    "callers_served_ratio": ("ratio", True, "callers"),
    "lines_flagged": ("count", False, "lines"),
}

BEST_HOUR_ATTEMPTS = 10
"""An hour with fewer attempts is not called the best: its ratio says too little."""
LOW_ADHERENCE = 0.9
"""Below this an agent is named; 90 % is what workforce planning commonly aims at."""
LIST_LIMIT = 20
"""How many rows the coaching list and the worklist query hands over."""

Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Data:
    """What the queries gave: rows by query, and the figures of the periods compared with."""

    period: Period
    rows: Mapping[str, Rows]
    compared: tuple[tuple[Period, Row], ...] = ()
    drivers_before: Rows = ()


@dataclass(frozen=True)
class View:
    """How the data are shown: language, zone, where the evidence is, what the reader may see."""

    language: str
    zone: str
    ui_url: str = ""
    team: str | None = None
    shows_names: bool = True
    shows_quotes: bool = True


class _Maker:
    """Makes the sections of one report in one language."""

    def __init__(self, data: Data, view: View) -> None:
        self.data, self.view = data, view
        self.words = load_words(view.language)
        self.zone = ZoneInfo(view.zone)
        self.today: Row = data.rows["figures"][0]

    # --- parts ---

    def text(self, value: Any, form: str) -> str:
        return write(value, form, self.words, self.zone)

    def label(self, group: str, word: Any) -> str:
        """The locale's word for a code; the code itself where a newer warehouse sends another."""
        return "–" if word is None else str(self.words[group].get(word, word))

    def say(self, sentence: str, **values: Any) -> str:
        return str(self.words["sentences"][sentence].format(**values))

    def figure(self, name: str) -> Figure:
        form, rise_is_good, over = FIGURES[name]
        current = self._value(self.today, name, over)
        compared = []
        for period, row in self.data.compared:
            before = self._value(row, name, over)
            text, tone = difference(current, before, form, rise_is_good, self.words)
            if text:
                label = self.words["against"].format(period=period.label)
                compared.append(Comparison(label, text, tone, before))
        described = self.words["figures"][name]
        return Figure(
            name,
            described["label"],
            described["hint"],
            form,
            current,
            self.text(current, form),
            self.today[over] if over else None,
            tuple(compared),
        )

    @staticmethod
    def _value(row: Row, name: str, over: str | None) -> Any:
        """The figure, or None where there was nothing that it could be counted over."""
        return None if over and not row[over] else row[name]

    def columns(self, **forms: Form) -> tuple[Column, ...]:
        labels = self.words["columns"]
        hidden = set() if self.view.shows_quotes else {"quote"}
        return tuple(
            Column(name, labels[name], form) for name, form in forms.items() if form not in hidden
        )

    def table(
        self, name: str, columns: tuple[Column, ...], rows: Sequence[Row], found: int | None = None
    ) -> Table:
        more = max(0, (found or 0) - len(rows))
        return Table(name, self.words["tables"][name], columns, tuple(rows), more)

    def chart(
        self,
        name: str,
        kind: Any,
        category: str,
        categories: Sequence[Any],
        series: Mapping[str, Sequence[Any]],
        unit: str,
        form: Form = "count",
    ) -> Chart:
        named = self.words["charts"]
        return Chart(
            name,
            named[name],
            kind,
            named[category],
            tuple(str(each) for each in categories),
            tuple(
                (named.get(key, key), tuple(None if v is None else float(v) for v in values))
                for key, values in series.items()
            ),
            named[unit],
            form,
        )

    def call(self, call_id: Any, start_ms: Any = None) -> Link | None:
        if call_id is None:
            return None
        from urllib.parse import quote

        place = "" if start_ms is None else f"#t={int(start_ms) // 1000}"
        return Link(call_id, self._page(f"calls/{quote(str(call_id), safe='')}{place}"))

    def customer(self, customer_id: Any) -> Link | None:
        if customer_id is None:
            return None
        from urllib.parse import quote

        return Link(customer_id, self._page(f"customers/{quote(str(customer_id), safe='')}"))

    def _page(self, path: str) -> str:
        # CALLMART_UI_URL may name Airflow, or the view in it that frames the pages.
        base = self.view.ui_url.rstrip("/").removesuffix("/plugin/callmart")
        return f"{base}/callmart/{path}" if base else ""

    def agent(self, row: Row) -> str:
        name = row["agent_name"] if self.view.shows_names else None
        return str(name or row["agent_id"] or "–")

    def rule_name(self, row: Row) -> str:
        return str(row[f"rule_name_{self.view.language}"] or row["rule_id"])

    def section(self, name: str, sentences: Sequence[str], **parts: Any) -> Section:
        titles = self.words["sections"]
        return Section(name, titles[name], tuple(sentences), **parts)

    def found(self, query: str) -> int:
        rows = self.data.rows[query]
        return int(rows[0]["found"]) if rows else 0

    # --- sections ---

    def reach(self) -> Section:
        today = self.today
        if not today["attempts"]:
            return self.section("reach", [self.say("no_attempts")])
        sentences = [
            self.say(
                "reached",
                connected=self.text(today["connected"], "count"),
                attempts=self.text(today["attempts"], "count"),
                answered=self.text(today["answered"], "count"),
                ratio=self.text(today["connection_ratio"], "ratio"),
            ),
            *self.connection_change(),
        ]
        charts = []
        if self.data.period.days > 1:
            days = self.data.rows["daily"]
            charts.append(
                self._by_outcome("daily", "day", [row["call_date"] for row in days], days)
            )
        else:
            hours = self.data.rows["hourly"]
            charts.append(self._by_outcome("hourly", "hour", [row["hour"] for row in hours], hours))
        outcomes = self.data.rows["outcomes"]
        names = [self.label("outcomes", row["outcome"]) for row in outcomes]
        counts = {"calls": [row["calls"] for row in outcomes]}
        charts.append(self.chart("outcomes", "bars", "outcome", names, counts, "calls"))
        return self.section("reach", sentences, charts=tuple(charts))

    def _by_outcome(self, name: str, category: str, categories: Sequence[Any], rows: Rows) -> Chart:
        parts = {
            "connected": [row["connected"] for row in rows],
            "answered": [row["answered"] - row["connected"] for row in rows],
            "not_answered": [row["attempts"] - row["answered"] for row in rows],
        }
        return self.chart(name, "stacked", category, categories, parts, "calls")

    def connection_change(self) -> list[str]:
        """How the connection ratio changed, and whether chance alone explains as much."""
        today = self.today
        if not self.data.compared or not today["attempts"]:
            return []
        period, before = self.data.compared[0]
        if not before["attempts"]:
            return []
        change = float(today["connection_ratio"]) - float(before["connection_ratio"])
        points = f"{abs(change) * 100:.1f}"
        if points == "0.0":
            return [self.say("reached_same", previous=period.label)]
        key = "reached_up" if change > 0 else "reached_down"
        beyond = is_beyond_chance(
            today["connected"], today["attempts"], before["connected"], before["attempts"]
        )
        return [
            self.say(key, points=points, previous=period.label),
            self.say("beyond_chance" if beyond else "within_chance"),
        ]

    def why(self) -> Section:
        if not self.data.compared or not self.data.compared[0][1]["attempts"]:
            return self.section("why", [self.say("nothing_to_compare")])
        if not self.today["attempts"]:
            return self.section("why", [self.say("no_attempts")])
        before = self.data.compared[0][1]
        change = float(self.today["connection_ratio"]) - float(before["connection_ratio"])
        sentences = [
            self.say(
                "changed",
                before=self.text(before["connection_ratio"], "ratio"),
                previous=self.data.compared[0][0].label,
                now=self.text(self.today["connection_ratio"], "ratio"),
            ),
            *self.connection_change()[1:],
        ]
        rows: list[Row] = []
        for dimension in ("line", "campaign", "hour"):
            now_rows, before_rows = (
                [row for row in found if row["dimension"] == dimension]
                for found in (self.data.rows["drivers"], self.data.drivers_before)
            )
            by_member = {row["member"]: row for row in now_rows}
            by_member_before = {row["member"]: row for row in before_rows}
            parts = contributions(now_rows, before_rows)
            leading = [item for item in parts if item[1] * change > 0][:1]
            if dimension != "hour" and abs(change) >= 0.0005:
                for member, part in leading:
                    sentences.append(
                        self.say(
                            "driver",
                            dimension=self.label("dimensions", dimension),
                            member=member,
                            points=f"{part * 100:+.1f}",
                            total=f"{change * 100:+.1f}",
                        )
                    )
            for member, part in parts[:5]:
                now, earlier = by_member.get(member), by_member_before.get(member)
                rows.append(
                    {
                        "dimension": self.label("dimensions", dimension),
                        "member": member,
                        "attempts_before": earlier["attempts"] if earlier else 0,
                        "ratio_before": _ratio(earlier),
                        "attempts": now["attempts"] if now else 0,
                        "ratio": _ratio(now),
                        "change": part * 100,
                    }
                )
        columns = self.columns(
            dimension="text", member="id", attempts_before="count", ratio_before="ratio",
            attempts="count", ratio="ratio", change="change",
        )  # fmt: skip
        return self.section("why", sentences, tables=(self.table("drivers", columns, rows),))

    def tiers(self) -> Section:
        rows = self.data.rows["tiers"]
        now = {row["tier"]: row["customers"] for row in rows}
        total = sum(now.values())
        if not total:
            return self.section("tiers", [self.say("no_tiers")])
        before = {row["tier"]: row["before"] for row in rows}
        moves = self.data.rows["tier_moves"]
        # A is the best: a letter that comes earlier is a rise.
        up = sum(row["customers"] for row in moves if row["to_tier"] < row["from_tier"])
        down = sum(row["customers"] for row in moves if row["to_tier"] > row["from_tier"])
        sentences = [
            self.say("tiers", a=now.get("A", 0), d=now.get("D", 0), all=f"{total:,}"),
            self.say("tiers_moved", up=up, down=down) if up or down else self.say("tiers_still"),
        ]
        names = sorted({*"ABCD", *now})
        scores = [row for row in self.data.rows["scores"] if row["score"] is not None]
        score_names = [self.label("evaluations", row["evaluation"]) for row in scores]
        charts = (
            self.chart(
                "tiers", "stacked", "tier", names,
                {"customers": [now.get(name, 0) for name in names]}, "customers",
            ),
            self.chart(
                "scores", "bars", "evaluation", score_names,
                {"score": [row["score"] for row in scores]}, "score", "number",
            ),
        )  # fmt: skip
        standing = [
            {
                "tier": name,
                "customers_before": before.get(name, 0),
                "customers": now.get(name, 0),
                "rose_into": _moved(moves, name, is_rise=True),
                "fell_into": _moved(moves, name, is_rise=False),
            }
            for name in names
        ]
        language = self.view.language
        moved = [
            {
                "customer": self.customer(row["customer_id"]),
                "tier": row["tier"]
                if row["previous_tier"] in (None, row["tier"])
                else f"{row['previous_tier']}\u00a0→\u00a0{row['tier']}",
                "change": row["change"],
                "reasons": self.words["list_joiner"].join(row[f"reasons_{language}"] or []),
            }
            for row in self.data.rows["movements"]
        ]
        return self.section(
            "tiers",
            sentences,
            charts=charts,
            tables=(
                self.table(
                    "standing",
                    self.columns(
                        tier="text", customers_before="count", customers="count",
                        rose_into="count", fell_into="count",
                    ),
                    standing,
                ),
                self.table(
                    "tiers",
                    self.columns(customer="id", tier="text", change="change", reasons="text"),
                    moved,
                    self.found("movements"),
                ),
            ),
        )  # fmt: skip

    def demands(self) -> Section:
        stages = self.data.rows["funnel"]
        counts = {row["stage"]: row["demands"] for row in stages}
        if not counts:
            return self.section("demands", [self.say("no_demands")])
        expected = self.data.rows["expected"]
        overdue = self.data.rows["overdue"]
        is_open = sum(n for stage, n in counts.items() if stage not in ("won", "lost"))
        sentences = [
            self.say(
                "demands",
                open=f"{is_open:,}",
                overdue=f"{self.found('overdue'):,}",
                won=f"{self.today['demands_won']:,}",
                lost=f"{self.today['demands_lost']:,}",
            )
        ]
        sums: dict[str, Any] = {}
        for row in expected:
            if row["expected_value"] is not None:
                currency = row["currency"] or "?"
                sums[currency] = sums.get(currency, 0) + row["expected_value"]
        if sums and self.found("expected") == len(expected):
            worth = self.words["list_joiner"].join(
                f"{self.text(value, 'count')} {currency}" for currency, value in sums.items()
            )
            valued = sum(row["valued"] for row in expected)
            sentences.append(self.say("worth", worth=worth, valued=f"{valued:,}"))
        chart = self.chart(
            "funnel", "bars", "stage", [self.label("stages", row["stage"]) for row in stages],
            {"demands": [row["demands"] for row in stages]}, "demands",
        )  # fmt: skip
        values = self.table(
            "expected",
            self.columns(product="text", demands="count", value="number", currency="text"),
            [{**row, "value": row["expected_value"]} for row in expected],
            self.found("expected"),
        )
        due = self.table(
            "overdue",
            self.columns(
                demand="id", customer="id", product="text", stage="text", next_action="text",
                due="time", value="number", currency="text",
            ),
            [
                {
                    "demand": row["demand_id"],
                    "customer": self.customer(row["customer_id"]),
                    "product": row["product"],
                    "stage": self.label("stages", row["stage"]),
                    "next_action": row["next_action"],
                    "due": row["next_action_due_at"],
                    "value": row["expected_value"],
                    "currency": row["currency"],
                }
                for row in overdue
            ],
            self.found("overdue"),
        )  # fmt: skip
        return self.section("demands", sentences, charts=(chart,), tables=(values, due))

    def agents(self) -> Section:
        rows = self.data.rows["agents"]
        if not rows:
            return self.section("agents", [self.say("no_agents")])
        today = self.today
        sentences = [
            self.say(
                "agents",
                agents=f"{today['agents']:,}",
                handled=self.text(today["handled"] or 0, "count"),
                talk=self.text(sum(row["talk_seconds"] or 0 for row in rows), "seconds"),
            )
            if self.found("agents") == len(rows)
            else self.say("many_agents", agents=f"{today['agents']:,}", shown=len(rows))
        ]
        # Who connected every attempt was handed calls that a dialler had connected: no rate of his own.
        dialling = [row for row in rows if row["connected"] < row["attempts"]]
        attempts = sum(row["attempts"] for row in dialling)
        everybody = sum(row["connected"] for row in dialling) / attempts if attempts else 0
        for row in dialling if len(dialling) > 1 else []:
            interval = wilson(int(row["connected"]), int(row["attempts"]))
            if interval is None:
                continue
            if interval[0] <= everybody <= interval[1]:
                continue
            sentences.append(
                self.say(
                    "agent_above" if interval[0] > everybody else "agent_below",
                    agent=self.agent(row),
                    ratio=self.text(row["connection_ratio"], "ratio"),
                    attempts=self.text(row["attempts"], "count"),
                    all=self.text(everybody, "ratio"),
                )
            )
        cells = [
            {
                **row,
                "agent": self.agent(row),
                "ratio": row["connection_ratio"],
                "talk": row["talk_seconds"],
                "aht": row["average_handle_time_seconds"],
                "violations": row["rule_violations"],
            }
            for row in rows
        ]
        columns = self.columns(
            agent="text", team="text", calls="count", attempts="count", connected="count",
            ratio="ratio", talk="seconds", aht="seconds", occupancy="ratio", violations="count",
        )  # fmt: skip
        shown = rows[:20]
        chart = self.chart(
            "talk", "bars", "agent", [self.agent(row) for row in shown],
            {"minutes": [(row["talk_seconds"] or 0) / 60 for row in shown]}, "minutes", "number",
        )  # fmt: skip
        table = self.table("agents", columns, cells, self.found("agents"))
        return self.section("agents", sentences, charts=(chart,), tables=(table,))

    def coaching(self) -> Section:
        rows, hard = self.data.rows["coaching"], self.data.rows["hard_calls"]
        sentences = []
        if rows:
            found, critical = rows[0]["found"], rows[0]["found_critical"]
            sentences.append(self.say("coaching", hits=f"{found:,}", critical=f"{critical:,}"))
            if found == len(rows):
                by_agent: dict[str, int] = {}
                for row in rows:
                    by_agent[self.agent(row)] = by_agent.get(self.agent(row), 0) + 1
                most = max(by_agent.values())
                leaders = [name for name, n in by_agent.items() if n == most]
                if len(leaders) == 1 and len(by_agent) > 1:
                    sentences.append(self.say("coaching_most", agent=leaders[0], hits=most))
        else:
            transcribed = self.today["transcribed"]
            sentences.append(self.say("no_coaching" if transcribed else "no_transcripts"))
        if hard:
            sentences.append(self.say("hard_calls", calls=f"{self.found('hard_calls'):,}"))
        moments = self.table(
            "coaching",
            self.columns(
                agent="text", phrase="text", severity="text", kind="text", quote="quote",
                call="id", at="place",
            ),
            [{**self._hit(row), "agent": self.agent(row)} for row in rows],
            self.found("coaching"),
        )  # fmt: skip
        listen = self.table(
            "hard_calls",
            self.columns(
                agent="text", call="id", started="time", emotion="text", index="number",
                talk="seconds", at="place",
            ),
            [
                {
                    "agent": self.agent(row),
                    "call": self.call(row["call_id"], row["start_ms"]),
                    "started": row["started_at"],
                    "emotion": self.label("emotions", row["emotion"]),
                    "index": round(float(row["emotion_index"]), 1),
                    "talk": row["talk_seconds"],
                    "at": row["start_ms"],
                }
                for row in hard
            ],
            self.found("hard_calls"),
        )  # fmt: skip
        return self.section("coaching", sentences, tables=(moments, listen))

    def _hit(self, row: Row) -> dict[str, Any]:
        return {
            "phrase": self.rule_name(row),
            "severity": self.label("severities", row["severity"]),
            "kind": self.label("kinds", row["kind"]),
            "quote": row.get("context") or row["quote"],
            "call": self.call(row["call_id"], row["start_ms"]),
            "at": row["start_ms"],
        }

    def adherence(self) -> Section:
        rows = [row for row in self.data.rows["agents"] if row["adherence"] is not None]
        if not rows:
            return self.section("adherence", [self.say("no_schedules")])
        sentences = [
            self.say(
                "adherence",
                ratio=self.text(self.today["adherence"], "ratio"),
                hours=self.text(self.today["scheduled_hours"], "count"),
            )
        ]
        low = sorted(
            (row for row in rows if row["adherence"] < LOW_ADHERENCE),
            key=lambda row: (row["adherence"], row["agent_id"]),
        )
        limit = self.text(LOW_ADHERENCE, "ratio")
        if low:
            sentences.append(
                self.say(
                    "adherence_low",
                    low=len(low),
                    limit=limit,
                    agent=self.agent(low[0]),
                    ratio=self.text(low[0]["adherence"], "ratio"),
                )
            )
        elif self.found("agents") == len(self.data.rows["agents"]):
            sentences.append(self.say("adherence_good", limit=limit))
        ordered = sorted(rows, key=lambda row: (row["adherence"], row["agent_id"]))
        chart = self.chart(
            "adherence", "bars", "agent", [self.agent(row) for row in ordered[:20]],
            {"share": [row["adherence"] for row in ordered[:20]]}, "share", "ratio",
        )  # fmt: skip
        table = self.table(
            "adherence",
            self.columns(
                agent="text", scheduled="seconds", adherent="seconds", adherence="ratio",
                conformance="ratio",
            ),
            [
                {
                    **row,
                    "agent": self.agent(row),
                    "scheduled": row["scheduled_seconds"],
                    "adherent": row["adherent_seconds"],
                }
                for row in ordered
            ],
            self.found("agents") - len(self.data.rows["agents"]) + len(rows),
        )  # fmt: skip
        return self.section("adherence", sentences, charts=(chart,), tables=(table,))

    def inspection(self) -> Section:
        today = self.today
        if not today["transcribed"]:
            return self.section("inspection", [self.say("no_transcripts")])
        found = self.data.rows["phrases"]
        sentence = self.say(
            "phrases",
            hits=f"{today['phrase_violations']:,}",
            calls=f"{today['transcribed']:,}",
            critical=f"{today['critical_phrase_violations']:,}",
        )
        table = self.table(
            "phrases",
            self.columns(
                phrase="text", severity="text", kind="text", hits="count", quote="quote",
                call="id", at="place",
            ),
            [{**self._hit(row), "hits": row["hits"]} for row in found],
            self.found("phrases"),
        )  # fmt: skip
        charts: tuple[Chart, ...] = ()
        if found:
            names = [self.rule_name(row) for row in found]
            hits = {"hits": [row["hits"] for row in found]}
            charts = (self.chart("phrases", "bars", "phrase", names, hits, "hits"),)
        return self.section("inspection", [sentence], charts=charts, tables=(table,))

    def rules(self) -> Section:
        broken = self.data.rows["rules"]
        if not broken:
            return self.section("rules", [self.say("no_rules")])
        worst = max(broken, key=lambda row: row["violations"])
        sentence = self.say(
            "rules",
            violations=f"{self.today['rule_violations']:,}",
            critical=f"{self.today['critical_rule_violations']:,}",
            rule=f"{self.label('rule_types', worst['rule_type'])} ({worst['rule_id']})",
            count=f"{worst['violations']:,}",
        )
        names = [
            f"{self.label('rule_types', row['rule_type'])} ({row['rule_id']})" for row in broken
        ]
        rows = [
            {**row, "rule": name, "severity": self.label("severities", row["severity"])}
            for name, row in zip(names, broken, strict=True)
        ]
        counts = {"violations": [row["violations"] for row in broken]}
        columns = self.columns(rule="text", severity="text", violations="count", customers="count")
        return self.section(
            "rules",
            [sentence],
            charts=(self.chart("rules", "bars", "rule", names, counts, "violations"),),
            tables=(self.table("rules", columns, rows, self.found("rules")),),
        )

    def worklist(self) -> Section:
        rows = self.data.rows["worklist"]
        sentence = self.say("nothing_to_review" if self.today["transcribed"] else "no_transcripts")
        if rows:
            found, critical = rows[0]["found"], rows[0]["found_critical"]
            sentence = self.say("worklist", hits=f"{found:,}", critical=f"{critical:,}")
        columns = self.columns(
            phrase="text", severity="text", kind="text", quote="quote", call="id", at="place",
            started="time", points="number",
        )  # fmt: skip
        cells = [{**row, **self._hit(row), "started": row["started_at"]} for row in rows]
        table = self.table("worklist", columns, cells, self.found("worklist"))
        return self.section("worklist", [sentence], tables=(table,))

    def precision(self) -> Section:
        rows = self.data.rows["precision"]
        judged = [row for row in rows if row["random_precision_ratio"] is not None]
        sentence = self.say("no_precision")
        if judged:
            lowest = min(judged, key=lambda row: (row["random_precision_ratio"], row["rule_id"]))
            sentence = self.say(
                "precision",
                rules=len(judged),
                rule=self.rule_name(lowest),
                ratio=self.text(lowest["random_precision_ratio"], "ratio"),
                n=lowest["random_decided_hits"],
                low=self.text(lowest["random_precision_lower"], "ratio"),
                high=self.text(lowest["random_precision_upper"], "ratio"),
            )
        columns = self.columns(
            phrase="text", version="count", spoken="text", hits="count", unreviewed="count",
            decided="count", n="count", precision="ratio", low="ratio", high="ratio",
        )  # fmt: skip
        cells = [
            {
                "phrase": self.rule_name(row),
                "version": row["rule_version"],
                "spoken": row["language"],
                "hits": row["hits"],
                "unreviewed": row["unreviewed_hits"],
                "decided": row["decided_hits"],
                "n": row["random_decided_hits"],
                "precision": row["random_precision_ratio"],
                "low": row["random_precision_lower"],
                "high": row["random_precision_upper"],
            }
            for row in rows
        ]
        table = self.table("precision", columns, cells, self.found("precision"))
        return self.section("precision", [sentence], tables=(table,))

    def lines(self) -> Section:
        rows = self.data.rows["lines"]
        if not rows:
            return self.section("lines", [self.say("no_lines")])
        flagged = [row for row in rows if row["is_suspected_flagged"]]
        sentences = [
            self.say(
                "line_marked" if row["verdict"] == "marked" else "line_low", line=row["line_id"]
            )
            for row in flagged
        ] or [self.say("lines_well", lines=f"{self.today['lines']:,}")]
        cells = []
        for row in rows:
            interval = wilson(int(row["connected"] or 0), int(row["attempts"] or 0))
            cells.append(
                {
                    "line": row["line_id"],
                    "group": row["line_group"],
                    "attempts": row["attempts"],
                    "connected": row["connected"],
                    "ratio": row["connection_ratio"],
                    "low": interval and interval[0],
                    "high": interval and interval[1],
                    "group_ratio": row["group_ratio"],
                    "complaints": row["complaints"],
                    "verdict": self.label("verdicts", row["verdict"]),
                    "flagged": self.words["yes" if row["is_suspected_flagged"] else "no"],
                }
            )
        columns = self.columns(
            line="id", group="text", attempts="count", connected="count", ratio="ratio",
            low="ratio", high="ratio", group_ratio="ratio", complaints="count", verdict="text",
            flagged="text",
        )  # fmt: skip
        shown = [row for row in rows if row["connection_ratio"] is not None][:20]
        chart = self.chart(
            "lines", "bars", "line", [row["line_id"] for row in shown],
            {"ratio": [row["connection_ratio"] for row in shown]}, "ratio", "ratio",
        )  # fmt: skip
        table = self.table("lines", columns, cells, self.found("lines"))
        return self.section("lines", sentences, charts=(chart,), tables=(table,))

    def abandonment(self) -> Section:
        today, rows = self.today, self.data.rows["abandonment"]
        if not today["connected"]:
            return self.section("abandonment", [self.say("no_connected")])
        sentence = self.say(
            "abandoned",
            abandoned=f"{today['abandoned']:,}",
            connected=f"{today['connected']:,}",
            ratio=self.text(today["abandonment_ratio"], "ratio"),
        )
        sentences = [sentence]
        if rows and rows[0]["abandoned"] and len(rows) > 1:
            most = rows[0]
            sentences.append(
                self.say(
                    "abandoned_most",
                    campaign=most["campaign_id"],
                    abandoned=f"{most['abandoned']:,}",
                    connected=f"{most['connected']:,}",
                )
            )
        columns = self.columns(
            campaign="id", attempts="count", answered="count", connected="count",
            abandoned="count", of_connected="ratio", of_answered="ratio",
        )  # fmt: skip
        cells = [
            {
                **row,
                "campaign": row["campaign_id"],
                "of_connected": _part(row["abandoned"], row["connected"]),
                "of_answered": _part(row["abandoned"], row["answered"]),
            }
            for row in rows
        ]
        table = self.table("abandonment", columns, cells, self.found("abandonment"))
        return self.section("abandonment", sentences, tables=(table,))

    def breaches(self) -> Section:
        rows = self.data.rows["breaches"]
        found = self.found("breaches")
        sentence = self.say("breaches", calls=f"{found:,}") if found else self.say("no_breaches")
        columns = self.columns(
            time="time", call="id", customer="id", line="id", campaign="id", rule="id"
        )
        cells = [
            {
                "time": row["violated_at"],
                "call": self.call(row["call_id"]),
                "customer": self.customer(row["customer_id"]),
                "line": row["line_id"],
                "campaign": row["campaign_id"],
                "rule": row["rule_id"],
            }
            for row in rows
        ]
        tables = (self.table("breaches", columns, cells, found),) if rows else ()
        return self.section("breaches", [sentence], tables=tables)

    def hours(self) -> Section:
        rows = self.data.rows["hourly"]
        solid = [row for row in rows if row["attempts"] >= BEST_HOUR_ATTEMPTS]
        if not rows:
            return self.section("hours", [self.say("no_attempts")])
        sentence = self.say("no_best_hour", least=BEST_HOUR_ATTEMPTS)
        if solid:
            best = max(solid, key=lambda row: (row["connected"] / row["attempts"], -row["hour"]))
            low, high = wilson(best["connected"], best["attempts"]) or (0.0, 0.0)
            sentence = self.say(
                "best_hour",
                hour=best["hour"],
                attempts=f"{best['attempts']:,}",
                ratio=self.text(best["connected"] / best["attempts"], "ratio"),
                low=self.text(low, "ratio"),
                high=self.text(high, "ratio"),
                least=BEST_HOUR_ATTEMPTS,
            )
        cells = []
        for row in rows:
            interval = wilson(row["connected"], row["attempts"])
            cells.append(
                {
                    **row,
                    "hour": f"{row['hour']:02d}:00",
                    "ratio": _ratio(row),
                    "low": interval and interval[0],
                    "high": interval and interval[1],
                }
            )
        columns = self.columns(
            hour="text", attempts="count", answered="count", connected="count", ratio="ratio",
            low="ratio", high="ratio",
        )  # fmt: skip
        chart = self.chart(
            "hours", "line", "hour", [row["hour"] for row in rows],
            {"ratio": [_ratio(row) for row in rows]}, "ratio", "ratio",
        )  # fmt: skip
        table = self.table("hours", columns, cells)
        return self.section("hours", [sentence], charts=(chart,), tables=(table,))

    def routes(self) -> Section:
        rows = self.data.rows["routes"]
        if not rows:
            return self.section("routes", [self.say("no_callers")])
        today = self.today
        sentence = self.say(
            "routes",
            served=f"{today['callers_served']:,}",
            callers=f"{today['callers']:,}",
            ratio=self.text(today["callers_served_ratio"], "ratio"),
            route=rows[0]["route"],
            count=f"{rows[0]['callers']:,}",
        )
        columns = self.columns(
            route="text", callers="count", served="count", ratio="ratio", lost="count",
            wait="seconds",
        )  # fmt: skip
        cells = [
            {
                **row,
                "ratio": _part(row["served"], row["callers"]),
                "wait": row["seconds_to_person_median"],
            }
            for row in rows
        ]
        table = self.table("routes", columns, cells, self.found("routes"))
        return self.section("routes", [sentence], tables=(table,))

    def state(self) -> Section:
        rows = [
            {
                "source": row["entity"],
                "delivered_by": row["source"],
                "newest": row["newest_row_at"],
                "loaded": row["newest_load_at"],
                "quarantined": row["rows_quarantined"],
            }
            for row in self.data.rows["freshness"]
        ]
        columns = self.columns(
            source="text", delivered_by="text", newest="time", loaded="time", quarantined="count"
        )
        table = self.table("freshness", columns, rows)
        return self.section("state", self.state_sentences(), tables=(table,))

    def state_sentences(self) -> list[str]:
        state = self.data.rows["state"][0]
        waiting = state["open_items"]
        return [
            self.say("newest_call", at=self.text(state["newest_call_at"], "time"))
            if state["newest_call_at"]
            else self.say("no_call"),
            self.say("checked", at=self.text(state["checked_at"], "time"))
            if state["checked_at"]
            else self.say("unchecked"),
            self.say("quarantine", rows=f"{waiting:,}") if waiting else self.say("clean"),
            self.say("issues", issues=f"{state['data_issues']:,}"),
        ]


def _ratio(row: Row | None) -> float | None:
    return _part(row["connected"], row["attempts"]) if row else None


def _part(part: Any, whole: Any) -> float | None:
    return part / whole if whole else None


def _moved(moves: Rows, tier: str, *, is_rise: bool) -> int:
    """How many customers came into a tier from a worse one (A is the best), or from a better one."""
    return sum(
        row["customers"]
        for row in moves
        if row["to_tier"] == tier and (tier < row["from_tier"]) == is_rise
    )


@dataclass(frozen=True)
class Audience:
    """What one audience reads: its headline figures, its sections, and whether one team's fits."""

    figures: tuple[str, ...]
    sections: tuple[Callable[[_Maker], Section], ...]
    queries: frozenset[str]
    by_team: bool = False


def _queries(*names: str) -> frozenset[str]:
    return frozenset({"figures", "state", *names})


AUDIENCES: Final[dict[str, Audience]] = {
    "management": Audience(
        (
            "attempts", "connection_ratio", "average_talk_seconds", "customers_reached",
            "tier_a_ratio", "won_ratio", "rule_violations", "phrase_violations",
        ),
        (_Maker.reach, _Maker.why, _Maker.tiers, _Maker.demands),
        _queries(
            "hourly", "daily", "outcomes", "drivers", "tiers", "tier_moves", "movements", "scores",
            "funnel", "expected", "overdue",
        ),
    ),
    "team_leads": Audience(
        (
            "agents", "attempts", "connection_ratio", "average_handle_time_seconds", "occupancy",
            "adherence", "phrase_violations", "rule_violations",
        ),
        (_Maker.agents, _Maker.coaching, _Maker.adherence),
        _queries("agents", "coaching", "hard_calls"),
        by_team=True,
    ),
    "quality": Audience(
        (
            "phrase_violations", "critical_phrase_violations", "hits_to_review",
            "rule_violations", "critical_rule_violations", "calling_hour_breaches",
            "abandonment_ratio", "average_talk_seconds",
        ),
        (_Maker.inspection, _Maker.worklist, _Maker.precision, _Maker.rules),
        _queries("phrases", "worklist", "precision", "rules"),
        by_team=True,
    ),
    "operations": Audience(
        (
            "attempts", "answer_seizure_ratio", "connection_ratio", "abandonment_ratio",
            "calling_hour_breaches", "lines_flagged", "inbound_calls", "callers_served_ratio",
        ),
        (
            _Maker.reach, _Maker.lines, _Maker.abandonment, _Maker.breaches, _Maker.hours,
            _Maker.routes, _Maker.state,
        ),
        _queries(
            "hourly", "daily", "outcomes", "lines", "abandonment", "breaches", "routes", "freshness"
        ),
    ),
}  # fmt: skip


def make(data: Data, audience: str, view: View, made_on: date) -> Document:
    """The report of a period for an audience: every format shows this and nothing else."""
    maker = _Maker(data, view)
    words, period = maker.words, data.period
    wanted = AUDIENCES[audience]
    figures = tuple(maker.figure(name) for name in wanted.figures)
    title = words["title"].format(
        kind=words["kinds_of_report"][period.kind], audience=words["audiences"][audience]
    )
    if view.team:
        title += f" · {view.team}"
    days = words["one_day" if period.days == 1 else "days"].format(
        period=period.label,
        start=period.start.isoformat(),
        end=period.end.isoformat(),
        weekday=words["weekdays"][period.start.weekday()],
    )
    against = [each.label for each, _ in data.compared]
    compared = (
        words["compared"].format(previous=words["list_joiner"].join(against))
        if against
        else words["no_previous"]
    )
    leading = next((f for f in figures if f.form == "ratio"), figures[0])
    return Document(
        view.language,
        title,
        f"callmart {title} {period.label} · {leading.label} {leading.text}",
        f"{days} · {view.zone} · {compared}",
        period.label,
        figures,
        tuple(section(maker) for section in wanted.sections),
        (
            words["joiner"].join(maker.state_sentences()),
            words["footer"].format(made=made_on.isoformat()),
        ),
        words,
        maker.zone,
    )
