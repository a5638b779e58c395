"""Writes what happened in the demo's centre as a landing zone, with the defects of real life.

Every file has bytes that follow from its rows alone: no clock, no file name and no path in it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from callmart.local.demo_dialogue import Scene, Spoken
from callmart.local.demo_simulation import DAY, Centre, Row

CALL_COLUMNS = (
    "call_id", "direction", "campaign_id", "customer_id", "agent_id", "line_id", "from_number", "to_number",
    "started_at", "ringing_at", "answered_at", "agent_joined_at", "ended_at", "disposition", "sip_code",
    "q850_cause", "hangup_by", "hold_seconds", "wrap_up_seconds", "queue", "list_id", "recording_key",
    "agent_extension", "updated_at",
)  # fmt: skip


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def to_csv(
    rows: Sequence[Row], columns: Sequence[str], delimiter: str = ",", end: str = "\n"
) -> str:
    """Rows as CSV with a header."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end)
    writer.writerow(columns)
    writer.writerows([_text(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def to_jsonl(rows: Sequence[Row]) -> str:
    """Rows as one JSON document a line."""
    return "".join(
        json.dumps({k: _plain(v) for k, v in row.items()}, ensure_ascii=False) + "\n"
        for row in rows
    )


def to_parquet(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """Rows as Parquet; times keep their zone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({column: [row.get(column) for row in rows] for column in columns})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


@dataclass
class Landing:
    """A landing zone being written, and what a reader must make of it."""

    root: Path
    centre: Centre
    dates: Sequence[str]
    current: dict[str, set[tuple[str, ...]]] = field(default_factory=dict)
    quarantined_rows: int = 0
    quarantined_files: list[str] = field(default_factory=list)
    duplicate_files: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def put(self, path: str, content: bytes) -> None:
        """One object of the bucket."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def crm(
        self, entity: str, day: int, name: str, content: str | bytes, encoding: str = "utf-8"
    ) -> str:
        """One CRM extract; text is encoded, and packed when the name ends in .gz."""
        data = content.encode(encoding) if isinstance(content, str) else content
        if name.endswith(".gz"):
            data = gzip.compress(data, mtime=0)
        path = f"crm/{entity}/dt={self.dates[day]}/{name}"
        self.put(path, data)
        return path

    def count(self, entity: str, rows: Sequence[Row], *key: str) -> None:
        """Good rows were written: their keys are among the current ones."""
        keys = self.current.setdefault(entity, set())
        keys.update(tuple(_text(row[column]) for column in key) for row in rows)


def write_people(landing: Landing, config: Any) -> None:
    """customers, demands, campaigns, lines, agents: the master data and their daily changes."""
    centre, days = landing.centre, landing.centre.days
    columns = (
        "customer_id", "name", "phone", "region", "time_zone", "language", "segment", "source",
        "owner_agent_id", "consent_status", "do_not_call", "created_at", "updated_at",
    )  # fmt: skip
    # Who asked not to be called did so later: the first extract does not know it yet.
    first = [
        {**customer.row, "do_not_call": False, "consent_status": "granted"}
        if customer.later_versions
        else customer.row
        for customer in centre.customers
    ]
    chinese = [dict(row) for row in first if row["language"] == "zh-CN"]
    chinese[-1]["name"] = "刘䶮"  # four bytes in GB18030
    landing.crm("customers", 0, "customers_cn.csv", to_csv(chinese, columns, end="\r\n"), "gb18030")
    abroad = [row for row in first if row["language"] != "zh-CN"]
    landing.crm("customers", 0, "customers_intl.csv", to_csv(abroad, columns), "utf-8-sig")
    landing.count("customers", first, "customer_id")
    for day in range(days):
        changed = [
            version
            for customer in centre.customers
            for version in customer.later_versions
            if _day_of(centre, version["updated_at"]) == day
        ]
        if changed and day % 2 == 0:
            landing.crm("customers", day, "customers_delta.jsonl.gz", to_jsonl(changed))
        elif changed:
            text = to_csv(changed, columns, delimiter=";")
            landing.crm("customers", day, "customers_delta.csv", text)
    branch = "client no,full name,telephone\n" + "".join(
        f"{n},分店客户{n},10000009{n}\n" for n in (1, 2, 3)
    )
    landing.quarantined_files.append(
        landing.crm("customers", min(1, days - 1), "customers_branch.csv", branch)
    )

    demands = [customer.demand for customer in centre.customers if customer.demand is not None]
    demand_columns = tuple(demands[0])
    originals = [
        customer.first_demand for customer in centre.customers if customer.first_demand is not None
    ]
    landing.crm("demands", 0, "demands_full.parquet", to_parquet(originals, demand_columns))
    landing.count("demands", originals, "demand_id")
    for day in range(days):
        changed = [
            version
            for customer in centre.customers
            for version in customer.demand_versions
            if _day_of(centre, version["updated_at"]) == day
        ]
        changed.sort(key=lambda row: (row["updated_at"], row["demand_id"]))
        text = to_csv(changed, demand_columns, end="\r\n")
        match day % 3:
            case 0:
                landing.crm("demands", day, "demands_delta.csv", text, "gb18030")
            case 1:
                landing.crm("demands", day, "demands_delta.csv", text, "utf-16")
            case _:
                landing.crm("demands", day, "demands_delta.jsonl.gz", to_jsonl(changed))

    campaigns = [
        {**row, "starts_on": "2026-11-02", "ends_on": "2026-12-31"} for row in config["campaigns"]
    ]
    landing.crm(
        "campaigns", 0, "campaigns.csv", to_csv(campaigns, tuple(campaigns[0]), delimiter=";")
    )
    landing.count("campaigns", campaigns, "campaign_id")
    landing.crm("lines", 0, "lines.jsonl", to_jsonl(config["lines"]))
    landing.count("lines", config["lines"], "line_id")
    agents = [
        {
            "agent_id": row["agent_id"],
            "name": row["name"],
            "team": row["team"],
            "skills": "english" if row["team"] == "overseas" else "mandarin",
            "hired_on": f"202{4 + number % 2}-0{1 + number % 9}-15",
            "extension": row["extension"],
        }
        for number, row in enumerate(config["agents"])
    ]
    landing.crm("agents", 0, "agents.parquet", to_parquet(agents, tuple(agents[0])))
    landing.count("agents", agents, "agent_id")


def _day_of(centre: Centre, moment: datetime) -> int:
    return min(centre.days - 1, max(0, (moment.date() - centre.first_day).days))


def write_rules(landing: Landing, config: Any) -> None:
    """sales_rules, phrase_rules, complaints, number_marks."""
    centre, since = landing.centre, "2026-11-01T00:00:00+08:00"
    rules = [
        {"campaign_id": None, "region": None, **rule, "effective_from": since, "effective_to": None}
        for rule in config["sales_rules"]
    ]
    landing.crm("sales_rules", 0, "sales_rules.jsonl", to_jsonl(rules))
    landing.count("sales_rules", rules, "rule_id", "effective_from")
    phrases = [
        {"rule_id": rule["id"], "definition": rule, "effective_from": since, "effective_to": None}
        for rule in config["phrase_rules"]
    ]
    landing.crm("phrase_rules", 0, "phrase_rules.jsonl.gz", to_jsonl(phrases))
    landing.count("phrase_rules", phrases, "rule_id", "effective_from")
    columns = (
        "complaint_id",
        "customer_id",
        "call_id",
        "category",
        "severity",
        "received_at",
        "resolved_at",
    )
    complaints: list[Row] = []
    for number, row in enumerate(sorted(centre.complaints, key=lambda r: int(r["received_at"])), 1):
        resolved = row["resolved_at"]
        complaints.append(
            {**row, "complaint_id": f"CP-{number:03d}", "call_id": row["call"].call_id,
             "received_at": centre.at(row["received_at"]),
             "resolved_at": None if resolved is None else centre.at(resolved)}
        )  # fmt: skip
    landing.crm(
        "complaints", centre.days - 1, "complaints.csv", to_csv(complaints, columns, "\t"), "utf-16"
    )
    landing.count("complaints", complaints, "complaint_id")
    for day in range(centre.days):
        marks = [
            {**row, "observed_at": centre.at(row["observed_at"])}
            for row in centre.number_marks
            if row["observed_at"] // DAY == day
        ]
        landing.crm("number_marks", day, "marks.csv", to_csv(marks, tuple(marks[0])))
        landing.count("number_marks", marks, "number", "observed_at")


def write_work(landing: Landing) -> None:
    """agent_states (some a day late, out of order, one interval over another) and agent_schedules."""
    centre = landing.centre
    columns = ("agent_id", "state", "started_at", "ended_at", "call_id", "reason")
    late: list[Row] = []
    for day in range(centre.days):
        rows = [
            {**state, "started_at": centre.at(state["started_at"]),
             "ended_at": None if state["ended_at"] is None else centre.at(state["ended_at"]),
             "call_id": state["call"].call_id if state["call"] else None}
            for state in centre.states
            if state["started_at"] // DAY == day
        ]  # fmt: skip
        delivered = [*late, *rows]
        late = []
        if day + 1 < centre.days:
            # The last states of one agent come with the next day's file.
            held_back = rows[-1]["agent_id"]
            late = [row for row in delivered if row["agent_id"] == held_back][-6:]
            delivered = [row for row in delivered if not any(row is one for one in late)]
        meal = next((row for row in delivered if row["state"] == "meal"), None)
        if meal is not None:
            delivered.remove(meal)
            delivered.append(meal)
        if day == 0 and meal is not None:
            # A supervisor's correction laid over the end of that meal: the later start wins.
            over = {**meal, "state": "training", "reason": "coaching", "call_id": None,
                    "started_at": meal["ended_at"] - timedelta(minutes=5)}  # fmt: skip
            delivered.append(over)
        plain = [{column: row[column] for column in columns} for row in delivered]
        match day % 3:
            case 0:
                landing.crm("agent_states", day, "agent_states.csv.gz", to_csv(plain, columns))
            case 1:
                landing.crm("agent_states", day, "agent_states.jsonl.gz", to_jsonl(plain))
            case _:
                landing.crm("agent_states", day, "agent_states.parquet", to_parquet(plain, columns))
        landing.count("agent_states", plain, "agent_id", "state", "started_at")
        schedules = [
            {**row, "starts_at": centre.at(row["starts_at"]), "ends_at": centre.at(row["ends_at"])}
            for row in centre.schedules
            if row["starts_at"] // DAY == day
        ]
        landing.crm("agent_schedules", day, "schedules.csv", to_csv(schedules, tuple(schedules[0])))
        landing.count("agent_schedules", schedules, "agent_id", "activity", "starts_at")


def write_calls(landing: Landing) -> None:
    """calls and call_routes: files of half days in several shapes, corrections, late and bad rows."""
    centre = landing.centre
    by_day: list[list[Row]] = [[] for _ in range(centre.days)]
    for call in centre.calls:
        row = dict(call.row)
        for column in ("started_at", "ringing_at", "answered_at", "agent_joined_at", "ended_at"):
            row[column] = None if row[column] is None else centre.at(row[column])
        row["updated_at"] = row["ended_at"] + timedelta(seconds=60 + (row["wrap_up_seconds"] or 0))
        by_day[call.starts // DAY].append(row)
    late: list[Row] = []
    for day, rows in enumerate(by_day):
        noon = centre.at(day * DAY + 13 * 3600)
        morning = [row for row in rows if row["started_at"] < noon]
        evening = [row for row in rows if row["started_at"] >= noon]
        evening, late_next = (
            (evening[:-5], evening[-5:]) if day + 1 < centre.days else (evening, [])
        )
        if late:
            landing.crm("calls", day, "calls_late.jsonl.gz", to_jsonl(late))
        late = late_next
        match day % 3:
            case 0:
                _write_first_day(landing, day, morning, evening)
            case 1:
                zulu = [_in_utc(row) for row in morning]
                landing.crm("calls", day, "calls_am.jsonl.gz", to_jsonl(zulu))
                landing.crm(
                    "calls",
                    day,
                    "calls_pm.csv.gz",
                    to_csv(evening, CALL_COLUMNS, "\t"),
                    "utf-8-sig",
                )
            case _:
                landing.crm(
                    "calls", day, "calls.parquet", to_parquet([*morning, *evening], CALL_COLUMNS)
                )
        landing.count("calls", rows, "call_id")
        steps = [
            {"call_id": call.call_id, **step, "entered_at": centre.at(step["entered_at"]),
             "left_at": centre.at(step["left_at"])}
            for call in centre.calls
            if call.starts // DAY == day
            for step in call.route
        ]  # fmt: skip
        if steps:
            landing.crm("call_routes", day, "routes.csv", to_csv(steps, tuple(steps[0])))
            landing.count("call_routes", steps, "call_id", "step_no")
    if centre.days > 1:
        _write_corrections(landing, by_day[0])


def _in_utc(row: Row) -> Row:
    return {
        key: value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if isinstance(value, datetime)
        else value
        for key, value in row.items()
    }


def _write_first_day(landing: Landing, day: int, morning: list[Row], evening: list[Row]) -> None:
    # Times without an offset: the reader takes the source's zone.
    local = [
        {k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in row.items()}
        for row in morning
    ]
    text = to_csv(local, CALL_COLUMNS)
    landing.crm("calls", day, "calls_am.csv", text)
    landing.duplicate_files.append(landing.crm("calls", day, "calls_am (1).csv", text))
    bad = [
        {**evening[0], "call_id": ""},
        {**evening[1], "call_id": "C-BAD-0001", "started_at": "2026-11-16T25:61:00+08:00"},
        {**evening[2], "call_id": "C-BAD-0002", "direction": "sideways"},
    ]
    landing.quarantined_rows += len(bad)
    rows = [
        {**row, "vendor_trunk_group": f"TG-{row['line_id']}"}
        for row in [*evening[:6], *bad, *evening[6:]]
    ]
    landing.crm("calls", day, "calls_pm.csv", to_csv(rows, (*CALL_COLUMNS, "vendor_trunk_group")))


def _write_corrections(landing: Landing, first_day: list[Row]) -> None:
    """A later version that must win, and an older one that must not."""
    talked = [row for row in first_day if row["disposition"] == "无意向"]
    if len(talked) < 2:
        return
    newer = {**talked[0], "disposition": "有意向", "wrap_up_seconds": talked[0]["wrap_up_seconds"],
             "updated_at": talked[0]["updated_at"] + timedelta(hours=16)}  # fmt: skip
    older = {**talked[1], "disposition": "有意向",
             "updated_at": talked[1]["updated_at"] - timedelta(minutes=5)}  # fmt: skip
    landing.crm("calls", 1, "calls_corrections.jsonl", to_jsonl([newer, older]))


# --- transcripts ----------------------------------------------------------------------------------


def write_transcript(
    landing: Landing, day: int, call_id: str, language: str, scene: Scene, shape: str
) -> None:
    """What was said, in one of the shapes `own`, `srt`, `vtt`, `transcribe`, `call_analytics`."""
    spoken = scene.spoken
    match shape:
        case "srt":
            text, ending = _subtitles(spoken, comma=True), "srt"
        case "vtt":
            text, ending = "WEBVTT\n\n" + _subtitles(spoken, comma=False), "vtt"
        case "transcribe":
            text, ending = _transcribe(call_id, language, spoken), "json"
        case "call_analytics":
            text, ending = _call_analytics(call_id, language, spoken), "json"
        case _:
            text, ending = _own(call_id, language, spoken), "json"
    landing.put(f"transcripts/dt={landing.dates[day]}/{call_id}.{ending}", text.encode())


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _words(turn: Spoken) -> list[Row]:
    pieces: list[Row] = []
    for index, word in enumerate(turn.words):
        following = turn.words[index + 1].start_seconds if index + 1 < len(turn.words) else None
        until = turn.end if following is None else turn.start + following
        text = turn.text[word.char_start : word.char_end]
        if text.strip():
            pieces.append(
                {"text": text, "start_ms": _ms(turn.start + word.start_seconds), "end_ms": _ms(until),
                 "confidence": round(0.99 - (len(text) * 7 + index * 3) % 20 / 100, 2)}
            )  # fmt: skip
    return pieces


def _own(call_id: str, language: str, spoken: Sequence[Spoken]) -> str:
    segments = []
    for turn in spoken:
        segment: Row = {
            "role": turn.role,
            "start_ms": _ms(turn.start),
            "end_ms": _ms(turn.end),
            "text": turn.text,
        }
        if language == "en":
            segment["words"] = _words(turn)
        segments.append(segment)
    document = {
        "call_id": call_id,
        "language": language,
        "engine": "demo script",
        "segments": segments,
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _stamp(seconds: float, comma: bool) -> str:
    milliseconds = _ms(seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}"
    return f"{clock}{',' if comma else '.'}{rest % 1000:03d}"


def _subtitles(spoken: Sequence[Spoken], comma: bool) -> str:
    blocks = []
    for number, turn in enumerate(spoken, 1):
        line = f"{turn.role}: {turn.text}" if comma else f"<v {turn.role}>{turn.text}</v>"
        times = f"{_stamp(turn.start, comma)} --> {_stamp(turn.end, comma)}"
        blocks.append(f"{number}\n{times}\n{line}\n")
    return "\n".join(blocks)


def _transcribe(call_id: str, language: str, spoken: Sequence[Spoken]) -> str:
    """The shape of a standard job with channel identification: times in seconds, as text."""
    labels = {"agent": "ch_0", "customer": "ch_1"}
    items: dict[str, list[Row]] = {"agent": [], "customer": []}
    for turn in spoken:
        for word in _words(turn):
            items[turn.role].append(
                {"start_time": f"{word['start_ms'] / 1000:.3f}", "end_time": f"{word['end_ms'] / 1000:.3f}",
                 "type": "pronunciation",
                 "alternatives": [{"confidence": str(word["confidence"]), "content": word["text"]}]}
            )  # fmt: skip
        items[turn.role].append(
            {
                "type": "punctuation",
                "alternatives": [{"confidence": "0.0", "content": turn.text[-1]}],
            }
        )
    joint = "" if language == "zh" else " "
    document = {
        "jobName": call_id,
        "status": "COMPLETED",
        "results": {
            "language_code": "zh-CN" if language == "zh" else "en-US",
            "transcripts": [{"transcript": joint.join(turn.text for turn in spoken)}],
            "channel_labels": {
                "channels": [
                    {"channel_label": label, "items": items[role]} for role, label in labels.items()
                ],
                "number_of_channels": 2,
            },
            "items": [item for role in labels for item in items[role]],
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _call_analytics(call_id: str, language: str, spoken: Sequence[Spoken]) -> str:
    document = {
        "JobStatus": "COMPLETED",
        "LanguageCode": "zh-CN" if language == "zh" else "en-US",
        "Channel": "VOICE",
        "JobName": call_id,
        "Participants": [{"ParticipantRole": "AGENT"}, {"ParticipantRole": "CUSTOMER"}],
        "Transcript": [
            {"Id": f"{call_id}-{number}", "ParticipantRole": turn.role.upper(), "Content": turn.text,
             "BeginOffsetMillis": _ms(turn.start), "EndOffsetMillis": _ms(turn.end)}
            for number, turn in enumerate(spoken)
        ],
    }  # fmt: skip
    return json.dumps(document, ensure_ascii=False, indent=1)
