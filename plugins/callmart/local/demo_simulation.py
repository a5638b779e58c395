"""A call centre's days: who calls whom when, what comes of it, and what is heard.

Time is whole seconds since the first midnight in the business time zone, so that calls, agent
states and recordings agree to the second. Everything follows from the seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from callmart.local.demo_dialogue import (
    Dice,
    Scene,
    Speaker,
    hear_fax,
    hear_machine,
    hear_music,
    hear_nobody_join,
    hear_tone,
    hold_talk,
    load,
    make_speaker,
)
from callmart.local.demo_sounds import CUSTOMER, Part, level, music

Row = dict[str, Any]

DAY = 86_400
_RINGING = {
    "human",
    "voicemail",
    "ivr",
    "silence",
    "music",
    "fax",
    "no_answer",
    "rejected",
    "cancelled",
}
_ANSWERED = {"human", "voicemail", "ivr", "silence", "music", "fax"}
# A stage may only move to the right by a call; won and lost end it.
_STAGES = ("new", "contacted", "interested", "quoted", "negotiating", "won", "lost")
_STAGE_BY_RESULT = {
    "won": "won",
    "quoted": "quoted",
    "interested": "interested",
    "negotiating": "negotiating",
    "callback": "contacted",
    "objection": "contacted",
    "refused": "lost",
    "stop": "lost",
}
_TEMPERS = {
    "warm": {
        "won": 2.2,
        "quoted": 2,
        "interested": 2.2,
        "negotiating": 2,
        "stop": 0,
        "refused": 0.2,
    },
    "plain": {"stop": 0.3},
    "busy": {"callback": 3, "refused": 1.5, "won": 0.3},
    "cross": {"stop": 7, "complaint": 7, "refused": 2, "won": 0, "interested": 0.2, "quoted": 0.3},
    "low": {"objection": 2, "won": 0.1, "interested": 0.3},
}


@dataclass
class Customer:
    """A customer and what the centre has done with them so far."""

    row: Row
    language: str
    country: str
    temper: str
    reach: float
    speaker: Speaker
    campaign_id: str
    owner: str
    demand: Row | None
    first_demand: Row | None = None
    demand_versions: list[Row] = field(default_factory=list)
    later_versions: list[Row] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    streak_line: str | None = None
    streak: int = 0
    missed: bool = False
    callback_due: bool = False


@dataclass
class Call:
    """One call: its CRM row, its route, and what a recording of it would hold."""

    row: Row
    starts: int
    outcome: str
    customer: Customer | None
    agent_id: str | None
    route: list[Row] = field(default_factory=list)
    scene: Scene | None = None
    recording_starts: int | None = None
    ring_in_file: float = 0.0
    acceptable: str = ""
    note: str = ""
    tone_country: str = ""
    call_id: str = ""


@dataclass
class Centre:
    """Everything that happened, ready to be written down."""

    zone: ZoneInfo
    first_day: date
    days: int
    customers: list[Customer]
    calls: list[Call]
    states: list[Row]
    schedules: list[Row]
    complaints: list[Row]
    number_marks: list[Row]

    def at(self, seconds: int) -> datetime:
        midnight = datetime.combine(self.first_day, datetime.min.time(), self.zone)
        return midnight + timedelta(seconds=seconds)


def _clock(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


class Simulation:
    """Runs the days of the centre described in `demo_centre.yaml`.

    Args:
        dice: the only source of chance.
        days: how many of the configured days, from the first.
        scale: of attempts and customers; 1 is the full centre.
    """

    def __init__(self, dice: Dice, days: int, scale: float) -> None:
        self.config: Any = load("centre")
        self.scripts: Any = load("scripts")
        self.dice = dice
        self.days = days
        self.scale = scale
        self.zone = ZoneInfo(self.config["business_time_zone"])
        self.first_day = date.fromisoformat(str(self.config["dates"][0]))
        self.campaigns = {row["campaign_id"]: row for row in self.config["campaigns"]}
        self.lines = {row["line_id"]: row for row in self.config["lines"]}
        self.calls: list[Call] = []
        self.states: list[Row] = []
        self.schedules: list[Row] = []
        self.complaints: list[Row] = []
        self.speakers = {
            row["agent_id"]: make_speaker(
                dice, "en" if row["team"] == "overseas" else "zh", row["gender"]
            )
            for row in self.config["agents"]
        }
        self.agents = {row["agent_id"]: row for row in self.config["agents"]}
        self.customers = self._make_customers()

    def run(self, on_day: Callable[[int], None] | None = None) -> Centre:
        """All days, agent by agent; `on_day` is told the number of days done."""
        for day in range(self.days):
            for team in self.config["teams"]:
                self._run_team(day, team)
            if on_day is not None:
                on_day(day + 1)
        self._name_calls()
        self._end_nights()
        return Centre(
            self.zone, self.first_day, self.days, self.customers, self.calls, self.states,
            self.schedules, self.complaints, self._mark_numbers(),
        )  # fmt: skip

    def at(self, seconds: int) -> datetime:
        midnight = datetime.combine(self.first_day, datetime.min.time(), self.zone)
        return midnight + timedelta(seconds=seconds)

    # --- people -----------------------------------------------------------------------------------

    def _make_customers(self) -> list[Customer]:
        dice, config = self.dice, self.config
        customers: list[Customer] = []
        owners = {
            team["team"]: [a["agent_id"] for a in config["agents"] if a["team"] == team["team"]]
            for team in config["teams"]
        }
        for language, wanted in config["customers"].items():
            teams = [team for team in config["teams"] if team["language"] == language]
            for index in range(max(4 * len(teams), round(wanted * self.scale))):
                number = len(customers) + 1
                team = teams[index % len(teams)]
                regions = config["regions"][language]
                # Every team and every agent has customers of every region.
                place = index // len(teams)
                region = regions[(place + place // 4) % len(regions)]
                country = "CN" if language == "zh" else region
                owner = owners[team["team"]][index // len(teams) % 4]
                created = self.at(-dice.whole(5, 400) * DAY + dice.whole(32_400, 64_800))
                row: Row = {
                    "customer_id": f"C-{number:04d}",
                    "name": self._name(language),
                    "phone": self._phone(country, number),
                    "region": region,
                    "time_zone": config["regions"]["zones"].get(region, ""),
                    "language": "zh-CN" if language == "zh" else "en",
                    "segment": dice.weighted({"standard": 0.7, "silver": 0.2, "gold": 0.1}),
                    "source": dice.weighted({"website": 5, "referral": 2, "exhibition": 1}),
                    "owner_agent_id": owner,
                    "consent_status": dice.weighted(
                        {"granted": 0.9, "unknown": 0.06, "refused": 0.02, "withdrawn": 0.02}
                    ),
                    "do_not_call": dice.chance(0.02),
                    "created_at": created,
                    "updated_at": created,
                }
                temper = dice.weighted(
                    {"warm": 28, "plain": 32, "busy": 15, "cross": 14, "low": 14}
                )
                campaign = team["campaign_id"]
                customers.append(
                    Customer(
                        row=row,
                        language=language,
                        country=country,
                        temper=temper,
                        reach=dice.between(0.55, 1.5),
                        speaker=make_speaker(dice, language, dice.pick(["female", "male"])),
                        campaign_id=campaign,
                        owner=owner,
                        demand=self._demand(number, row, campaign) if dice.chance(0.8) else None,
                    )
                )
                made = customers[-1]
                made.first_demand = dict(made.demand) if made.demand else None
        return customers

    def _name(self, language: str) -> str:
        if language == "zh":
            given = self.config["surnames"]["given"]
            name = f"{self.dice.pick(self.config['surnames']['zh'])}{self.dice.pick(given)}"
            return f"{name}{self.dice.pick(given)}" if self.dice.chance(0.6) else name
        names = self.config["english_names"]
        return f"{self.dice.pick(names['first'])} {self.dice.pick(names['last'])}"

    @staticmethod
    def _phone(country: str, number: int) -> str:
        if country == "GB":
            return f"+442079460{number:03d}"
        if country == "US":
            return f"+1212555{100 + number % 100:04d}"
        return f"+86100{number:08d}"

    def _demand(self, number: int, customer: Row, campaign: str) -> Row:
        dice = self.dice
        product = self.campaigns[campaign]["product"]
        created = self.at(-dice.whole(2, 40) * DAY + dice.whole(32_400, 64_800))
        stage = dice.weighted(
            {
                "new": 45,
                "contacted": 25,
                "interested": 13,
                "quoted": 9,
                "negotiating": 4,
                "dormant": 4,
            }
        )
        value = dice.whole(8, 60) * 100
        return {
            "demand_id": f"D-{number:04d}",
            "customer_id": customer["customer_id"],
            "product": product,
            "stage": stage,
            "expected_value": value,
            "currency": self.scripts["products"][product]["currency"],
            "budget": value + dice.whole(-5, 10) * 50,
            "decision_role": dice.weighted({"decides": 6, "advises": 3, "": 1}),
            "need_by_date": (self.first_day + timedelta(days=dice.whole(3, 60))).isoformat(),
            "next_action": "",
            "next_action_due_at": None,
            "owner_agent_id": customer["owner_agent_id"],
            "created_at": created,
            "closed_at": None,
            "close_reason": "",
            "custom_contract_ends_on": (
                self.first_day + timedelta(days=dice.whole(-30, 300))
            ).isoformat(),
            "custom_household_size": dice.whole(1, 5),
            "updated_at": created
            if stage == "new"
            else created + timedelta(hours=dice.whole(1, 40)),
        }

    # --- an agent's day ---------------------------------------------------------------------------

    def _run_team(self, day: int, team: Row) -> None:
        members = [a["agent_id"] for a in self.config["agents"] if a["team"] == team["team"]]
        off = members[(day + 3) % len(members)]
        on_duty = [agent for agent in members if agent != off][: team["on_duty"]]
        for index, agent_id in enumerate(on_duty):
            shift = team["shifts"][index % len(team["shifts"])]
            pool = [
                customer
                for number, customer in enumerate(self.customers)
                if customer.campaign_id == team["campaign_id"]
                and (
                    customer.owner == agent_id
                    or (customer.owner not in on_duty and number % len(on_duty) == index)
                )
            ]
            self._run_shift(day, team, agent_id, shift, pool)

    def _pauses(self, day: int, shift: Row, agent_id: str) -> list[tuple[str, int, int, str]]:
        """(activity, from, to, reason) of a shift, in order, seconds of the simulation."""
        midnight = day * DAY
        pauses = [
            ("break", _clock(shift["break"]), 15 * 60, "tea"),
            ("meal", _clock(shift["meal"]), 45 * 60, ""),
        ]
        number = int(agent_id[-1])
        if day % 3 == 0 and number % 2 == 1:
            pauses.append(("meeting", _clock(shift["from"]), 20 * 60, "weekly meeting"))
        if day % 3 == 2 and number == 3:
            pauses.append(("training", _clock(shift["to"]) - 3600, 40 * 60, "new products"))
        return sorted(
            ((kind, midnight + start, midnight + start + length, reason)
             for kind, start, length, reason in pauses),
            key=lambda pause: pause[1],
        )  # fmt: skip

    def _run_shift(
        self, day: int, team: Row, agent_id: str, shift: Row, pool: list[Customer]
    ) -> None:
        dice = self.dice
        starts, ends = (day * DAY + _clock(shift[name]) for name in ("from", "to"))
        pauses = self._pauses(day, shift, agent_id)
        self._schedule(agent_id, starts, ends, pauses)
        paused = sum(end - start for _, start, end, _ in pauses)
        attempts = max(3.0, self.config["attempts_per_agent_day"] * self.scale)
        mean_gap = max(25.0, (ends - starts - paused) / attempts - 120)
        work = _Timeline(agent_id, starts + dice.whole(0, 90), self.states)
        for kind, pause_starts, pause_ends, reason in [*pauses, ("offline", ends, ends, "")]:
            while True:
                dial_at = work.free_from + max(3, round(dice.gamma(2.0, mean_gap)))
                if dial_at >= pause_starts - 40 or not pool:
                    break
                self._one_call(dial_at, team, agent_id, pool, work)
            # A call that runs on eats into the pause, as it does in life.
            begins = max(
                work.free_from, pause_starts + (dice.whole(0, 60) if kind != "offline" else 0)
            )
            work.wait(begins)
            if kind != "offline":
                work.add(kind, max(begins + 60, pause_ends + dice.whole(-20, 100)), reason=reason)
        work.log_off()

    def _schedule(
        self, agent_id: str, starts: int, ends: int, pauses: list[tuple[str, int, int, str]]
    ) -> None:
        def add(activity: str, start: int, end: int) -> None:
            if end > start:
                self.schedules.append(
                    {"agent_id": agent_id, "activity": activity, "starts_at": start, "ends_at": end}
                )

        at = starts
        for kind, pause_starts, pause_ends, _ in pauses:
            add("work", at, pause_starts)
            add(kind, pause_starts, pause_ends)
            at = pause_ends
        add("work", at, ends)

    # --- calls ------------------------------------------------------------------------------------

    def _one_call(
        self, starts: int, team: Row, agent_id: str, pool: list[Customer], work: _Timeline
    ) -> None:
        missed = [c for c in pool if c.missed and c.attempts and starts - c.attempts[-1] > 300]
        if missed and self.dice.chance(self.config["inbound_share"] * 1.6):
            self._inbound(starts, team, agent_id, self.dice.pick(missed), work)
            return
        customer = self._choose(starts, pool)
        if customer is None:
            work.free_from = starts
            return
        self._outbound(starts, team, agent_id, customer, work)

    def _choose(self, starts: int, pool: list[Customer]) -> Customer | None:
        """Whom to call: the rules are kept nearly always, the nearly being what the report finds."""
        weights: dict[str, float] = {}
        for index, customer in enumerate(pool):
            recent = [t for t in customer.attempts if t > starts - DAY]
            weight = 1.0
            if recent and starts - recent[-1] < 3600:
                weight = 0.0004
            if len(recent) >= 4:
                weight *= 0.004
            if customer.row["do_not_call"]:
                weight *= 0.002
            if customer.row["consent_status"] != "granted":
                weight *= 0.15
            if customer.demand and customer.demand["stage"] in ("won", "lost"):
                weight *= 0.25
            if customer.callback_due and recent and starts - recent[-1] > 4 * 3600:
                weight *= 6
            if customer.country == "US" and (starts % DAY) < 22 * 3600:
                weight *= 0.006
            if starts - (customer.attempts[-1] if customer.attempts else -DAY) < 180:
                weight = 0.0
            weights[str(index)] = weight
        if sum(weights.values()) <= 0:
            return None
        return pool[int(self.dice.weighted(weights))]

    def _line(self, customer: Customer) -> str:
        dice = self.dice
        if customer.campaign_id == "CMP-OVERSEAS":
            return "L-CN2" if dice.chance(0.04) else "L-INT1"
        if customer.campaign_id == "CMP-SINGLE":
            if customer.streak_line is None:
                return "L-CN1" if int(customer.row["customer_id"][-1]) % 3 else "L-CN2"
            return dice.pick(["L-CN1", "L-CN2"]) if dice.chance(0.03) else customer.streak_line
        if customer.streak >= 2 and not dice.chance(0.12):
            return "L-CN2" if customer.streak_line == "L-CN1" else "L-CN1"
        return customer.streak_line or dice.pick(["L-CN1", "L-CN2"])

    def _outcome(self, starts: int, customer: Customer, line_id: str) -> str:
        weights = dict(self.config["outcomes"])
        reach = customer.reach
        hour = starts % DAY // 3600
        if hour in (12, 13) and customer.language == "zh":
            reach *= 0.75
        if hour >= 17 and customer.language == "zh":
            reach *= 1.15
        # The second line has been marked by handset makers since the second day.
        if line_id == "L-CN2" and starts > DAY:
            reach *= 0.62
        weights["human"] *= reach
        outcome = self.dice.weighted(weights)
        if customer.language == "en":
            swap = {"switched_off": "unreachable", "out_of_service": "invalid_number"}
            outcome = swap.get(outcome, outcome)
        return outcome

    def _outbound(
        self, starts: int, team: Row, agent_id: str, customer: Customer, work: _Timeline
    ) -> None:
        dice = self.dice
        line_id = self._line(customer)
        outcome = self._outcome(starts, customer, line_id)
        predictive = self.campaigns[customer.campaign_id]["dial_mode"] == "predictive"
        dropped = predictive and outcome == "human" and dice.chance(0.07)
        recorded = dice.chance(self.config["recorded"][outcome])
        post_dial = dice.whole(1, 4)
        with_agent = not predictive or (outcome == "human" and not dropped)
        call = Call({}, starts, outcome, customer, agent_id if with_agent else None)
        row = call.row
        row.update(
            direction="outbound", campaign_id=customer.campaign_id,
            customer_id=customer.row["customer_id"], agent_id=call.agent_id, line_id=line_id,
            from_number=self.lines[line_id]["number"], to_number=customer.row["phone"],
            started_at=starts, ringing_at=None, answered_at=None, agent_joined_at=None,
            hold_seconds=None, queue="", list_id=f"LIST-{customer.row['source']}",
            recording_key="", agent_extension=self.agents[agent_id]["extension"] if with_agent else "",
        )  # fmt: skip
        row["sip_code"], row["q850_cause"] = self.config["signalling"][outcome]
        connects_at = starts + post_dial
        result: str | None = None
        talk_seconds = 0
        if outcome in _ANSWERED:
            ring = min(32, max(3, round(dice.gamma(3.0, 11 if outcome == "human" else 16))))
            answered = connects_at + ring
            joins = 0
            if predictive and not dropped:
                joins = 4 if dice.chance(0.05) else dice.whole(0, 1)
            scene, result = self._answered_scene(
                dice, call, outcome, recorded, customer, agent_id, joins, dropped
            )
            talk_seconds = math.ceil(scene.seconds)
            row.update(ringing_at=connects_at, answered_at=answered)
            if with_agent:
                row["agent_joined_at"] = answered + joins
            ended = answered + talk_seconds
            if recorded:
                self._record(
                    call, scene, connects_at, answered, ring, talk_seconds, customer, line_id
                )
        else:
            ended = self._unanswered(call, outcome, recorded, connects_at, customer)
        row["ended_at"] = ended
        row["hangup_by"] = self._hangup(outcome, predictive, dropped)
        row["disposition"] = self._disposition(outcome, result, dropped)
        wrap_up = max(8, round(dice.gamma(2.5, 62))) if result and with_agent else dice.whole(4, 14)
        row["wrap_up_seconds"] = wrap_up if with_agent else None
        if with_agent:
            self._work_call(call, work, ring_from=None if predictive else starts, wrap_up=wrap_up)
        else:
            # The dialler worked on; the agent stayed available.
            work.free_from = ended
        customer.attempts.append(starts)
        connected = outcome == "human"
        customer.missed = not connected and outcome in (
            "no_answer",
            "busy",
            "rejected",
            "voicemail",
        )
        if connected or customer.streak_line != line_id:
            customer.streak = 0
        if customer.campaign_id != "CMP-SINGLE" or customer.streak_line is None:
            customer.streak_line = line_id
        if not connected:
            customer.streak += 1
        self.calls.append(call)
        if result:
            self._follow(call, customer, result, ended + wrap_up)

    def _answered_scene(
        self, dice: Dice, call: Call, outcome: str, recorded: bool, customer: Customer,
        agent_id: str, joins: int, dropped: bool,
    ) -> tuple[Scene, str | None]:  # fmt: skip
        """What follows the answer, with sound where it is recorded, and the result of a talk."""
        if outcome == "human" and not dropped:
            if recorded:
                talk = self._talk(customer, agent_id, joins, inbound=False)
                return talk, talk.result
            result = self._draw_result(customer, self.scripts["results"])
            median = self.config["talk_median_seconds"][result]
            return Scene(min(1500.0, 12 + dice.lognormal(median, 0.55))), result
        if dropped:
            return hear_nobody_join(dice, customer.speaker, customer.language), None
        if outcome in ("voicemail", "ivr"):
            return hear_machine(dice, self._machine(outcome, customer.language)), None
        if outcome == "fax":
            return hear_fax(dice), None
        if outcome == "music":
            return hear_music(dice, dice.between(12, 25)), None
        return Scene(dice.between(8, 14)), None

    def _talk(self, customer: Customer, agent_id: str, joins: int, inbound: bool) -> Scene:
        dialogues = {
            dialogue["id"]: dialogue
            for dialogue in self.scripts["dialogues"]
            if dialogue["language"] == customer.language
        }
        likely = {
            name: self.scripts["results"][dialogue["result"]]
            * self._leaning(customer, dialogue["result"])
            * (1.0 if dialogue["moods"]["c"] != "sad" else 3.0 if customer.temper == "low" else 0.4)
            for name, dialogue in dialogues.items()
        }
        return hold_talk(
            self.dice,
            dialogues[self.dice.weighted(likely)],
            agent=self.speakers[agent_id],
            customer=customer.speaker,
            agent_name=self.agents[agent_id]["spoken"],
            product=self.campaigns[customer.campaign_id]["product"],
            agent_joins=joins,
            inbound=inbound,
        )

    def _leaning(self, customer: Customer, result: str) -> float:
        weight = float(_TEMPERS[customer.temper].get(result, 1.0))
        stage = customer.demand["stage"] if customer.demand else "new"
        if result in ("won", "negotiating") and stage not in (
            "interested",
            "quoted",
            "negotiating",
        ):
            weight *= 0.2
        if result == "won" and stage == "won":
            weight = 0.0
        return weight

    def _draw_result(self, customer: Customer, base: Row) -> str:
        return self.dice.weighted(
            {result: weight * self._leaning(customer, result) for result, weight in base.items()}
        )

    def _machine(self, outcome: str, language: str) -> Row:
        machines: list[Row] = [
            machine
            for machine in self.scripts["machines"]
            if machine["outcome"] == outcome and machine["language"] == language
        ]
        return self.dice.pick(machines)

    def _record(
        self, call: Call, scene: Scene, connects_at: int, answered: int, ring: int,
        talk_seconds: int, customer: Customer, line_id: str,
    ) -> None:  # fmt: skip
        """Two recorders in three start with the ringing, the rest with the answer."""
        dice = self.dice
        call.tone_country = customer.country
        if not dice.chance(0.66):
            call.recording_starts = answered
            call.scene = _lasting(scene, talk_seconds)
            call.tone_country = ""
            return
        if customer.country == "CN" and dice.chance(0.35):
            part = Part(CUSTOMER, 0.0, music(ring, dice.whole(0, 8)), level(dice.between(-22, -16)))
            call.note = "colour ring-back before the answer"
            if call.outcome == "silence":
                call.acceptable = "music"
        else:
            part = hear_tone(dice, "ring", customer.country, ring).parts[0]
        call.recording_starts = connects_at
        call.ring_in_file = ring
        call.scene = _lasting(scene.delayed(ring, [part]), ring + talk_seconds)

    def _unanswered(
        self, call: Call, outcome: str, recorded: bool, connects_at: int, customer: Customer
    ) -> int:
        """Fill the row of a call that nobody took; returns when it ended."""
        dice, country = self.dice, customer.country
        if outcome == "no_answer":
            ring = dice.whole(6, 13) if dice.chance(0.06) else dice.whole(18, 45)
            call.row["ringing_at"] = connects_at
            ended = connects_at + ring
            if recorded:
                kind = dice.weighted({"tone": 6, "announced": 3, "colour": 1.5})
                call.tone_country, call.ring_in_file = country, ring
                if kind == "announced" and country == "CN":
                    words = hear_machine(dice, self._machine("no_answer", "zh"))
                    tail = math.ceil(words.seconds)
                    ringing = hear_tone(dice, "ring", country, ring).parts
                    scene = words.delayed(ring, ringing)
                    ended += tail
                    call.acceptable, call.note = "ivr", "announcement after ringing"
                elif kind == "colour" and country == "CN":
                    scene = hear_music(dice, ring)
                    call.acceptable = "music"
                    call.note = "colour ring-back only: without signalling it is music"
                else:
                    scene = hear_tone(dice, "ring", country, ring)
                call.scene = _lasting(scene, ended - connects_at)
                call.recording_starts = connects_at
            return ended
        if outcome in _RINGING:
            call.row["ringing_at"] = connects_at
            return connects_at + dice.whole(3, 18)
        seconds = dice.whole(6, 12)
        if recorded:
            call.recording_starts = connects_at
            scene = self._network_sound(call, outcome, customer, seconds)
            seconds = math.ceil(scene.seconds)
            call.scene = _lasting(scene, seconds)
        return connects_at + seconds

    def _network_sound(self, call: Call, outcome: str, customer: Customer, seconds: int) -> Scene:
        """What the network plays for a call that cannot be put through."""
        dice = self.dice
        machines = [
            machine
            for machine in self.scripts["machines"]
            if machine["outcome"] == outcome and machine["language"] == customer.language
        ]
        spoken = {"busy": 0.3, "congestion": 0.5, "invalid_number": 0.75}.get(outcome, 1.0)
        if machines and dice.chance(spoken):
            machine = dice.pick(machines)
            if machine.get("tone") == "sit":
                call.note = "special information tone, then the announcement"
            else:
                call.acceptable, call.note = "ivr", "announcement of the network"
            return hear_machine(dice, machine)
        call.tone_country = customer.country
        if outcome == "invalid_number":
            if customer.country == "CN":
                return hear_tone(dice, "vacant", "CN", seconds)
            return hear_machine(dice, self._machine("invalid_number", "en"))
        return hear_tone(dice, outcome, customer.country, seconds)

    def _hangup(self, outcome: str, predictive: bool, dropped: bool) -> str:
        if outcome == "human":
            return "customer" if dropped or self.dice.chance(0.55) else "agent"
        if outcome in ("no_answer", "cancelled") or outcome in _ANSWERED:
            return "dialler" if predictive else "agent"
        return "customer" if outcome == "rejected" else "network"

    def _disposition(self, outcome: str, result: str | None, dropped: bool) -> str:
        if dropped:
            return "坐席未接入"
        if result:
            return str(self.config["result_dispositions"][result])
        mistaken = self.config["mistaken_disposition_ratio"]
        if outcome in ("voicemail", "ivr") and self.dice.chance(mistaken):
            return "已接通"
        return str(self.config["outcome_dispositions"][outcome])

    def _work_call(self, call: Call, work: _Timeline, ring_from: int | None, wrap_up: int) -> None:
        """The agent's states through one call, and the hold that some talks have."""
        row = call.row
        begins = row["agent_joined_at"] if ring_from is None else ring_from
        work.wait(begins)
        joined, ended = row["agent_joined_at"], row["ended_at"]
        if joined is None:
            work.add("ringing", ended, call=call)
        else:
            work.add("ringing", joined, call=call)
            row["hold_seconds"] = 0
            talk = ended - joined
            if call.scene is None and talk > 150 and self.dice.chance(0.18):
                hold = self.dice.whole(12, 45)
                held_from = joined + talk // 2
                work.add("talking", held_from, call=call)
                work.add("holding", held_from + hold, call=call)
                row["hold_seconds"] = hold
            work.add("talking", ended, call=call)
        work.add("wrap_up", ended + wrap_up, call=call)

    def _inbound(
        self, starts: int, team: Row, agent_id: str, customer: Customer, work: _Timeline
    ) -> None:
        dice = self.dice
        gives_up = dice.chance(0.16)
        recorded = not gives_up and dice.chance(0.25)
        call = Call({}, starts, "human", customer, None if gives_up else agent_id)
        in_menu = starts + 2
        queued = in_menu + dice.whole(8, 20)
        left = queued + (dice.whole(2, 60) if gives_up else round(dice.gamma(1.6, 12)) + 2)
        gold = customer.row["segment"] == "gold"
        queue = "vip" if gold and not dice.chance(0.25) else "support"
        row = call.row
        row.update(
            direction="inbound", campaign_id=None, customer_id=customer.row["customer_id"],
            agent_id=call.agent_id, line_id="L-IN1", from_number=customer.row["phone"],
            to_number=self.lines["L-IN1"]["number"], started_at=starts, ringing_at=starts,
            answered_at=in_menu, agent_joined_at=None, hold_seconds=None, queue=queue, list_id="",
            sip_code=200, q850_cause=16, recording_key="",
            agent_extension="" if gives_up else self.agents[agent_id]["extension"],
        )  # fmt: skip
        steps = [
            ("line", "L-IN1", "", "", starts, in_menu, "answered"),
            ("ivr", "", "", dice.pick(["1", "2"]), in_menu, queued, "to queue"),
            ("queue", "", queue, "", queued, left, "abandoned" if gives_up else "to agent"),
        ]
        customer.missed = False
        if gives_up:
            row.update(
                ended_at=left, disposition="排队放弃", hangup_by="customer", wrap_up_seconds=None
            )
            steps.append(("abandon", "", queue, "", left, left, "gave up"))
            if dice.chance(0.4):
                steps[-1] = ("callback", "", queue, "", left, left, "asked for a call back")
                customer.callback_due = True
            work.free_from = starts
        else:
            result: str
            if recorded:
                scene = self._talk(customer, agent_id, 0, inbound=True)
                result = scene.result or "interested"
                call.scene = _lasting(scene, math.ceil(scene.seconds))
                call.recording_starts = left
                seconds = math.ceil(scene.seconds)
            else:
                result = self._draw_result(customer, self.scripts["results"])
                seconds = round(20 + dice.lognormal(170, 0.6))
            wrap_up = max(8, round(dice.gamma(2.5, 40)))
            row.update(
                agent_joined_at=left, ended_at=left + seconds, wrap_up_seconds=wrap_up,
                disposition=self.config["result_dispositions"][result],
                hangup_by="customer" if dice.chance(0.6) else "agent",
            )  # fmt: skip
            steps.append(("agent", "", "", "", left, left + seconds, "talked"))
            self._work_call(call, work, ring_from=max(work.free_from, left - 3), wrap_up=wrap_up)
            self._follow(call, customer, result, left + seconds + wrap_up)
        keys = ("step_type", "line_id", "queue", "choice", "entered_at", "left_at", "outcome")
        call.route = [
            {"step_no": number, **dict(zip(keys, step, strict=True))}
            for number, step in enumerate(steps, 1)
        ]
        self.calls.append(call)

    # --- what a talk leads to ---------------------------------------------------------------------

    def _follow(self, call: Call, customer: Customer, result: str, at: int) -> None:
        customer.callback_due = result == "callback"
        if result == "stop":
            customer.row["do_not_call"] = True
            version = {**customer.row, "consent_status": "withdrawn", "updated_at": self.at(at)}
            customer.row.update(consent_status="withdrawn")
            customer.later_versions.append(version)
        if result == "complaint" or (result == "stop" and self.dice.chance(0.3)):
            self.complaints.append(
                {"call": call, "customer_id": customer.row["customer_id"],
                 "category": "service" if result == "complaint" else "too many calls",
                 "severity": "major" if result == "complaint" else "minor",
                 "received_at": at + self.dice.whole(300, 5000),
                 "resolved_at": at + self.dice.whole(20_000, 60_000) if self.dice.chance(0.5) else None}
            )  # fmt: skip
        demand = customer.demand
        stage = _STAGE_BY_RESULT.get(result)
        if demand is None or stage is None:
            return
        if self.dice.chance(0.04) and result in ("won", "quoted"):
            stage = "lost"  # the agent filed what the customer did not say
        now = demand["stage"]
        if now in ("won", "lost"):
            if stage in ("won", "lost") or call.row["direction"] == "outbound":
                return
            stage = "reopened"
        elif now in _STAGES and _STAGES.index(stage) <= _STAGES.index(now) and result != "callback":
            return
        elif now in _STAGES and _STAGES.index(stage) <= _STAGES.index(now):
            stage = now
        demand.update(
            stage=stage,
            next_action={"callback": "回拨", "quoted": "跟进报价", "interested": "发送资料"}.get(
                result, ""
            ),
            next_action_due_at=(
                self.at((at // DAY + 1) * DAY + 15 * 3600)
                if result in ("callback", "quoted")
                else None
            ),
            closed_at=self.at(at) if stage in ("won", "lost") else None,
            close_reason={"won": "signed", "lost": "not interested"}.get(stage, ""),
            updated_at=self.at(at),
        )
        customer.demand_versions.append(dict(demand))

    def _mark_numbers(self) -> list[Row]:
        marks: list[Row] = []
        for line_id, line in self.lines.items():
            for day in range(self.days):
                marked = "telesales" if line_id == "L-CN2" and day >= 1 else "clean"
                marks.append(
                    {"number": line["number"], "marked_as": marked, "marker": "handset maker 1",
                     "observed_at": day * DAY + 8 * 3600}
                )  # fmt: skip
        return marks

    def _end_nights(self) -> None:
        """An agent is offline until the next log-on; after the last one nobody says until when."""
        for agent_id in self.agents:
            mine = [state for state in self.states if state["agent_id"] == agent_id]
            for state, following in itertools.pairwise(mine):
                if state["state"] == "offline":
                    state["ended_at"] = following["started_at"]

    def _name_calls(self) -> None:
        """Ids in order of start, in the two shapes of the two exchanges."""
        self.calls.sort(key=lambda call: (call.starts, str(call.agent_id)))
        for number, call in enumerate(self.calls, 1):
            moment = self.at(call.starts)
            overseas = call.customer is not None and call.customer.campaign_id == "CMP-OVERSEAS"
            if overseas:
                call.call_id = f"{int(moment.timestamp())}.{number}@pbx-2"
            else:
                call.call_id = f"C-{moment:%Y%m%d}-{number:04d}"
            call.row["call_id"] = call.call_id


def _lasting(scene: Scene, seconds: float) -> Scene:
    """The scene padded (with the noise of the line) to a length in whole seconds."""
    return replace(scene, seconds=float(seconds))


class _Timeline:
    """One agent's states, without gap or overlap; `free_from` is where the last one ends."""

    def __init__(self, agent_id: str, starts: int, states: list[Row]) -> None:
        self._agent_id = agent_id
        self._states = states
        self._recorded_to = starts
        self.free_from = starts

    def wait(self, until: int) -> None:
        """Available until then."""
        self.add("available", until)

    def add(self, state: str, until: int, call: Call | None = None, reason: str = "") -> None:
        if until > self._recorded_to:
            self._states.append(
                {"agent_id": self._agent_id, "state": state, "started_at": self._recorded_to,
                 "ended_at": until, "call": call, "reason": reason}
            )  # fmt: skip
            self._recorded_to = until
        self.free_from = max(self.free_from, self._recorded_to)

    def log_off(self) -> None:
        """Offline until the next log-on, which is not known yet."""
        self._states.append(
            {"agent_id": self._agent_id, "state": "offline", "started_at": self._recorded_to,
             "ended_at": None, "call": None, "reason": ""}
        )  # fmt: skip
