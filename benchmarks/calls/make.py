"""Labelled recordings of calls, made by seed: `python -m benchmarks.calls --help`.

Each call is one scenario of scenarios.py on a line of its own (levels, noise, echo, cross-talk,
clipping, lost packets, gain control), stored in a codec, rate and layout of files.py. The names of
the files say nothing of what is in them; truth.csv does.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.calls import sounds
from benchmarks.calls.files import Form, choose_form, encode, lay_out, suffix
from benchmarks.calls.scenarios import SCENARIOS, Board, Truth
from benchmarks.calls.sounds import RATE, Random, Signal
from benchmarks.calls.speech import RecordedSpeech, SpeechSource, SyntheticSpeech

COLUMNS = (
    "call_id", "file", "scenario", "outcome", "also_acceptable", "is_answered", "is_connected",
    "answered_at_seconds", "first_sound_seconds", "ring_seconds", "duration_seconds", "channels",
    "codec", "sample_rate_hz", "country", "tone_country", "language", "speech", "conditions",
)  # fmt: skip
"""Of truth.csv. `file`: one path, or the agent's and the customer's with a blank between, relative
to truth.csv. `channels`: the layout. `country` is what the analyser may be told, `tone_country` what
the tones were made by. `speech`: real, synthetic, both or none. An empty cell: cannot be told."""


@dataclass(frozen=True)
class Made:
    """One call before it is stored."""

    truth: Truth
    board: Board
    agent: Signal
    customer: Signal
    conditions: tuple[str, ...]


def plan_scenarios(count: int, random: Random) -> list[str]:
    """Names for `count` calls in the shares of `SCENARIOS` (every one from 150 on)."""
    names = list(SCENARIOS)
    total = sum(share for share, _ in SCENARIOS.values())
    exact = [count * SCENARIOS[name][0] / total for name in names]
    wanted = [math.floor(x) for x in exact]
    order = sorted(range(len(names)), key=lambda i: (wanted[i] > 0, -(exact[i] - wanted[i])))
    for place in range(count - sum(wanted)):
        wanted[order[place % len(order)]] += 1
    plan = [name for name, times in zip(names, wanted, strict=True) for _ in range(times)]
    return [plan[int(i)] for i in random.permutation(len(plan))]


def make_call(scenario: str, random: Random, speech: SpeechSource) -> Made:
    """One call of that scenario on a line drawn by `random`."""
    languages = speech.languages()
    language = str(languages[int(random.integers(len(languages)))])
    home = {"zh": "CN", "yue": "CN", "en": "US", "es": "ES", "fr": "FR", "de": "DE"}
    countries = list(sounds.tables()["countries"])
    country = home.get(language, "") if random.random() < 0.5 else ""
    country = country or str(random.choice(countries))
    agent_voice, customer_voice = speech.speakers(language, random)
    board = Board(
        random=random,
        speech=speech,
        country=country,
        language=language,
        has_country=bool(random.random() < 0.5),
        agent_voice=agent_voice,
        customer_voice=customer_voice,
        agent_level=float(random.uniform(-30, -16)),
        customer_level=float(random.uniform(-36, -16)),
        machine_level=float(random.uniform(-32, -15)),
    )
    truth = SCENARIOS[scenario][1](board)
    agent, customer, conditions = _put_on_a_line(board, truth.outcome == "human")
    return Made(truth, board, agent, customer, conditions)


def _put_on_a_line(board: Board, has_person: bool) -> tuple[Signal, Signal, tuple[str, ...]]:
    random = board.random
    ends = [start + len(signal) / RATE for _, start, signal in board.parts]
    count = max(round(max([board.now, *ends]) * RATE), round(0.05 * RATE))
    sides = [np.zeros(count, np.float32), np.zeros(count, np.float32)]
    for side, start, signal in board.parts:
        at = round(start * RATE)
        piece = signal[: max(0, count - at)]
        sides[side][at : at + len(piece)] += piece
    conditions: list[str] = []
    agent, customer = sides
    _add_rooms(board, agent, customer, conditions, has_person)
    if random.random() < 0.12:
        conditions.append("hum")
        kind = "hum50" if random.random() < 0.6 else "hum60"
        level = float(random.uniform(-60, -38))
        hum = sounds.noise(kind, count / RATE, random)[:count] * sounds.gain(level)
        (agent if random.random() < 0.3 else customer)[:] += hum
    if random.random() < 0.3:
        conditions.append("echo")
        delay, level = float(random.uniform(0.02, 0.3)), float(random.uniform(-45, -16))
        returned = sounds.echo(agent, delay, level)
        customer = customer + returned
    if random.random() < 0.2:
        conditions.append("cross_talk")
        level = float(random.uniform(-50, -22))
        agent = agent + sounds.echo(customer, float(random.uniform(0.0, 0.06)), level)
    low, high = (200, 3600) if random.random() < 0.9 else (80, 7000)
    agent, customer = sounds.band_limit(agent, low, high), sounds.band_limit(customer, low, high)
    if random.random() < 0.12:
        conditions.append("gain_control")
        customer = sounds.automatic_gain(customer)
    if random.random() < 0.08:
        conditions.append("lost_packets")
        customer = sounds.lose_packets(customer, float(random.uniform(0.005, 0.05)), random)
    if random.random() < 0.06:
        conditions.append("clipping")
        agent = np.clip(agent * sounds.gain(14), -0.9, 0.9).astype(np.float32)
        customer = np.clip(customer * sounds.gain(14), -0.9, 0.9).astype(np.float32)
    limit = np.float32(0.999)
    return np.clip(agent, -limit, limit), np.clip(customer, -limit, limit), tuple(conditions)


def _add_rooms(
    board: Board, agent: Signal, customer: Signal, conditions: list[str], has_person: bool
) -> None:
    """The agent's room all along, the far end's from the answer on; the network is quiet before.

    Only where a person lifted are there other people in the far room.
    """
    random = board.random
    seconds = len(agent) / RATE
    draw = random.random()
    if draw > 0.15:  # else digital silence between the agent's words
        kind = "room" if draw < 0.8 else "pink"
        level = float(random.uniform(-72, -48))
        agent += sounds.noise(kind, seconds, random)[: len(agent)] * sounds.gain(level)
    if random.random() < 0.08:
        conditions.append("babble_at_the_agent")
        agent += _babble(board, len(agent), board.agent_level - float(random.uniform(14, 28)))
    if random.random() < 0.8:
        level = float(random.uniform(-85, -62))
        line = sounds.noise("comfort", seconds, random)[: len(customer)] * sounds.gain(level)
        customer += line
    if board.answered_at is None:
        if random.random() < 0.1:
            conditions.append("noisy_line")
            level = float(random.uniform(-60, -42))
            kind = str(random.choice(["white", "pink"]))
            customer += sounds.noise(kind, seconds, random)[: len(customer)] * sounds.gain(level)
        return
    start = round(board.answered_at * RATE)
    stop = round((board.ended_at if board.ended_at is not None else seconds) * RATE)
    stop = max(start, min(stop, len(customer)))
    if stop <= start:
        return
    kind = str(random.choice(["room", "pink", "white", "street"], p=[0.5, 0.2, 0.1, 0.2]))
    # A quarter of the rooms cannot be heard: there only the ring, a click or a voice tells.
    ranges = [(-70.0, -50.0), (-50.0, -38.0), (-95.0, -76.0)]
    usual = ranges[int(random.choice(3, p=[0.55, 0.2, 0.25]))]
    level = min(float(random.uniform(*usual)), board.customer_level - 10)
    if level > -50:
        conditions.append(f"noise:{kind}")
    room = sounds.noise(kind, (stop - start) / RATE, random)[: stop - start]
    customer[start : start + len(room)] += room * sounds.gain(level)
    if has_person and random.random() < 0.12:
        conditions.append("babble")
        loud = board.customer_level - float(random.uniform(12, 25))
        customer[start:stop] += _babble(board, stop - start, loud)


def _babble(board: Board, count: int, level: float) -> Signal:
    """Six people talking at once somewhere behind."""
    mixed = np.zeros(count, np.float32)
    for _ in range(6):
        pieces: list[Signal] = []
        length = 0
        voice = board.speech.speakers(board.language, board.random)[0]
        clips = [
            sounds.at_level(
                board.speech.clip("agent", board.language, voice, board.random).signal, -20
            )
            for _ in range(3)
        ]
        while length < count:
            pieces.append(clips[int(board.random.integers(3))])
            length += len(pieces[-1])
        start = int(board.random.integers(0, max(1, length - count)))
        mixed += np.concatenate(pieces)[start : start + count]
    return sounds.at_level(mixed, level)


def make_calls(
    out: Path,
    count: int,
    seed: int,
    speech: Sequence[SpeechSource],
    scenarios: Sequence[str] | None = None,
) -> Path:
    """Make `count` labelled recordings.

    Args:
        out: the folder for `recordings/` and truth.csv; made if missing.
        count: how many calls.
        seed: the same one, with the same sources, gives the same files.
        speech: one of these speaks in each call, drawn evenly.
        scenarios: names to make in turn; by default the shares of `SCENARIOS`.

    Returns:
        the path of truth.csv, columns as in `COLUMNS`.
    """
    recordings = out / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    first = np.random.default_rng([seed, 0])
    if scenarios is None:
        plan = plan_scenarios(count, first)
    else:
        plan = [scenarios[index % len(scenarios)] for index in range(count)]
    path = out / "truth.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for index, scenario in enumerate(plan, start=1):
            random = np.random.default_rng([seed, index])
            source = speech[int(random.integers(len(speech)))]
            made = make_call(scenario, random, source)
            form = choose_form(random)
            made = replace(made, truth=_as_heard(made.truth, scenario, form))
            name = f"call-{index:05d}"
            files = _store(recordings, name, scenario, made, form, random)
            table.writerow(_row(name, files, scenario, made, form))
    return path


def _as_heard(truth: Truth, scenario: str, form: Form) -> Truth:
    """The truth without what a layout hides: whose voice it is that speaks alone in one channel."""
    if scenario == "dead_air_while_the_agent_asks" and form.layout in ("mono", "identical"):
        return replace(truth, is_connected=None, also_acceptable=("human", *truth.also_acceptable))
    return truth


def _store(
    folder: Path, name: str, scenario: str, made: Made, form: Form, random: Random
) -> list[str]:
    """Write the files of one call; returns their names."""
    end = suffix(form.codec)
    if scenario == "text_for_sound":
        (folder / f"{name}.wav").write_bytes(b"<html><body>403 Forbidden</body></html>\n")
        return [f"{name}.wav"]
    if scenario == "header_alone":
        empty = encode(np.zeros((1, 0), np.float32), Form("pcm16", 8000, 0, "mono"))
        (folder / f"{name}.wav").write_bytes(empty)
        return [f"{name}.wav"]
    contents = [encode(signal, form) for signal in lay_out(made.agent, made.customer, form.layout)]
    if len(contents) == 2:
        names = [f"{name}.agent.{end}", f"{name}.customer.{end}"]
    else:
        names = [f"{name}.{end}"]
        if form.codec in ("pcm16", "alaw", "mulaw") and random.random() < 0.03:
            # Cut off in the middle of a frame, a little before the end that the header promises.
            contents[0] = contents[0][: (len(contents[0]) * 97 // 100) | 1]
        elif end not in ("ulaw", "alaw", "gsm") and random.random() < 0.02:
            # Under another name than its own.
            names = [f"{name}.{'mp3' if end == 'wav' else 'wav'}"]
    for file, content in zip(names, contents, strict=True):
        (folder / file).write_bytes(content)
    return names


def _row(name: str, files: list[str], scenario: str, made: Made, form: Form) -> dict[str, Any]:
    truth, board = made.truth, made.board
    seconds = len(made.customer) / RATE
    heard = {
        (True, True): "both", (True, False): "real", (False, True): "synthetic",
        (False, False): "none",
    }[board.is_real, board.is_synthetic]  # fmt: skip
    is_file = truth.outcome != "unreadable"
    return {
        "call_id": name,
        "file": " ".join(f"recordings/{file}" for file in files),
        "scenario": scenario,
        "outcome": truth.outcome,
        "also_acceptable": " ".join(truth.also_acceptable),
        "is_answered": _flag(truth.is_answered),
        "is_connected": _flag(truth.is_connected),
        "answered_at_seconds": _seconds(truth.answered_at),
        "first_sound_seconds": _seconds(
            board.first_sound if truth.answered_at is not None else None
        ),
        "ring_seconds": _seconds(truth.ring_seconds),
        "duration_seconds": _seconds(seconds if is_file else 0.0),
        "channels": form.layout if is_file else "none",
        "codec": form.codec if is_file else "none",
        "sample_rate_hz": form.rate if is_file else "",
        "country": board.country if board.has_country else "",
        "tone_country": board.country,
        "language": board.language,
        "speech": heard,
        "conditions": " ".join(made.conditions),
    }


def _flag(value: bool | None) -> str:
    return "" if value is None else str(value).lower()


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def sources(half: str, folder: Path | None = None) -> list[SpeechSource]:
    """What speaks: espeak-ng, and twice as often a folder of real recordings where one is given."""
    synthetic = SyntheticSpeech(half)
    if folder is None:
        return [synthetic]
    real = RecordedSpeech(folder, "dev" if half == "a" else "test", synthetic)
    return [real, real, synthetic]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", choices=["a", "b"], default="a")
    parser.add_argument("--speech", type=Path, help="folder of real recordings with manifest.csv")
    given = parser.parse_args(arguments)
    path = make_calls(given.out, given.count, given.seed, sources(given.half, given.speech))
    print(path)
