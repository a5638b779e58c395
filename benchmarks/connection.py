"""Connection: what became of a call, who answered and when, against the truth of made recordings.

Data: calls made by `benchmarks.calls` (scenario, line, codec, layout by seed), whose truth follows
from their construction; with `set=DIR` a set made before, e.g. one with real voices. Where
CALLMART_TEST_DATA names the folder of test data, its real recordings are scored beside them.
Measure: `is_connected` right, false and missed connections, outcomes, time of the answer, seconds of
ringing, calibration of the confidence. Peer: Asterisk's AMD by its published rules and thresholds,
given the customer's own channel from the true moment of the answer on, which a dialler does not have
so exactly; it is asked about answered calls alone, and callmart's figure on the same calls stands
beside. Goal: the figures in `goals`.
"""

from __future__ import annotations

import csv
import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.calls import score
from benchmarks.calls.score import Case
from benchmarks.frame import BenchmarkError, OptionError

OPTIONS = {
    "set": "a folder with truth.csv, made by python -m benchmarks.calls; default: made on the fly",
    "part": "dev or test: voices, texts and seed of a set made on the fly (default test)",
    "speech": "a folder of real voices with manifest.csv to speak in the set made on the fly",
    "n": "how many calls to make (default 150)",
    "seed": "another seed than the part's own",
    "country": "1 tells the analyser the country where truth.csv has it (default), 0 never",
    "jobs": "processes (default: one a core)",
    "errors": "1 lists every wrong verdict",
}

_SEEDS = {"dev": 20261, "test": 31337}
_HALVES = {"dev": "a", "test": "b"}
_TABLES = ("scenario", "codec", "channels", "rate", "speech", "language", "tones", "conditions")

# The goals: figure, its path in the result, at least or at most, value.
_GOALS: tuple[tuple[str, tuple[str, ...], str, float], ...] = (
    ("is_connected right", ("connection", "accuracy"), "≥", 0.98),
    ("false connections", ("connection", "false_connection_rate"), "≤", 0.01),
    ("macro-F1 of outcomes", ("outcomes", "macro_f1"), "≥", 0.95),
    ("median error of the answer, s", ("answer_time", "median"), "≤", 0.2),
    ("calibration error", ("calibration", "expected_error"), "≤", 0.05),
)


@dataclass(frozen=True)
class _Task:
    """One call to be heard: its truth, its files, what may be told of it."""

    case: Case
    paths: tuple[str, ...]
    country: str | None


def run(options: dict[str, str]) -> dict[str, Any]:
    """Hear a whole set and score it. Raises `OptionError` or `BenchmarkError` (see frame.py)."""
    part = _choice(options, "part", "test", tuple(_SEEDS))
    jobs = _number(options, "jobs", len(os.sched_getaffinity(0)))
    tells_country = _choice(options, "country", "1", ("0", "1")) == "1"
    with tempfile.TemporaryDirectory(prefix="callmart-calls-") as scratch:
        if "set" in options:
            folder = Path(options["set"])
            if not (folder / "truth.csv").is_file():
                raise OptionError(f"no truth.csv in {folder}")
        else:
            from benchmarks.calls import make_calls, sources

            folder = Path(scratch)
            voices = Path(options["speech"]) if "speech" in options else None
            if voices is not None and not (voices / "manifest.csv").is_file():
                raise OptionError(f"no manifest.csv in {voices}")
            seed = _number(options, "seed", _SEEDS[part])
            make_calls(folder, _number(options, "n", 150), seed, sources(_HALVES[part], voices))
        tasks = _read(folder, tells_country)
        if not tasks:
            raise BenchmarkError(f"{folder} holds no call")
        began = time.perf_counter()
        cases = _hear(tasks, jobs)
        seconds = time.perf_counter() - began
    found = figures(cases)
    found |= {"set": options.get("set", f"made here, part {part}"), "seconds": seconds}
    real = _real_recordings(jobs)
    if real:
        found["real_recordings"] = _summary(real)
    if options.get("errors") == "1":
        found["errors"] = errors(cases) + errors(real)
    return found


def figures(cases: Sequence[Case]) -> dict[str, Any]:
    """Every figure of scored cases, with the goals and the peer."""
    connection = score.connection_figures(cases)
    outcomes = score.outcome_figures(cases)
    answer = score.time_figures([(case.answered_at, case.found_answered_at) for case in cases])
    certain = [case for case in cases if case.confidence is not None]
    found: dict[str, Any] = {
        "name": "connection",
        "n": len(cases),
        "seconds": 0.0,
        "connected_right": connection["accuracy"],
        "false_connection_rate": connection["false_connection_rate"],
        "outcome_right": outcomes["accuracy"],
        "macro_f1": outcomes["macro_f1"],
        "connection": connection,
        "outcomes": outcomes,
        "answered": _answered(cases),
        "answer_time": answer,
        "answer_time_of_persons": score.time_figures(
            [(c.answered_at, c.found_answered_at) for c in cases if c.outcome == "human"]
        ),
        "answer_time_after_ringing": score.time_figures(
            [(c.answered_at, c.found_answered_at) for c in cases if (c.answered_at or 0) > 0.5]
        ),
        "answer_time_against_first_sound": score.time_figures(
            [(c.first_sound, c.found_answered_at) for c in cases]
        ),
        "ring_time": score.time_figures(
            [(c.ring_seconds, c.found_ring_seconds) for c in cases if c.ring_seconds]
        ),
        "calibration": score.calibration(
            [(c.confidence or 0.0, c.is_outcome_right) for c in certain]
        ),
        "calibration_of_connection": score.calibration(
            [
                (c.confidence or 0.0, c.is_connected_right)
                for c in certain
                if c.is_connected is not None
            ]
        ),
        "by": {tag: score.by_tag(cases, tag) for tag in _TABLES},
    }
    against = score.peer_figures(cases)
    found["against_peer"] = against
    found["goals"] = goals(found)
    found["peer"] = (
        "Asterisk AMD, default thresholds, on answered calls with a channel of their own"
    )
    found["ratio"] = against["peer_errors_by_callmart_errors"]
    met = sum(goal["is_met"] for goal in found["goals"])
    found["goal"] = f"{met} of {len(found['goals'])} met"
    return found


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The goals with what was found; one without a figure is not met."""
    rows = []
    for name, path, sign, wanted in _GOALS:
        value: Any = found
        for key in path:
            value = value[key]
        is_met = value is not None and (value >= wanted if sign == "≥" else value <= wanted)
        rows.append({"goal": f"{name} {sign} {wanted}", "found": value, "is_met": is_met})
    return rows


def errors(cases: Iterable[Case]) -> list[dict[str, Any]]:
    """The cases whose connection, outcome or moment of answer (over 0.5 s off) is wrong."""
    wrong = []
    for case in cases:
        off = (
            abs(case.answered_at - case.found_answered_at)
            if case.answered_at is not None and case.found_answered_at is not None
            else None
        )
        is_wrong = case.is_connected is not None and not case.is_connected_right
        if is_wrong or not case.is_outcome_right or (off or 0) > 0.5:
            wrong.append(
                {
                    "call_id": case.call_id,
                    "scenario": case.tags.get("scenario", ""),
                    "true": case.outcome,
                    "found": case.found_outcome,
                    "true_connected": case.is_connected,
                    "found_connected": case.found_connected,
                    "true_answered_at": case.answered_at,
                    "found_answered_at": case.found_answered_at,
                    "confidence": case.confidence,
                    **{tag: case.tags.get(tag, "") for tag in ("codec", "channels", "conditions")},
                }
            )
    return wrong


def _answered(cases: Sequence[Case]) -> dict[str, Any]:
    known = [case for case in cases if case.is_answered is not None]
    right = sum(case.found_answered == case.is_answered for case in known)
    return {
        "n": len(known),
        "accuracy": score.share(right, len(known)),
        "interval": score.wilson(right, len(known)),
    }


def _summary(cases: Sequence[Case]) -> dict[str, Any]:
    connection, outcomes = score.connection_figures(cases), score.outcome_figures(cases)
    return {
        "n": len(cases),
        "connected_right": connection["accuracy"],
        "false_connections": connection["false_connections"],
        "missed": connection["missed"],
        "outcome_right": outcomes["accuracy"],
    }


# -- reading and hearing


def _read(folder: Path, tells_country: bool) -> list[_Task]:
    tasks = []
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            tags = {
                "scenario": row["scenario"],
                "codec": row["codec"],
                "channels": row["channels"],
                "rate": row["sample_rate_hz"],
                "speech": row["speech"],
                "language": row["language"],
                "tones": row["tone_country"],
                "conditions": row["conditions"],
            }
            case = Case(
                call_id=row["call_id"],
                outcome=row["outcome"],
                is_answered=_flag(row["is_answered"]),
                is_connected=_flag(row["is_connected"]),
                also_acceptable=frozenset(row["also_acceptable"].split()),
                answered_at=_seconds(row["answered_at_seconds"]),
                first_sound=_seconds(row["first_sound_seconds"]),
                ring_seconds=_seconds(row["ring_seconds"]),
                tags=tags,
            )
            paths = tuple(str(folder / name) for name in row["file"].split())
            tasks.append(_Task(case, paths, (row["country"] or None) if tells_country else None))
    return tasks


def _real_recordings(jobs: int) -> list[Case]:
    """The recordings of the test data, whose truth.csv was written by hand; none without them."""
    home = os.environ.get("CALLMART_TEST_DATA")
    if not home or not (Path(home) / "landing" / "truth.csv").is_file():
        return []
    folder = Path(home) / "landing"
    tasks = []
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            is_sound = row["outcome"] != "unreadable"  # else the signalling alone knows
            case = Case(
                call_id=row["call_id"],
                outcome=row["outcome"],
                is_answered=_flag(row["is_answered"]) if is_sound else None,
                is_connected=_flag(row["is_connected"]) if is_sound else None,
                also_acceptable=frozenset(row["also_acceptable"].split()),
                tags={"scenario": row["kind"], "codec": row["codec"], "channels": row["channels"]},
            )
            paths = tuple(str(folder / name) for name in row["file"].split())
            tasks.append(_Task(case, paths, None))
    return _hear(tasks, jobs)


def _hear(tasks: Sequence[_Task], jobs: int) -> list[Case]:
    if jobs == 1:
        return [_hear_one(task) for task in tasks]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(_hear_one, tasks, chunksize=4))


def _hear_one(task: _Task) -> Case:
    from ml.inspection import inspect_recording

    if len(task.paths) == 2:
        heard = inspect_recording(
            agent_path=task.paths[0],
            customer_path=task.paths[1],
            country=task.country,
            with_emotion=False,
        )
    else:
        heard = inspect_recording(task.paths[0], country=task.country, with_emotion=False)
    report = heard.report
    return replace(
        task.case,
        found_outcome=report["outcome"],
        found_answered=report.get("is_answered"),
        found_connected=report.get("is_connected"),
        found_answered_at=report.get("answered_at_seconds"),
        found_ring_seconds=report.get("ring_seconds"),
        confidence=report.get("confidence"),
        amd=_ask_the_peer(task),
    )


def _ask_the_peer(task: _Task) -> str | None:
    """AMD's status for an answered call whose customer has a channel of their own."""
    case = task.case
    if not case.is_answered or case.answered_at is None:
        return None
    if case.tags.get("channels") not in ("stereo", "two_files"):
        return None
    if case.tags.get("scenario") == "excerpt":  # no dialler asks in the middle of a conversation
        return None
    from benchmarks.calls.answering_machine import detect, frame_levels
    from ml.audio.decode import UnreadableAudioError, decode

    try:
        recording = decode(task.paths[-1])
    except UnreadableAudioError:
        return None
    customer = recording.samples[-1][round(case.answered_at * recording.sampling_rate) :]
    return detect(frame_levels(customer))[0]


def _flag(text: str) -> bool | None:
    return None if text == "" else text == "true"


def _seconds(text: str) -> float | None:
    return None if text == "" else float(text)


def _number(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not text.isdecimal() or int(text) == 0:
        raise OptionError(f"{name}={text}: a whole number over 0 is wanted")
    return int(text)


def _choice(options: dict[str, str], name: str, default: str, known: tuple[str, ...]) -> str:
    value = options.get(name, default)
    if value not in known:
        raise OptionError(f"{name}={value}: one of {', '.join(known)} is wanted")
    return value
