"""A bank's call log as docs/source_mappings.md shows it, made up with all its traps, and what it says."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from callmart.settings import PROJECT_ROOT

HEADER = (
    "vru+line call_id customer_id priority type date vru_entry vru_exit vru_time q_start q_exit q_time"
    " outcome ser_start ser_exit ser_time server"
)
SERVERS = ("TOVA", "MICHAL", "AVI", "ZOHARI", "BENSION", "YITZ")
TYPES = ("PS", "PS", "PS", "NW", "NE", "IN", "PE", "TT")


def mapping() -> str:
    """The mapping that the page gives."""
    page = (PROJECT_ROOT / "docs" / "source_mappings.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```yaml\n(source: bank\n.*?)```", page, re.DOTALL)
    return str(found)


def example() -> str:
    """The four lines that the page shows."""
    page = (PROJECT_ROOT / "docs" / "source_mappings.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```text\n(vru\+line.*?)```", page, re.DOTALL)
    return str(found)


@dataclass(frozen=True)
class BankCall:
    """One call of the log, in seconds after its start."""

    start: datetime
    line: str
    call_id: int
    customer_id: int
    type: str
    vru_seconds: int
    wait_seconds: int
    outcome: str
    talk_seconds: int
    server: str

    @property
    def is_queued(self) -> bool:
        return self.wait_seconds > 0 or self.outcome == "AGENT"

    @property
    def end(self) -> datetime:
        seconds = self.vru_seconds + self.wait_seconds + self.talk_seconds
        return self.start + timedelta(seconds=seconds)

    def line_of_log(self, separator: str) -> str:
        through = self.start + timedelta(seconds=self.vru_seconds)
        joined = through + timedelta(seconds=self.wait_seconds)
        waited = self.wait_seconds > 0
        served = self.outcome == "AGENT"
        fields = (
            self.line, self.call_id, self.customer_id, 2 if self.customer_id else 0, self.type,
            f"{self.start:%y%m%d}", clock(self.start), clock(through), self.vru_seconds,
            clock(through) if waited else "0:00:00", clock(joined) if waited else "0:00:00",
            self.wait_seconds, self.outcome, clock(joined) if served else "0:00:00",
            clock(self.end) if served else "0:00:00", self.talk_seconds, self.server,
        )  # fmt: skip
        return separator.join(str(one) for one in fields)


def clock(moment: datetime) -> str:
    return f"{moment.hour}:{moment:%M:%S}"


@dataclass
class BankLog:
    """Files of the log, what they say, and the lines that are broken."""

    files: dict[str, str] = field(default_factory=dict)
    """Name → text; each with a header."""
    calls: list[BankCall] = field(default_factory=list)
    broken: int = 0


def make_bank_log(lines: int, first: date, days: int, seed: int = 7) -> BankLog:
    """A log of that many lines; about one in 500 is broken, the others are calls, no two alike."""
    dice = random.Random(seed)
    log = BankLog()
    texts: dict[str, list[str]] = {}
    seen: set[tuple[str, int, datetime]] = set()
    while len(log.calls) + log.broken < lines:
        day = first + timedelta(days=dice.randrange(days))
        # Late evening is busy, so that many calls go over midnight.
        second = dice.choice(
            (dice.randrange(86400), 86400 - 1 - int(dice.expovariate(1 / 600)) % 3600)
        )
        start = datetime.combine(day, time()) + timedelta(seconds=second)
        outcome = dice.choices(("AGENT", "HANG", "PHANTOM"), (78, 19, 3))[0]
        waits = dice.random() < 0.6
        wait = int(dice.expovariate(1 / 60)) if waits and outcome != "PHANTOM" else 0
        call = BankCall(
            start=start,
            line=f"AA0{dice.randrange(1, 7)}{dice.randrange(1, 17):02d}",
            call_id=dice.randrange(30000, 36000),  # come again
            customer_id=dice.choice((0, dice.randrange(1, 10**8))),
            type=dice.choice(TYPES),
            vru_seconds=dice.randrange(0, 40),
            wait_seconds=wait,
            outcome=outcome,
            talk_seconds=1 + int(dice.expovariate(1 / 180)) if outcome == "AGENT" else 0,
            server=dice.choice(SERVERS) if outcome == "AGENT" else "NO_SERVER",
        )
        key = (call.line, call.call_id, start)
        if key in seen:
            continue
        seen.add(key)
        name = f"{day:%B}".lower()
        separator = dice.choice(("\t", " ", "   ", "\t "))
        text = call.line_of_log(separator)
        if dice.random() < 1 / 500:
            text = dice.choice(
                (text.rsplit(separator, 1)[0], text.replace(f"{start:%y%m%d}", "991399"))
            )
            log.broken += 1
        else:
            log.calls.append(call)
        texts.setdefault(name, []).append(text)
    for name, found in texts.items():
        log.files[name] = "\n".join(["# exported", HEADER, *found]) + "\n"
    return log
