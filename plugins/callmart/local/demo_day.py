"""The demo day: a landing zone of an invented call centre, made at run time from a seed.

`generate` writes the folder that docs/contracts.md describes (`recordings/`, `transcripts/`,
`crm/`) and beside it the written truth: `truth.csv` (one row a recording), `dispositions.csv` (the
centre's words) and `demo.yaml` (zone, dates, and what a reader must make of the defects).
"""

from __future__ import annotations

import csv
import hashlib
import io
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from callmart.local import demo_files
from callmart.local.demo_dialogue import Dice, Scene, load
from callmart.local.demo_files import Landing
from callmart.local.demo_simulation import DAY, Call, Simulation
from callmart.local.demo_sounds import (
    MONO_ONLY,
    RecordingPlan,
    suffix,
    write_recording,
)

DEFAULT_SEED = 20261116
Progress = Callable[[str, int, int], None]
"""Called as `progress(step, done, of)`; steps are `calls`, `recordings`."""

TRUTH_COLUMNS = (
    "call_id", "outcome", "is_answered", "is_connected", "first_speech_seconds", "note", "also_acceptable",
    "first_speech_agent_seconds", "first_speech_customer_seconds", "ring_seconds_in_file",
    "recording_starts_at", "file", "codec", "sample_rate_hz", "channels", "duration_seconds", "kind",
    "language", "tone_country", "customer_mood", "agent_mood", "result", "said_rules", "trap_rules",
    "missing_rules", "signals", "has_transcript",
)  # fmt: skip
_ANSWERED = {"human", "voicemail", "ivr", "silence", "music", "fax"}
# Long talks are stored small; a few in every other form of the contract.
_TALK_CODECS = {
    "opus": 26, "mp3": 16, "m4a": 12, "ogg": 8, "gsm_wav": 12, "gsm": 7, "mulaw": 4, "alaw": 3, "pcm16": 2,
    "flac": 2, "raw_mulaw": 4, "raw_alaw": 3, "pcm24": 1, "pcm8": 1,
}  # fmt: skip
_SHORT_CODECS = {
    "pcm16": 3,
    "mulaw": 4,
    "alaw": 4,
    "flac": 3,
    "mp3": 4,
    "opus": 4,
    "gsm_wav": 4,
    "pcm8": 1,
}


@dataclass(frozen=True)
class DemoDay:
    """What was generated.

    Attributes:
        root: the folder.
        dates: business dates, ISO.
        calls: calls in the CRM.
        recordings: recorded calls (rows of `truth.csv`).
        transcripts: transcripts written.
        recording_seconds: sound in all.
        rows_current: entity → rows a reader must hold in its current view.
        quarantined_files, quarantined_rows, duplicate_files: what must become of the defects.
    """

    root: Path
    business_time_zone: str
    dates: tuple[str, ...]
    seed: int
    calls: int
    recordings: int
    transcripts: int
    recording_seconds: float
    rows_current: dict[str, int]
    quarantined_files: tuple[str, ...]
    quarantined_rows: int
    duplicate_files: tuple[str, ...]


def source_hash(seed: int = DEFAULT_SEED) -> str:
    """Names the output: changes when a seed, a script or this generator changes."""
    digest = hashlib.sha256(str(seed).encode())
    here = Path(__file__).parent
    for path in [*sorted(here.glob("demo_*.*")), here / "speech.py"]:
        if path.suffix in (".py", ".yaml"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def generate(
    target: Path,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
    *,
    days: int = 3,
    scale: float = 1.0,
) -> DemoDay:
    """Write the demo day into `target` (made anew; a former one is replaced).

    Args:
        target: the folder; it appears complete or not at all.
        seed: the same seed gives the same bytes in every file.
        progress: told how far the work is.
        days: 1 to 3 business days.
        scale: of customers and attempts; 1 is 12 agents, about 150 customers and 900 calls.

    Raises:
        ValueError: `days` or `scale` is out of range.
    """
    if not 1 <= days <= 3 or not 0.15 <= scale <= 2:
        raise ValueError(f"days must be 1 to 3 and scale 0.15 to 2, not {days} and {scale}")
    report: Progress = progress or (lambda step, done, of: None)
    config: Any = load("centre")
    dates = tuple(str(day) for day in config["dates"][:days])
    dice = Dice(seed)
    centre = Simulation(dice, days, scale).run(lambda done: report("calls", done, days))

    target.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two runs at once must not clear away each other's files.
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        made = _write_all(Landing(building, centre, dates), target, seed, dice, report)
        building.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return made


def _write_all(landing: Landing, target: Path, seed: int, dice: Dice, report: Progress) -> DemoDay:
    config: Any = load("centre")
    truth, transcripts, seconds = _write_sound(landing, dice, report)
    demo_files.write_people(landing, config)
    demo_files.write_rules(landing, config)
    demo_files.write_work(landing)
    demo_files.write_calls(landing)
    _write_table(landing.root / "truth.csv", TRUTH_COLUMNS, truth)
    words = [{"disposition": word, "outcome": out} for word, out in config["dispositions"].items()]
    _write_table(landing.root / "dispositions.csv", ("disposition", "outcome"), words)
    made = DemoDay(
        root=target,
        business_time_zone=str(config["business_time_zone"]),
        dates=tuple(landing.dates),
        seed=seed,
        calls=len(landing.centre.calls),
        recordings=len(truth),
        transcripts=transcripts,
        recording_seconds=round(seconds, 1),
        rows_current={entity: len(keys) for entity, keys in sorted(landing.current.items())},
        quarantined_files=tuple(landing.quarantined_files),
        quarantined_rows=landing.quarantined_rows,
        duplicate_files=tuple(landing.duplicate_files),
    )
    _write_summary(landing.root / "demo.yaml", made)
    return made


def read(target: Path) -> DemoDay:
    """What `generate` made in `target` earlier, from its `demo.yaml`.

    Raises:
        FileNotFoundError: there is no demo day in the folder.
    """
    document = yaml.safe_load((target / "demo.yaml").read_text(encoding="utf-8"))
    for name in ("dates", "quarantined_files", "duplicate_files"):
        document[name] = tuple(document[name])
    return DemoDay(root=target, **document)


def _write_summary(path: Path, made: DemoDay) -> None:
    document = {key: value for key, value in made.__dict__.items() if key != "root"}
    for name in ("dates", "quarantined_files", "duplicate_files"):
        document[name] = list(document[name])
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _write_table(path: Path, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(buffer.getvalue(), encoding="utf-8")


# --- recordings -----------------------------------------------------------------------------------


def _write_sound(
    landing: Landing, dice: Dice, report: Progress
) -> tuple[list[dict[str, Any]], int, float]:
    """Recordings and transcripts of all calls that have them; the rows of truth, transcripts, seconds."""
    centre = landing.centre
    plans: list[RecordingPlan] = []
    truth: list[dict[str, Any]] = []
    transcripts = 0
    recorded = [call for call in centre.calls if call.scene is not None]
    talks = [call for call in recorded if call.outcome == "human" and _scene(call).result != "drop"]
    cut = talks[len(talks) // 2]
    orphan = talks[len(talks) // 3]
    for number, call in enumerate(recorded):
        plan, row = _plan(landing, dice, call, number, cut is call)
        plans.append(plan)
        truth.append(row)
        transcripts += _transcribe_call(landing, dice, call, row)
    # The same sound once more under an id that no call has, as when a test call was recorded.
    stray = f"C-{centre.at(orphan.starts):%Y%m%d}-9901"
    plan, row = _plan(landing, dice, orphan, 0, False, call_id=stray)
    plans.append(plan)
    truth.append({**row, "note": "no call belongs to this recording", "recording_starts_at": ""})

    for plan_number, _ in enumerate(_run(plans), 1):
        report("recordings", plan_number, len(plans))
    truth += _write_broken(landing)
    _deliver_again(landing, recorded)
    return truth, transcripts, sum(plan.seconds for plan in plans)


def _run(plans: list[RecordingPlan]) -> Any:
    workers = min(8, os.cpu_count() or 1)
    if workers == 1 or len(plans) < 40:
        yield from map(write_recording, plans)
        return
    # spawn: the parent may hold threads (a progress display) and the synthesiser's state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(write_recording, plans, chunksize=8)


def _scene(call: Call) -> Scene:
    if call.scene is None:
        raise ValueError(f"call {call.call_id} was not recorded")
    return call.scene


def _plan(
    landing: Landing, dice: Dice, call: Call, number: int, cut: bool, call_id: str | None = None
) -> tuple[RecordingPlan, dict[str, Any]]:
    """How a recording is stored, and its row of truth."""
    centre, scene = landing.centre, _scene(call)
    name = call_id or call.call_id
    is_talk = call.outcome == "human"
    codec = "pcm16" if cut else dice.weighted(_TALK_CODECS if is_talk else _SHORT_CODECS)
    folder = f"recordings/dt={landing.dates[call.starts // DAY]}"
    two_files = not cut and is_talk and codec != "ogg" and dice.chance(0.12)
    mono = not two_files and (
        codec in MONO_ONLY or (codec != "ogg" and not cut and dice.chance(0.05))
    )
    ending = suffix(codec)
    names = (
        [f"{name}.agent.{ending}", f"{name}.customer.{ending}"]
        if two_files
        else [f"{name}.{ending}"]
    )
    paths = tuple(landing.root / folder / one for one in names)
    seconds = scene.seconds
    noisy = dice.chance(0.15)
    plan = RecordingPlan(
        paths=paths,
        codec=codec,
        mono=mono,
        seconds=seconds,
        parts=scene.parts,
        noise_seed=dice.whole(0, 2**31),
        noise_decibels=(
            dice.between(-72, -62),
            dice.between(-50, -44) if noisy else dice.between(-68, -56),
        ),
        echo_decibels=dice.between(-42, -36) if is_talk and dice.chance(0.2) else None,
        cut_after_seconds=round(seconds * 0.63, 1) if cut else None,
    )
    if call_id is None:
        call.row["recording_key"] = f"{folder}/{names[0]}"
    starts = call.recording_starts
    row: dict[str, Any] = {
        "call_id": name,
        "outcome": call.outcome,
        "is_answered": _truth_word(call.outcome in _ANSWERED),
        "is_connected": _truth_word(call.outcome == "human"),
        "first_speech_seconds": _seconds(scene.first()),
        "note": "cut in the middle of a sample; its header promises the whole"
        if cut
        else call.note,
        "also_acceptable": "unreadable" if cut else call.acceptable,
        "first_speech_agent_seconds": _seconds(scene.first("agent")),
        "first_speech_customer_seconds": _seconds(scene.first("customer")),
        "ring_seconds_in_file": call.ring_in_file,
        "recording_starts_at": "" if starts is None else centre.at(starts).isoformat(),
        "file": " ".join(f"{folder}/{one}" for one in names),
        "codec": codec,
        "sample_rate_hz": 8000,
        "channels": "1+1" if two_files else "1" if mono else "2",
        "duration_seconds": plan.cut_after_seconds if cut else seconds,
        "kind": "cut" if cut else "made",
        "language": "zh" if call.customer and call.customer.language == "zh" else "en",
        "tone_country": call.tone_country,
        "customer_mood": scene.customer_mood,
        "agent_mood": scene.agent_mood,
        "result": scene.result or "",
        "said_rules": ";".join(scene.said_rules),
        "trap_rules": ";".join(scene.traps),
        "missing_rules": ";".join(scene.missing_rules),
        "signals": ";".join(scene.signals),
        "has_transcript": "false",
    }
    return plan, row


def _truth_word(value: bool) -> str:
    return "true" if value else "false"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _transcribe_call(landing: Landing, dice: Dice, call: Call, row: dict[str, Any]) -> int:
    """Most of what was said has a transcript, in one of five shapes; returns how many were written."""
    scene = _scene(call)
    if not scene.spoken or row["kind"] == "cut" or not dice.chance(0.8):
        return 0
    shapes = {"own": 50, "srt": 10, "vtt": 10, "call_analytics": 18, "transcribe": 12}
    shape = dice.weighted(shapes)
    day = call.starts // DAY
    demo_files.write_transcript(landing, day, call.call_id, row["language"], scene, shape)
    row["has_transcript"] = "true"
    return 1


def _write_broken(landing: Landing) -> list[dict[str, Any]]:
    """Recordings that cannot be read, and calls whose recording never comes."""
    centre = landing.centre
    silent = [call for call in centre.calls if call.scene is None]
    people = [
        call for call in silent if call.outcome == "human" and call.row["direction"] == "outbound"
    ]
    failed = [call for call in silent if call.outcome in ("no_answer", "cancelled")]
    rows: list[dict[str, Any]] = []
    header = (
        b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00"
        b"\x40\x1f\x00\x00\x00\x7d\x00\x00\x04\x00\x10\x00data\x00\x00\x00\x00"
    )
    text = b"<html><body>503 recorder busy, try again later</body></html>\n"
    cases = (
        (people[1], text, "an error page saved under a .wav name"),
        (failed[1], header, "44 bytes: a header and no sample"),
    )
    for call, content, note in cases:
        path = f"recordings/dt={landing.dates[call.starts // DAY]}/{call.call_id}.wav"
        landing.put(path, content)
        landing.unreadable.append(path)
        call.row["recording_key"] = path
        rows.append(
            dict.fromkeys(TRUTH_COLUMNS, "")
            | {"call_id": call.call_id, "outcome": "unreadable", "note": note, "file": path,
               "codec": "none", "duration_seconds": 0, "kind": "broken", "has_transcript": "false"}
        )  # fmt: skip
    for call in (people[2], people[-1]):
        day = landing.dates[call.starts // DAY]
        call.row["recording_key"] = f"recordings/dt={day}/{call.call_id}.wav"
    # An agent that no list of agents knows.
    people[3].row["agent_id"] = "A-999"
    for state in centre.states:
        if state["call"] is people[3]:
            state["agent_id"] = "A-999"
    return rows


def _deliver_again(landing: Landing, recorded: list[Call]) -> None:
    """One recording comes once more the day after."""
    if landing.centre.days < 2:
        return
    first = next(call for call in recorded if call.starts < DAY)
    key = str(first.row["recording_key"])
    again = key.replace(f"dt={landing.dates[0]}", f"dt={landing.dates[1]}")
    landing.put(again, (landing.root / key).read_bytes())
    landing.duplicate_files.append(again)
