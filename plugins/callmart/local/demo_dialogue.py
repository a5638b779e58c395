"""What is heard in one call of the demo day: who says what, when, how, and what rings before it.

Times are seconds from the moment the call was answered (a scene) or from the start of the file (a
recording). A scene is the written truth of its sound: levels, moods and starts are given, not measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np
import yaml

from callmart.local.demo_sounds import (
    AGENT,
    CUSTOMER,
    SAMPLING_RATE,
    Part,
    Signal,
    cadence,
    information_tone,
    level,
    music,
    tone,
)
from callmart.local.speech import Voice, Word, synthesiser

_T = TypeVar("_T")
_TURN = re.compile(r"^(?P<role>[ac])(?:\((?P<mood>\w+)\))?: (?P<text>.+)$")
_SPEECH_DECIBELS = -23.0


@lru_cache(maxsize=8)
def load(name: str) -> Any:
    """One of the demo's YAML files (`scripts`, `tones`, `centre`)."""
    text = (files("callmart.local") / f"demo_{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


class Dice:
    """Draws that follow from a seed alone."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def chance(self, probability: float) -> bool:
        return bool(self._random.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self._random.uniform(low, high))

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self._random.integers(low, high + 1))

    def gamma(self, shape: float, mean: float) -> float:
        return float(self._random.gamma(shape, mean / shape))

    def lognormal(self, median: float, sigma: float) -> float:
        return float(median * np.exp(self._random.normal(0.0, sigma)))

    def pick(self, items: Sequence[_T]) -> _T:
        return items[int(self._random.integers(len(items)))]

    def weighted(self, weights: Mapping[str, float]) -> str:
        names = list(weights)
        values = np.array([max(0.0, weights[name]) for name in names])
        return names[int(self._random.choice(len(names), p=values / values.sum()))]


@dataclass(frozen=True)
class Speaker:
    """A person's own way of speaking, before any mood."""

    voice: str
    rate: int
    pitch: int
    pitch_range: int
    decibels: float


@dataclass(frozen=True)
class Spoken:
    """One turn: `role` said `text` from `start` to `end` seconds."""

    role: str
    start: float
    end: float
    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Scene:
    """Everything heard in a stretch of `seconds`; `spoken` is in order of time."""

    seconds: float
    parts: tuple[Part, ...] = ()
    spoken: tuple[Spoken, ...] = ()
    result: str | None = None
    customer_mood: str = ""
    agent_mood: str = ""
    said_rules: tuple[str, ...] = ()
    traps: tuple[str, ...] = ()
    missing_rules: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()

    def delayed(self, seconds: float, before: Sequence[Part] = ()) -> Scene:
        """The scene `seconds` later, with `before` in the time gained."""
        return replace(
            self,
            seconds=self.seconds + seconds,
            parts=(
                *before,
                *(replace(part, start_seconds=part.start_seconds + seconds) for part in self.parts),
            ),
            spoken=tuple(
                replace(turn, start=turn.start + seconds, end=turn.end + seconds)
                for turn in self.spoken
            ),
        )

    def first(self, role: str | None = None) -> float | None:
        """When the first word (of a role) is said."""
        starts = [turn.start for turn in self.spoken if role in (None, turn.role)]
        return min(starts) if starts else None


def make_speaker(dice: Dice, language: str, gender: str) -> Speaker:
    """A person: a voice of the language with a rate, pitch and loudness of its own."""
    voices = load("scripts")["voices"][language]
    return Speaker(
        voice=dice.pick(voices[gender]),
        rate=round(voices["rate"] * dice.between(0.92, 1.08)),
        pitch=dice.whole(40, 58),
        pitch_range=dice.whole(40, 60),
        decibels=dice.between(-2.5, 2.5),
    )


def _voice(speaker: Speaker, mood: str) -> tuple[Voice, float]:
    change = load("scripts")["moods"][mood]
    voice = Voice(
        name=speaker.voice,
        rate=round(speaker.rate * change["rate"]),
        pitch=min(99, max(0, speaker.pitch + change["pitch"])),
        pitch_range=min(99, max(0, speaker.pitch_range + change["range"])),
    )
    return voice, _SPEECH_DECIBELS + speaker.decibels + change["decibels"]


@dataclass
class _Stage:
    """A scene while it is being put together."""

    speakers: Mapping[str, Speaker]
    parts: list[Part] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    clock: float = 0.0

    def say(self, role: str, text: str, mood: str, gap: float) -> None:
        voice, decibels = _voice(self.speakers[role], mood)
        utterance = synthesiser().say(text, voice)
        start = max(0.0, self.clock + gap)
        rms = float(np.sqrt(np.mean(np.square(utterance.signal))))
        channel = AGENT if role == "agent" else CUSTOMER
        self.parts.append(Part(channel, start, utterance.signal, level(decibels) / rms))
        end = start + utterance.seconds
        self.spoken.append(Spoken(role, start, end, text, utterance.words))
        self.clock = max(self.clock, end)


def hold_talk(
    dice: Dice,
    dialogue: Mapping[str, Any],
    *,
    agent: Speaker,
    customer: Speaker,
    agent_name: str,
    product: str,
    agent_joins: float,
    inbound: bool,
) -> Scene:
    """A two-sided talk from the scripts; the agent is silent before `agent_joins` seconds."""
    scripts = load("scripts")
    language = dialogue["language"]
    slots = {
        "agent": agent_name,
        "company": scripts["company"][language],
        "product": scripts["products"][product][language],
        "price": scripts["products"][product]["price"][language],
    }
    moods = {"a": "neutral", "c": "neutral", **dialogue.get("moods", {})}
    if dice.chance(0.2):
        moods["a"] = "happy"
    elif dice.chance(0.05):
        moods["a"] = "angry"
    names = {"a": "agent", "c": "customer"}
    stage = _Stage({"agent": agent, "customer": customer})
    missing: tuple[str, ...] = ()
    if inbound:
        stage.clock = agent_joins
        opening = scripts["inbound_openings"][language]
        stage.say("agent", opening.format(**slots), moods["a"], dice.between(0.3, 0.9))
        request = dice.pick(scripts["inbound_requests"][language])
        stage.say("customer", request.format(**slots), "neutral", dice.between(0.3, 0.9))
    else:
        greeting = dice.pick(scripts["greetings"][language])
        stage.say("customer", greeting, "neutral", dice.between(0.3, 0.9))
        stage.clock = max(stage.clock, agent_joins)
        openings = scripts["openings"][language]
        chosen = dice.weighted({str(i): o["weight"] for i, o in enumerate(openings)})
        opening = openings[int(chosen)]
        missing = tuple(opening["missing"])
        # Most agents are there at once; some are still reading the screen.
        lag = dice.between(2.5, 4.0) if dice.chance(0.08) else dice.between(0.3, 1.0)
        stage.say("agent", opening["text"].format(**slots), moods["a"], lag)

    turns = [_TURN.match(turn) for turn in dialogue["turns"]]
    lines = [(m["role"], m["mood"], m["text"]) for m in turns if m is not None]
    if inbound and lines[0][0] == "c":
        lines = lines[1:]
    said: list[str] = []
    traps: list[str] = []
    if len(lines) >= 5:
        for _ in range(2):
            if not dice.chance(0.28):
                continue
            extra = dice.pick(scripts["insertions"][language])
            if extra["rule"] in said + traps:
                continue
            (said if extra["kind"] == "violation" else traps).append(extra["rule"])
            lines[-2:-2] = [("a", None, extra["a"]), ("c", None, extra["c"])]
    if dialogue["result"] == "stop":
        said.append("asks_to_stop")
    for role, mood, text in lines:
        mood = mood or moods[role]
        if role == "c" and mood == "angry" and dice.chance(0.6):
            gap = dice.between(-0.8, -0.2)
        elif dice.chance(0.06):
            gap = dice.between(3.2, 4.6)
        else:
            gap = dice.between(0.25, 1.0)
        stage.say(names[role], text.format(**slots), mood, gap)
    return Scene(
        seconds=stage.clock + dice.between(0.4, 1.2),
        parts=tuple(stage.parts),
        spoken=tuple(sorted(stage.spoken, key=lambda turn: turn.start)),
        result=dialogue["result"],
        customer_mood=moods["c"],
        agent_mood=moods["a"],
        said_rules=tuple(said),
        traps=tuple(traps),
        missing_rules=missing,
        signals=tuple(dialogue["signals"]),
    )


def hear_nobody_join(dice: Dice, customer: Speaker, language: str) -> Scene:
    """A person answers, hears nothing and hangs up."""
    stage = _Stage({"customer": customer})
    for gap in (dice.between(0.3, 0.8), dice.between(1.2, 2.0)):
        stage.say("customer", load("scripts")["greetings"][language][0], "neutral", gap)
    return Scene(stage.clock + 1.5, tuple(stage.parts), tuple(stage.spoken), "drop", "neutral")


def hear_machine(dice: Dice, machine: Mapping[str, Any]) -> Scene:
    """A recorded text: voicemail (with beep), menu, or an announcement of the network."""
    tones = load("tones")
    gender = "male" if machine["id"].endswith("2") else "female"
    voice = load("scripts")["voices"][machine["language"]][gender][0]
    speaker = Speaker(voice, load("scripts")["voices"][machine["language"]]["rate"], 50, 45, 1.0)
    stage = _Stage({"customer": speaker})
    if machine.get("tone") == "sit":
        sit = tones["sit"]
        signal = information_tone(sit["hz"], sit["ms"], sit["gap_ms"])
        stage.parts.append(Part(CUSTOMER, 0.2, signal, level(-18)))
        stage.clock = 0.2 + len(signal) / SAMPLING_RATE
    stage.say("customer", machine["text"], "neutral", dice.between(0.3, 0.6))
    if machine.get("beep"):
        beep = tone([tones["beep"]["hz"]], tones["beep"]["ms"] / 1000)
        stage.parts.append(Part(CUSTOMER, stage.clock + 0.5, beep, level(-16)))
        stage.clock += 0.5 + len(beep) / SAMPLING_RATE + dice.between(2.0, 4.0)
    elif not dice.chance(0.3):
        # Menus and announcements repeat until someone hangs up.
        stage.say("customer", machine["text"], "neutral", 1.2)
    return Scene(stage.clock + 0.8, tuple(stage.parts), tuple(stage.spoken))


def hear_sound(signal: Signal, decibels: float, lead_seconds: float = 0.0) -> Scene:
    """One sound on the customer's side; `decibels` is its peak in dBFS."""
    part = Part(CUSTOMER, lead_seconds, signal, level(decibels))
    return Scene(lead_seconds + len(signal) / SAMPLING_RATE, (part,))


def hear_tone(dice: Dice, kind: str, country: str, seconds: float) -> Scene:
    """A call-progress tone (`ring`, `busy`, `congestion`, `vacant`) of a country."""
    table = load("tones")[kind]
    entry = table.get(country, table["CN"])
    return hear_sound(cadence(entry["hz"], entry["ms"], seconds), dice.between(-26, -15))


def hear_fax(dice: Dice) -> Scene:
    """The answering tone of a fax after a moment of silence."""
    fax = load("tones")["fax"]
    answer = tone([fax["answer_hz"]], fax["answer_ms"] / 1000)
    scene = hear_sound(answer, dice.between(-20, -14), lead_seconds=1.5)
    return replace(scene, seconds=scene.seconds + dice.between(1, 3))


def hear_music(dice: Dice, seconds: float) -> Scene:
    """Our own music, as hold music or colour ring-back."""
    return hear_sound(music(seconds, dice.whole(0, 8)), dice.between(-20, -14))
