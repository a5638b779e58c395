"""An invented centre: what its CRM and dialler deliver, written down by hand.

Five agents in two teams, two campaigns (one line, several lines), four lines, thirteen customers in three
zones, calls of 7 October to 2 November 2026 (Europe leaves summer time on 25 October, America on
1 November). Each line says why it is there. Nothing here is worked out by the program.

How the tables in figures/ are written: a time is `MM-DD hh:mm:ss` on the clock of Shanghai; `+n` is n
seconds after the row's start; `day` is the day of delivery; lines that begin with # are remarks.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from built_marts import Marts

from callmart.landing import discover, load_dispositions_csv, load_objects
from callmart.recordings.wording import match_phrases
from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import build

SITE_ZONE = ZoneInfo("Asia/Shanghai")
FIRST_DAY, LAST_DAY = "2026-11-03", "2026-11-04"
"""Days of delivery: what came at first, and what came late, corrected or again."""

FOLDER = Path(__file__).parent / "figures"
ENTITIES = (
    "customers", "campaigns", "lines", "agents", "calls", "call_routes", "agent_states",
    "agent_schedules", "sales_rules", "demands", "complaints", "number_marks", "phrase_rules",
)  # fmt: skip
DISPOSITIONS = FOLDER / "dispositions.csv"

STARTS = ("started_at", "entered_at")

TRANSCRIPTS = {
    "c01": {
        "call_id": "c01",
        "language": "zh",
        "segments": [
            {
                "role": "agent",
                "start_ms": 12000,
                "end_ms": 15000,
                "text": "您好，这个产品保证收益。",
            },
            {"role": "customer", "start_ms": 15500, "end_ms": 17000, "text": "多少钱？"},
            {"role": "agent", "start_ms": 17500, "end_ms": 19000, "text": "我再说一次，保证收益。"},
        ],
    },
    "c40": {
        "call_id": "c40",
        "language": "en",
        "segments": [
            {
                "role": "agent",
                "start_ms": 7000,
                "end_ms": 9000,
                "text": "Hello, this call may be recorded.",
            },
            {"role": "customer", "start_ms": 9500, "end_ms": 11000, "text": "I am listening."},
        ],
    },
}


@dataclass(frozen=True)
class Heard:
    """What is truly on a recording; `is_answered` and `is_connected` null where it cannot be heard."""

    call_id: str
    outcome: str
    is_answered: bool | None
    is_connected: bool | None
    duration_seconds: float


RECORDINGS = (
    Heard("c01", "human", True, True, 100),
    Heard("c30", "voicemail", True, False, 41),
    Heard("c31", "unreadable", None, None, 26),
    Heard("c32", "human", True, True, 12),
    Heard("c35", "voicemail", True, False, 14),
    Heard("c40", "human", True, True, 37),
)


@dataclass(frozen=True)
class Row:
    """A row as an extract delivers it: `values` are text, empty where there is nothing."""

    entity: str
    day: str
    values: dict[str, str]


def read_time(text: str) -> datetime:
    """`MM-DD hh:mm:ss[.f]` of 2026 on the clock of Shanghai."""
    return datetime.fromisoformat(f"2026-{text.replace(' ', 'T', 1)}").replace(tzinfo=SITE_ZONE)


def _written(value: str, start: datetime | None) -> str:
    if re.fullmatch(r"\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", value):
        return read_time(value).isoformat()
    if start is not None and re.fullmatch(r"\+\d+(\.\d+)?", value) and len(value) < 9:
        return (start + timedelta(seconds=float(value))).isoformat()
    return value


def rows_of(entity: str) -> list[Row]:
    """All rows of an entity in the order written down, times in full."""
    text = (FOLDER / f"{entity}.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    delimiter = ";" if ";" in lines[0] else ","
    quoting = csv.QUOTE_NONE if delimiter == ";" else csv.QUOTE_MINIMAL
    found = []
    for values in csv.DictReader(
        io.StringIO("\n".join(lines)), delimiter=delimiter, quoting=quoting
    ):
        day = values.pop("day", FIRST_DAY)
        start = next((read_time(values[name]) for name in STARTS if name in values), None)
        found.append(Row(entity, day, {k: _written(v, start) for k, v in values.items()}))
    return found


def all_rows() -> list[Row]:
    """Every row of every entity."""
    return [row for entity in ENTITIES for row in rows_of(entity)]


def write_csv(rows: list[Row], *, encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    """One CSV file of rows of one entity."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0].values), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.values for row in rows)
    return out.getvalue().encode(encoding)


def write_jsonl(rows: list[Row]) -> bytes:
    """The same as JSON lines; a JSON value is delivered as such, nothing as null."""

    def value(text: str) -> object:
        if text == "":
            return None
        return json.loads(text) if text.startswith("{") else text

    lines = [
        json.dumps({k: value(v) for k, v in row.values.items()}, ensure_ascii=False) for row in rows
    ]
    return ("\n".join(lines) + "\n").encode()


def write_parquet(rows: list[Row]) -> bytes:
    """The same as Parquet, all columns text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {k: [row.values[k] or None for row in rows] for k in rows[0].values}
    out = io.BytesIO()
    pq.write_table(pa.table({k: pa.array(v, pa.string()) for k, v in columns.items()}), out)
    return out.getvalue()


def plain_delivery() -> dict[str, bytes]:
    """Object keys and contents: a CSV file an entity and day of delivery, and the transcripts."""
    return {**files_of(all_rows()), **transcript_objects()}


def files_of(
    rows: list[Row],
    *,
    name: str = "",
    write: Callable[[list[Row]], bytes] = write_csv,
    extension: str = "csv",
) -> dict[str, bytes]:
    """Object keys and contents of rows, one file an entity and day of delivery."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.entity, row.day), []).append(row)
    return {
        f"crm/{entity}/dt={day}/{name or entity}.{extension}": write(few)
        for (entity, day), few in found.items()
    }


def transcript_objects() -> dict[str, bytes]:
    """Object keys and contents of the transcripts."""
    return {
        f"transcripts/dt={FIRST_DAY}/{call_id}.json": json.dumps(
            transcript, ensure_ascii=False
        ).encode()
        for call_id, transcript in TRANSCRIPTS.items()
    }


def enter_recordings(settings: Settings) -> None:
    """What is truly on the recordings, as if the analyser had heard it."""
    with connect(settings) as conn:
        for heard in RECORDINGS:
            hashed = hashlib.sha256(heard.call_id.encode()).hexdigest()
            conn.execute(
                "insert into facts.call_recordings (call_id, content_hash, object_key, delivered_on)"
                " values (%s, %s, %s, %s)",
                (
                    heard.call_id,
                    hashed,
                    f"recordings/dt={FIRST_DAY}/{heard.call_id}.wav",
                    FIRST_DAY,
                ),
            )
            conn.execute(
                "insert into facts.recordings (content_hash, analyser_version, outcome,"
                " is_answered, is_connected, confidence, reason, duration_seconds)"
                " values (%s, 'truth', %s, %s, %s, %s, 'told', %s)",
                (
                    hashed,
                    heard.outcome,
                    heard.is_answered,
                    heard.is_connected,
                    None if heard.is_answered is None else 1.0,
                    heard.duration_seconds,
                ),
            )


def deliver(settings: Settings, waves: Iterable[dict[str, bytes]]) -> None:
    """Put each wave of objects into the bucket and load it before the next one comes."""
    import boto3

    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    for wave in waves:
        for key, content in wave.items():
            client.put_object(Bucket=settings.bucket, Key=key, Body=content)
        for batch in discover(settings):
            summary = load_objects(settings, batch["object_ids"])
            assert (summary.failed, summary.quarantined, summary.rows_quarantined) == (0, 0, 0)


def build_from(
    settings: Settings,
    waves: Iterable[dict[str, bytes]],
    select: str | None = None,
    *,
    is_built_between: bool = False,
) -> Marts:
    """Load the waves and build the marts; with `is_built_between` also before the last wave came."""
    load_dispositions_csv(settings, DISPOSITIONS)
    build(settings, "seed")
    *earlier, last = waves
    deliver(settings, earlier)
    if is_built_between:
        build(settings, "run", select=select)
    deliver(settings, [last])
    enter_recordings(settings)
    match_phrases(settings)
    return Marts(settings, {}, build(settings, "run", select=select))
