"""A second opinion: the figures of a centre, worked out from the sentences of the contract alone.

Plain Python over the rows as delivered, record by record, and as slow as that. It shares nothing with the
SQL but the seeds of codes, regions and holidays. Where a figure of the marts differs from the one found
here, one of the two misread the text.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
from invented_centre import DISPOSITIONS, ENTITIES, FIRST_DAY, RECORDINGS, Heard, Row, rows_of

SEEDS = Path(__file__).parents[2] / "dbt" / "seeds"
DAY = timedelta(days=1)
HALF_HOUR = timedelta(minutes=30)
WORK_STATES = ("available", "ringing", "talking", "holding", "wrap_up")
OCCUPIED = ("talking", "holding", "wrap_up")
KEYS = {
    "customers": ("customer_id",),
    "demands": ("demand_id",),
    "campaigns": ("campaign_id",),
    "lines": ("line_id",),
    "agents": ("agent_id",),
    "agent_states": ("agent_id", "state", "started_at"),
    "agent_schedules": ("agent_id", "starts_at"),
    "calls": ("call_id",),
    "call_routes": ("call_id", "step_no"),
    "sales_rules": ("rule_id", "effective_from"),
    "phrase_rules": ("rule_id", "effective_from"),
    "complaints": ("complaint_id",),
    "number_marks": ("number", "observed_at"),
}
PHONES = ("phone", "from_number", "to_number", "number")
NUMBERS = ("hold_seconds", "wrap_up_seconds", "expected_value")

Record = dict[str, Any]


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ratio(numerator: float, denominator: float) -> float | None:
    """A zero denominator gives null."""
    return None if denominator == 0 else numerator / denominator


def quantile(values: list[float], share: float) -> float | None:
    """Interpolated between neighbours."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def typed(row: Row) -> Record:
    """Texts to times, numbers, flags; nothing for an empty text."""
    found: Record = {}
    for name, text in row.values.items():
        value: Any = text or None
        if value is not None:
            if name.endswith("_at") or name in ("effective_from", "effective_to"):
                value = datetime.fromisoformat(text).astimezone(UTC)
            elif name in NUMBERS:
                value = float(text)
            elif name in ("sip_code", "q850_cause", "step_no"):
                value = int(text)
            elif name == "parameters":
                value = json.loads(text)
            elif name == "do_not_call":
                value = text == "true"
            elif name in PHONES:
                try:
                    number = phonenumbers.parse(text, "CN")
                    value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
                except phonenumbers.NumberParseException:
                    value = None
        found[name] = value
    return found


@dataclass
class Call:
    """A call with all that is derived from it; names as in the marts."""

    row: Record
    customer_id: str | None = None
    customer_match_method: str = "unmatched"
    as_delivered: str | None = None
    agent_id: str | None = None
    agent_match_method: str = "unmatched"
    line_id: str | None = None
    line_match_method: str = "unmatched"
    campaign_id: str | None = None
    line_group: str | None = None
    line_mode: str | None = None
    outcome: str | None = None
    is_answered: bool | None = None
    is_connected: bool | None = None
    decided_by: str | None = None
    is_disputed: bool = False
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    queue_wait: float | None = None
    to_agent: bool = False
    is_queued: bool = False

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["row"][name]
        except KeyError as error:
            raise AttributeError(name) from error

    @property
    def is_attempt(self) -> bool:
        return bool(self.row["direction"] == "outbound")

    @property
    def half_hour_at(self) -> datetime:
        return floor_half_hour(self.row["started_at"])

    def seconds(self, start: str, end: str) -> float | None:
        if self.row[start] is None or self.row[end] is None:
            return None
        return float((self.row[end] - self.row[start]).total_seconds())

    @property
    def answered_seconds(self) -> float | None:
        return self.seconds("answered_at", "ended_at")

    @property
    def talk_seconds(self) -> float | None:
        """Ended less agent joined less hold."""
        found = self.seconds("agent_joined_at", "ended_at")
        return None if found is None else max(found - (self.row["hold_seconds"] or 0), 0)

    @property
    def ring_seconds(self) -> float | None:
        """Ringing to the answer or the hang-up."""
        end = "answered_at" if self.row["answered_at"] else "ended_at"
        return self.seconds("ringing_at", end)

    @property
    def is_handled(self) -> bool:
        """An agent joined and a person was there."""
        return self.row["agent_joined_at"] is not None and self.is_connected is True


def floor_half_hour(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)


def pieces(start: datetime, end: datetime) -> Iterator[tuple[datetime, float]]:
    """An interval cut at the half hours: start of the half hour, seconds in it."""
    at = start
    while at < end:
        half_hour = floor_half_hour(at)
        until = min(half_hour + HALF_HOUR, end)
        yield half_hour, (until - at).total_seconds()
        at = until


@dataclass(frozen=True)
class State:
    """An interval of an agent's state with the overlaps taken out."""

    agent_id: str
    state: str
    started_at: datetime
    ended_at: datetime
    is_open: bool
    reason: str | None


class Reference:
    """The figures. `zone`: the business time zone."""

    def __init__(
        self, zone: str = "Asia/Shanghai", recordings: Iterable[Heard] = RECORDINGS
    ) -> None:
        self.zone = ZoneInfo(zone)
        self.recordings = {heard.call_id: heard for heard in recordings}
        self.versions: dict[str, dict[tuple[Any, ...], list[Record]]] = {}
        for entity in ENTITIES:
            found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
            for number, row in enumerate(rows_of(entity)):
                values = typed(row)
                key = tuple(values[name] for name in KEYS[entity])
                # No updated_at sorts first.
                changed = values["updated_at"]
                place = (changed.timestamp() if changed else 0.0, row.day, number)
                found[key].append((place, values))
            self.versions[entity] = {
                key: [values for _, values in sorted(rows, key=lambda item: item[0])]
                for key, rows in found.items()
            }

    # What is current, and what was known when

    def current(self, entity: str) -> list[Record]:
        """The newest version of each row."""
        return [versions[-1] for versions in self.versions[entity].values()]

    def as_of(self, entity: str, key: str, moment: datetime) -> Record | None:
        """A row as it stood then; before its first version: as that says."""
        versions = self.versions[entity].get((key,))
        if versions is None:
            return None
        known = [v for v in versions if v["updated_at"] is None or v["updated_at"] <= moment]
        return known[-1] if known else versions[0]

    def day(self, moment: datetime) -> date:
        """The date in the business time zone."""
        return moment.astimezone(self.zone).date()

    @cached_property
    def as_of_at(self) -> datetime:
        """The end of the newest business day that holds a call."""
        newest = max(self.day(call["started_at"]) for call in self.current("calls"))
        return datetime(newest.year, newest.month, newest.day, tzinfo=self.zone) + DAY

    def survivor(self, customer: str | None) -> str | None:
        """Who survives all merges."""
        while customer is not None:
            merged = self.versions["customers"][(customer,)][-1]["merged_into_customer_id"]
            if merged is None:
                return customer
            customer = merged
        return None

    # Calls

    @cached_property
    def calls(self) -> dict[str, Call]:
        found = [Call(row) for row in self.current("calls")]
        found.sort(key=lambda call: (call.started_at, call.call_id))
        for call in found:
            self._resolve(call)
            self._decide(call)
            self._locate(call)
            self._queue(call)
        for call in found:
            if call.is_attempt:
                continue
            before = [
                other
                for other in found
                if other.is_attempt
                and other.customer_id is not None
                and other.customer_id == call.customer_id
                and call.started_at - 30 * DAY <= other.started_at < call.started_at
            ]
            call.campaign_id = before[-1].campaign_id if before else None
        for call in found:
            call.line_mode = self._line_mode(call)
        return {call.call_id: call for call in found}

    def _match(
        self, given: str | None, entity: str, column: str, value: str | None, at: datetime
    ) -> tuple[str | None, str]:
        if given is not None:
            return given, "delivered"
        if value is None:
            return None, "unmatched"
        candidates = [
            key[0]
            for key in self.versions[entity]
            if (self.as_of(entity, key[0], at) or {}).get(column) == value
        ]
        if entity == "customers":
            candidates = sorted({self.survivor(name) or name for name in candidates})
        if len(candidates) == 1:
            return candidates[0], "extension" if column == "extension" else "number"
        return None, "ambiguous" if candidates else "unmatched"

    def _resolve(self, call: Call) -> None:
        at = call.started_at
        theirs = call.row["to_number" if call.is_attempt else "from_number"]
        ours = call.row["from_number" if call.is_attempt else "to_number"]
        call.as_delivered, call.customer_match_method = self._match(
            call.row["customer_id"], "customers", "phone", theirs, at
        )
        call.customer_id = self.survivor(call.as_delivered)
        call.agent_id, call.agent_match_method = self._match(
            call.row["agent_id"], "agents", "extension", call.row["agent_extension"], at
        )
        call.line_id, call.line_match_method = self._match(
            call.row["line_id"], "lines", "number", ours, at
        )
        call.campaign_id = call.row["campaign_id"]
        line = self.as_of("lines", call.line_id, at) if call.line_id else None
        call.line_group = line["line_group"] if line else None

    def _line_mode(self, call: Call) -> str | None:
        """Of the campaign; an inbound call's from the group of the called line."""
        if call.is_attempt:
            campaign = self.as_of("campaigns", call.campaign_id or "", call.started_at)
            return campaign["line_mode"] if campaign else None
        if call.line_group is None:
            return None
        members = [x for x in self.current("lines") if x["line_group"] == call.line_group]
        return "single" if len(members) == 1 else "multiple"

    def _decide(self, call: Call) -> None:
        """Connection: the recording where it can be used, else the signalling."""
        # The words of the contract map to themselves, those of the vendor as the mapping says; any case.
        words: dict[str, str | None] = {row["outcome"]: row["outcome"] for row in seed("outcomes")}
        words |= {
            row["disposition"].lower(): row["outcome"] or None
            for row in csv.DictReader(DISPOSITIONS.read_text(encoding="utf-8").split())
        }
        codes = {(r["code_system"], int(r["code"])): r["outcome"] for r in seed("signalling_codes")}
        flags = {r["outcome"]: (r["is_answered"], r["is_connected"]) for r in seed("outcomes")}
        said = words.get(call.disposition.lower()) if call.disposition else None
        answered = call.answered_at is not None
        if answered:
            signalled, connected = said or "unknown", None
            if said is not None:
                connected = flags[said][1] == "true"
        else:
            code = codes.get(("sip", call.sip_code)) or codes.get(("q850", call.q850_cause))
            if 500 <= (call.sip_code or 0) <= 599 and ("sip", call.sip_code) not in codes:
                code = "congestion"
            if said is not None and flags[said][0] == "true":
                said = None  # nothing answered: a word for an answer tells nothing
            signalled = said or (None if code == "answered" else code)
            connected = False if signalled else None
        heard = self.recordings.get(call.call_id)
        if heard is not None and heard.outcome not in ("unreadable", "unknown"):
            call.decided_by, call.outcome = "recording", heard.outcome
            call.is_answered, call.is_connected = heard.is_answered, heard.is_connected
            call.is_disputed = signalled not in (None, "unknown", heard.outcome)
        else:
            call.decided_by = "signalling" if signalled else None
            call.outcome, call.is_answered, call.is_connected = signalled, answered, connected

    def _locate(self, call: Call) -> None:
        """The customer's own zone, else the region's, the number's, the site's."""
        customer = self.as_of("customers", call.as_delivered or "", call.started_at)
        regions = {row["region"]: row["time_zone"] for row in seed("regions")}
        number = (customer or {}).get("phone") or call.row[
            "to_number" if call.is_attempt else "from_number"
        ]
        name = self.zone.key
        if customer and customer["time_zone"]:
            name = customer["time_zone"]
        elif customer and customer["region"] in regions:
            name = regions[customer["region"]]
        elif number:
            prefixes = {row["prefix"]: row["time_zone"] for row in seed("number_prefixes")}
            digits = number.lstrip("+")
            name = next(
                prefixes[digits[:n]] for n in range(len(digits), 0, -1) if digits[:n] in prefixes
            )
        call.zone = ZoneInfo(name)

    def steps(self, call: Call) -> list[Record]:
        found = [row for row in self.current("call_routes") if row["call_id"] == call.call_id]
        return sorted(found, key=lambda row: row["step_no"])

    def _queue(self, call: Call) -> None:
        """The wait in queues up to the agent; without steps from the call's own queue."""
        if call.is_attempt:
            return
        steps = self.steps(call)
        queues = [step for step in steps if step["step_type"] == "queue"]
        call.is_queued = bool(queues) or call.row["queue"] is not None
        if queues:
            call.queue_wait = sum(
                (step["left_at"] - step["entered_at"]).total_seconds() for step in queues
            )
            call.to_agent = any(
                step["step_type"] == "agent" and step["step_no"] > queues[0]["step_no"]
                for step in steps
            )
        elif call.is_queued:
            call.to_agent = call.agent_joined_at is not None
            call.queue_wait = call.seconds(
                "answered_at", "agent_joined_at" if call.to_agent else "ended_at"
            )

    def abandon_seconds(self, call: Call) -> float | None:
        """The seconds of the rule in force; none: any agent is soon enough."""
        found = [
            rule["parameters"]["seconds"]
            for rule in self.rules_for(call)
            if rule["rule_type"] == "answer_to_agent"
        ]
        return min(found) if found else None

    def is_abandoned(self, call: Call) -> bool:
        """A person answered and no agent joined within the rule's seconds, or ever."""
        if not call.is_attempt or call.is_connected is not True:
            return False
        if call.agent_joined_at is None:
            return True
        waited, limit = call.seconds("answered_at", "agent_joined_at"), self.abandon_seconds(call)
        return waited is not None and limit is not None and waited > limit

    def key(self, call: Call) -> str | None:
        """The customer; where none is known the number."""
        return call.customer_id or call.row["to_number" if call.is_attempt else "from_number"]

    def attempts_to(self, key: str | None) -> list[Call]:
        return [
            call
            for call in self.calls.values()
            if call.is_attempt and key is not None and self.key(call) == key
        ]

    def attempts_in(self, call: Call, hours: float) -> int:
        """Attempts to the customer in (t - hours, t]."""
        earliest = call.started_at - timedelta(hours=hours)
        return sum(
            earliest < other.started_at <= call.started_at
            for other in self.attempts_to(self.key(call))
        )

    # Traffic

    def traffic(self, key: Callable[[Call], Any]) -> dict[Any, Record]:
        """The figures of traffic for whatever the calls are grouped by."""
        groups: dict[Any, list[Call]] = defaultdict(list)
        for call in self.calls.values():
            groups[key(call)].append(call)
        return {name: self._traffic_of(calls) for name, calls in groups.items()}

    def _traffic_of(self, calls: list[Call]) -> Record:
        attempts = [call for call in calls if call.is_attempt]
        answered = [call for call in attempts if call.is_answered]
        connected = [call for call in attempts if call.is_connected]
        silent = [call for call in attempts if not call.is_answered]
        parts = {
            name: sum(call.outcome == outcome for call in silent)
            for name, outcome in {
                "user_busy": "busy",
                "rang_without_answer": "no_answer",
                "rejected": "rejected",
                "cancelled": "cancelled",
            }.items()
        }
        effective = len(answered) + sum(parts.values()) - parts["cancelled"]
        lengths = [c.answered_seconds for c in answered if c.answered_seconds is not None]
        handled = [call for call in calls if call.is_handled]
        talks = [call.talk_seconds for call in handled if call.talk_seconds is not None]
        handle = sum(
            (c.talk_seconds or 0) + (c.hold_seconds or 0) + (c.wrap_up_seconds or 0)
            for c in handled
        )
        delays = [d for c in attempts if (d := c.seconds("started_at", "ringing_at")) is not None]
        rings = [c.ring_seconds for c in attempts if c.ring_seconds is not None]
        abandoned = sum(self.is_abandoned(call) for call in calls)
        queued = [call for call in calls if call.is_queued]
        in_time = [c for c in queued if c.to_agent and (c.queue_wait or 0) <= 20]
        gave_up = [
            c
            for c in queued
            if not c.to_agent and all(step["step_type"] != "callback" for step in self.steps(c))
        ]
        patient = len(queued) - sum((c.queue_wait or 0) <= 5 for c in gave_up)
        return {
            "attempts": len(attempts),
            "answered": len(answered),
            "connected": len(connected),
            "connection_unknown": sum(call.is_connected is None for call in attempts),
            "disputed": sum(call.is_disputed for call in attempts),
            "answer_seizure_ratio": ratio(len(answered), len(attempts)),
            "network_effective": effective,
            "network_effectiveness_ratio": ratio(effective, len(attempts)),
            "connection_ratio": ratio(len(connected), len(attempts)),
            **parts,
            "answered_seconds": sum(lengths),
            "answered_with_seconds": len(lengths),
            "average_call_duration_seconds": ratio(sum(lengths), len(lengths)),
            "talk_seconds": sum(talks),
            "talked_calls": len(talks),
            "average_talk_seconds": ratio(sum(talks), len(talks)),
            "handled": len(handled),
            "handle_seconds": handle,
            "average_handle_time_seconds": ratio(handle, len(handled)),
            "post_dial_delay_seconds_median": quantile(delays, 0.5),
            "post_dial_delay_seconds_p95": quantile(delays, 0.95),
            "post_dial_delay_calls": len(delays),
            "ring_seconds": sum(rings),
            "rung_calls": len(rings),
            "abandoned": abandoned,
            "abandonment_ratio": ratio(abandoned, len(connected)),
            "abandonment_of_answered_ratio": ratio(abandoned, len(answered)),
            "inbound_calls": len(calls) - len(attempts),
            "queued": len(queued),
            "queued_within_20s": len(in_time),
            "service_level_20s": ratio(len(in_time), len(queued)),
            "queued_without_short_abandons": patient,
            "service_level_20s_without_short_abandons": ratio(len(in_time), patient),
        }

    # Agents

    @cached_property
    def schedule(self) -> list[Record]:
        """What is scheduled at any moment: of entries laid over each other the one begun last."""
        found = []
        for agent in sorted({row["agent_id"] for row in self.current("agent_schedules")}):
            rows = [row for row in self.current("agent_schedules") if row["agent_id"] == agent]
            moments = sorted({row[name] for row in rows for name in ("starts_at", "ends_at")})
            for start, end in pairwise(moments):
                covering = [r for r in rows if r["starts_at"] <= start and end <= r["ends_at"]]
                if covering:
                    activity = max(covering, key=lambda r: r["starts_at"])["activity"]
                    found.append(
                        {
                            "agent_id": agent,
                            "activity": activity,
                            "starts_at": start,
                            "ends_at": end,
                        }
                    )
        return found

    @cached_property
    def shifts(self) -> dict[str, list[tuple[datetime, datetime]]]:
        """Pieces of a schedule that follow each other are one shift."""
        found: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
        for row in self.schedule:
            shifts = found[row["agent_id"]]
            if shifts and row["starts_at"] - shifts[-1][1] <= timedelta(hours=4):
                shifts[-1] = (shifts[-1][0], row["ends_at"])
            else:
                shifts.append((row["starts_at"], row["ends_at"]))
        return found

    @cached_property
    def states(self) -> list[State]:
        """The later start wins for good; a missing end: next start, shift's end, 12 hours."""
        by_agent: dict[str, list[Record]] = defaultdict(list)
        for row in self.current("agent_states"):
            by_agent[row["agent_id"]].append(row)
        found = []
        for agent, rows in by_agent.items():
            rows.sort(key=lambda row: row["started_at"])
            for row, following in zip(rows, [*rows[1:], None], strict=True):
                start, end = row["started_at"], row["ended_at"]
                if end is None:
                    soon = start + timedelta(hours=4)
                    shift_ends = [b for a, b in self.shifts[agent] if a <= soon and start < b]
                    if following is not None:
                        end = following["started_at"]
                    else:
                        end = shift_ends[0] if shift_ends else start + timedelta(hours=12)
                if following is not None:
                    end = min(end, following["started_at"])
                is_open = row["ended_at"] is None
                if end > start:
                    found.append(State(agent, row["state"], start, end, is_open, row["reason"]))
        return found

    @cached_property
    def agent_work(self) -> dict[tuple[str, datetime], Record]:
        """Agent and half hour."""
        known = {row["state"]: row["activity"] for row in seed("agent_state_activities")}
        rows: dict[tuple[str, datetime], Record] = defaultdict(lambda: defaultdict(float))
        for state in self.states:
            for at, seconds in pieces(state.started_at, min(state.ended_at, self.as_of_at)):
                name = state.state if state.state in known else "other_state"
                rows[state.agent_id, at][f"{name}_seconds"] += seconds
        for piece in self.schedule:
            for at, seconds in pieces(piece["starts_at"], piece["ends_at"]):
                rows[piece["agent_id"], at]["scheduled_seconds"] += seconds
            for state in self.states:
                if (
                    state.agent_id != piece["agent_id"]
                    or known.get(state.state) != piece["activity"]
                ):
                    continue
                start = max(state.started_at, piece["starts_at"])
                end = min(state.ended_at, piece["ends_at"])
                for at, seconds in pieces(start, end):
                    rows[piece["agent_id"], at]["adherent_seconds"] += seconds
        for call in self.calls.values():
            if call.agent_id is None:
                continue
            row = rows[call.agent_id, call.half_hour_at]
            row["calls"] += 1
            if call.is_handled:
                row["handled"] += 1
                row["handle_seconds"] += (
                    (call.talk_seconds or 0)
                    + (call.hold_seconds or 0)
                    + (call.wrap_up_seconds or 0)
                )
        for row in rows.values():
            row["occupied_seconds"] = sum(row[f"{state}_seconds"] for state in OCCUPIED)
            row["staffed_seconds"] = row["occupied_seconds"] + row["available_seconds"]
            row["occupancy"] = ratio(row["occupied_seconds"], row["staffed_seconds"])
            row["utilisation"] = ratio(row["staffed_seconds"], row["scheduled_seconds"])
            row["adherence"] = ratio(row["adherent_seconds"], row["scheduled_seconds"])
            row["average_handle_time_seconds"] = ratio(row["handle_seconds"], row["handled"])
        return dict(rows)

    def scorecard(self) -> dict[tuple[str, date], Record]:
        """Agent and business day."""
        days: dict[tuple[str, date], Record] = defaultdict(
            lambda: {"scheduled_work_seconds": 0.0, "pauses": defaultdict(float), "open": 0}
        )
        for (agent, at), row in self.agent_work.items():
            day = days[agent, self.day(at)]
            for name in ("scheduled_seconds", "staffed_seconds", "occupied_seconds", "handled"):
                day[name] = day.get(name, 0.0) + row[name]
            day["worked_seconds"] = day.get("worked_seconds", 0.0) + sum(
                row[f"{state}_seconds"] for state in WORK_STATES
            )
        for piece in self.schedule:
            if piece["activity"] == "work":
                for at, seconds in pieces(piece["starts_at"], piece["ends_at"]):
                    days[piece["agent_id"], self.day(at)]["scheduled_work_seconds"] += seconds
        for state in self.states:
            start_day = days[state.agent_id, self.day(state.started_at)]
            start_day["open"] += state.is_open
            length = (state.ended_at - state.started_at).total_seconds()
            if state.state != "offline" and length > start_day.get("longest_state_seconds", 0):
                start_day["longest_state"] = state.state
                start_day["longest_state_seconds"] = length
        for (agent, date_), day in days.items():
            calls = [
                call
                for call in self.calls.values()
                if call.agent_id == agent and self.day(call.started_at) == date_
            ]
            worked = day.get("worked_seconds", 0.0)
            day["attempts"] = sum(call.is_attempt for call in calls)
            day["inbound_calls"] = len(calls) - day["attempts"]
            day["connected"] = sum(call.is_attempt and bool(call.is_connected) for call in calls)
            day["connection_ratio"] = ratio(day["connected"], day["attempts"])
            day["conformance"] = ratio(worked, day["scheduled_work_seconds"])
            day["calls_per_productive_hour"] = ratio(len(calls), worked / 3600)
            day["open_ended_states"] = day.pop("open")
        return {key: {n: v for n, v in day.items() if n != "pauses"} for key, day in days.items()}

    def customer_attempts(self) -> dict[tuple[str, date], Record]:
        """Customer and business day with an attempt."""
        found: dict[tuple[str, date], list[Call]] = defaultdict(list)
        for call in self.calls.values():
            if call.is_attempt:
                found[self.key(call) or "", self.day(call.started_at)].append(call)
        return {
            key: {
                "attempts": len(calls),
                "answered": sum(bool(c.is_answered) for c in calls),
                "connected": sum(bool(c.is_connected) for c in calls),
                "distinct_lines": len({c.line_id for c in calls} - {None}),
                "most_attempts_in_24_hours": max(self.attempts_in(c, 24) for c in calls),
                "most_attempts_on_local_date": max(self.on_local_date(c) for c in calls),
            }
            for key, calls in found.items()
        }

    def on_local_date(self, call: Call) -> int:
        """Attempts on the day of the customer's own zone, as it was at each of them."""
        day = call.started_at.astimezone(call.zone).date()
        return sum(
            other.started_at.astimezone(other.zone).date() == day
            for other in self.attempts_to(self.key(call))
        )

    # Rules

    def rules_for(self, call: Call) -> list[Record]:
        """Rules that cover a call, in force when it started."""
        customer = self.as_of("customers", call.as_delivered or "", call.started_at) or {}
        return [
            rule
            for rule in self.current("sales_rules")
            if rule["effective_from"] <= call.started_at
            and (rule["effective_to"] is None or call.started_at < rule["effective_to"])
            and rule["campaign_id"] in (None, call.campaign_id)
            and rule["region"] in (None, customer.get("region"))
        ]

    @cached_property
    def violations(self) -> set[tuple[str, str | None]]:
        """Rule and call; for what is no call's: rule and customer, or rule, campaign and day."""
        found: set[tuple[str, str | None]] = set()
        for call in self.calls.values():
            for rule in self.rules_for(call):
                is_inbound_rule = rule["rule_type"] == "inbound_routing"
                if is_inbound_rule is call.is_attempt:
                    continue
                judge = getattr(self, f"_breaks_{rule['rule_type']}", None)
                if judge is not None and judge(call, rule["parameters"], rule):
                    found.add((rule["rule_id"], call.call_id))
        return found

    def _breaks_calling_hours(self, call: Call, parameters: Record, _: Record) -> bool:
        local = call.started_at.astimezone(call.zone)
        if parameters.get("holidays") is False:
            country = self._country(call)
            if any(
                (row["country"], row["holiday_date"]) == (country, local.date().isoformat())
                for row in seed("public_holidays")
            ):
                return True
        if "days" in parameters and f"{local:%a}".lower() not in parameters["days"]:
            return True
        windows = parameters.get("windows") or [parameters]
        clock = f"{local:%H:%M:%S.%f}"
        return not any(window["from"] <= clock < window["to"] for window in windows)

    def _country(self, call: Call) -> str | None:
        customer = self.as_of("customers", call.as_delivered or "", call.started_at) or {}
        regions = {row["region"]: row["country"] for row in seed("regions")}
        if customer.get("region") in regions:
            return regions[customer["region"]]
        number = customer.get("phone") or call.to_number
        if not number:
            return "CN"
        return str(phonenumbers.region_code_for_number(phonenumbers.parse(number)))

    def _covered(self, call: Call, rule: Record) -> list[Call]:
        """Attempts to the customer in the campaigns that the rule covers."""
        return [
            other
            for other in self.attempts_to(self.key(call))
            if rule["campaign_id"] in (None, other.campaign_id)
        ]

    def _breaks_max_attempts(self, call: Call, parameters: Record, rule: Record) -> bool:
        earliest = call.started_at - timedelta(hours=parameters["per_hours"])
        attempts = [
            other
            for other in self._covered(call, rule)
            if earliest < other.started_at <= call.started_at
        ]
        return len(attempts) > parameters["count"]

    def _breaks_min_interval(self, call: Call, parameters: Record, rule: Record) -> bool:
        gap = timedelta(minutes=parameters["minutes"])
        return any(
            (other.started_at, other.call_id) < (call.started_at, call.call_id)
            and call.started_at - other.started_at < gap
            for other in self._covered(call, rule)
        )

    def _breaks_do_not_call(self, call: Call, _: Record, __: Record) -> bool:
        customer = self.as_of("customers", call.as_delivered or "", call.started_at) or {}
        return bool(customer.get("do_not_call"))

    def _breaks_consent_required(self, call: Call, _: Record, __: Record) -> bool:
        customer = self.as_of("customers", call.as_delivered or "", call.started_at) or {}
        return customer.get("consent_status") != "granted"

    def _breaks_line_assignment(self, call: Call, parameters: Record, _: Record) -> bool:
        customer = self.as_of("customers", call.as_delivered or "", call.started_at) or {}
        wanted = parameters.get(customer.get("region") or "")
        return call.line_id is not None and wanted is not None and wanted != call.line_group

    def _breaks_line_mode(self, call: Call, parameters: Record, _: Record) -> bool:
        before = [
            other
            for other in self.attempts_to(self.key(call))
            if other.campaign_id == call.campaign_id
            and other.line_id is not None
            and (other.started_at, other.call_id) < (call.started_at, call.call_id)
        ]
        if call.line_id is None:
            return False
        if parameters["mode"] == "single":
            return bool(before) and call.line_id != before[0].line_id
        vain = 0
        for other in reversed(before):
            if other.line_id != call.line_id or other.is_connected:
                break
            vain += 1
        return bool(vain >= parameters["after_attempts"])

    def _breaks_answer_to_agent(self, call: Call, parameters: Record, _: Record) -> bool:
        if call.is_connected is not True:
            return False
        if call.agent_joined_at is None:
            return True
        waited = call.seconds("answered_at", "agent_joined_at")
        return waited is not None and waited > parameters["seconds"]

    def _breaks_min_ring(self, call: Call, parameters: Record, _: Record) -> bool:
        return bool(
            not call.is_answered
            and call.hangup_by in ("agent", "dialler")
            and call.ring_seconds is not None
            and call.ring_seconds < parameters["seconds"]
        )

    def _breaks_inbound_routing(self, call: Call, parameters: Record, _: Record) -> bool:
        customer = self.as_of("customers", call.as_delivered or "", call.started_at) or {}
        if parameters.get("segment") not in (None, customer.get("segment")):
            return False
        if not call.is_queued:
            return False
        steps = self.steps(call)
        queues = [step["queue"] for step in steps if step["step_type"] in ("queue", "overflow")]
        return any(queue != parameters["queue"] for queue in queues or [call.row["queue"]]) or (
            call.queue_wait is not None and call.queue_wait > parameters["max_wait_seconds"]
        )

    def broken_campaign_days(self) -> set[tuple[str, str, date]]:
        """max_abandon_ratio: rule, campaign and business day."""
        found = set()
        days = {self.day(call.started_at) for call in self.calls.values() if call.is_attempt}
        for rule in self.current("sales_rules"):
            if rule["rule_type"] != "max_abandon_ratio":
                continue
            for day in days:
                calls = [
                    call
                    for call in self.calls.values()
                    if call.is_attempt
                    and call.campaign_id == rule["campaign_id"]
                    and day - (rule["parameters"]["days"] - 1) * DAY
                    <= self.day(call.started_at)
                    <= day
                ]
                is_called = any(self.day(call.started_at) == day for call in calls)
                share = ratio(
                    sum(self.is_abandoned(call) for call in calls),
                    sum(call.is_connected is True for call in calls),
                )
                if is_called and share is not None and share > rule["parameters"]["ratio"]:
                    found.add((rule["rule_id"], rule["campaign_id"], day))
        return found

    # Lines

    def line_days(self) -> dict[tuple[str, date], Record]:
        """Line and business day: its attempts beside those of the 28 days before."""
        attempts = [c for c in self.calls.values() if c.is_attempt and c.line_id is not None]
        found: dict[tuple[str, date], Record] = {}
        for line, day in {(c.line_id, self.day(c.started_at)) for c in attempts}:
            assert line is not None
            own = [c for c in attempts if c.line_id == line]
            here = [c for c in own if self.day(c.started_at) == day]
            before = [c for c in own if day - 28 * DAY <= self.day(c.started_at) < day]
            found[line, day] = {
                "attempts": len(here),
                "answered": sum(bool(c.is_answered) for c in here),
                "connected": sum(bool(c.is_connected) for c in here),
                "baseline_attempts": len(before),
                "baseline_connected": sum(bool(c.is_connected) for c in before),
                "baseline_connection_ratio": ratio(
                    sum(bool(c.is_connected) for c in before), len(before)
                ),
            }
        return found

    # Demands

    def is_deleted(self, demand: str) -> bool:
        return self.versions["demands"][(demand,)][-1]["deleted_at"] is not None

    def stages(self, demand: str) -> list[Record]:
        """Stage intervals: entered at the first version that shows the stage."""
        found: list[Record] = []
        for version in self.versions["demands"][(demand,)]:
            if found and version["deleted_at"]:
                found[-1]["left_at"] = version["updated_at"]
            if found and found[-1]["stage"] == version["stage"]:
                continue
            entered, censored = version["updated_at"], False
            if not found:
                if version["stage"] == "new" and version["created_at"]:
                    entered = version["created_at"]
                elif version["stage"] in ("won", "lost") and version["closed_at"]:
                    entered = version["closed_at"]
                else:
                    censored = True
            if found:
                found[-1]["left_at"] = entered
            found.append(
                {
                    "stage": version["stage"],
                    "entered_at": entered,
                    "left_at": None,
                    "censored": censored,
                }
            )
        return found

    def demand_state(self, demand: str) -> Record:
        """Staleness in days, and whether the next action is overdue."""
        now = self.versions["demands"][(demand,)][-1]
        customer = self.survivor(now["customer_id"])
        talks = [
            call.started_at
            for call in self.calls.values()
            if call.customer_id == customer and call.is_connected
        ]
        newest = max([now["updated_at"], *talks])
        due = now["next_action_due_at"]
        return {
            "staleness_days": (self.as_of_at - newest) / DAY,
            "is_overdue": due is not None
            and due < self.as_of_at
            and now["stage"] not in ("won", "lost")
            and now["updated_at"] <= due
            and not any(call.started_at >= due for call in self.attempts_to(customer)),
        }

    def funnel(self) -> dict[tuple[str, str, str | None, date], Record]:
        """Stage, product, campaign and week of entry."""
        found: dict[Any, Record] = defaultdict(lambda: defaultdict(list))
        for (demand,), versions in self.versions["demands"].items():
            stages = self.stages(demand)
            for number, stage in enumerate(stages):
                at = stage["entered_at"]
                before = [
                    call
                    for call in self.attempts_to(self.survivor(versions[-1]["customer_id"]))
                    if at - 30 * DAY <= call.started_at <= at
                ]
                day = self.day(at)
                key = (
                    stage["stage"],
                    versions[-1]["product"],
                    before[-1].campaign_id if before else None,
                    day - day.weekday() * DAY,
                )
                later = [other["stage"] for other in stages[number:]]
                row = found[key]
                row["entered"].append(demand)
                row["won"].append("won" in later)
                row["lost"].append("lost" in later and "won" not in later)
                if stage["left_at"]:
                    row["days"].append((stage["left_at"] - at) / DAY)
        return {
            key: {
                "entered": len(set(row["entered"])),
                "won": sum(row["won"]),
                "lost": sum(row["lost"]),
                "conversion_ratio": ratio(sum(row["won"]), len(row["entered"])),
                "completed": len(row["days"]),
                "median_days": statistics.median(row["days"]) if row["days"] else None,
            }
            for key, row in found.items()
        }

    def freshness(self) -> dict[str, Record]:
        """Rows delivered by entity."""
        return {
            entity: {
                "rows_loaded": len(rows_of(entity)),
                "newest_delivered_on": max((row.day for row in rows_of(entity)), default=FIRST_DAY),
            }
            for entity in ENTITIES
        }
