"""What the CRM is told: a numbered feed of what changed, into the bucket.

A feed of a target is planned in one transaction (its number and its rows, `ops.crm_feeds` and
`ops.crm_feed_rows`), then written: files, manifest, and the marker `_SUCCESS` last. Cut off anywhere, the
same feed is written again before another is planned, so a CRM that takes each number once takes each
change once. Rows carry the whole state of a record: applied twice they change nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from callmart import robots
from callmart.landing import ObjectStore
from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.writeback.files import write_file
from callmart.writeback.targets import RECORD_TYPES, FeedFile, Target, TargetError, load_target

QUERIES = Path(__file__).with_name("queries")
WEBHOOK_ATTEMPTS = 5
"""So often a feed is announced to a webhook that refuses; then it is a dead letter, and an alert."""

# Whether a record goes out: what it says differs from what was told last, apart from the time to
# call, which moves on by itself and is told anew when it has passed.
_PLAN_SQL = """
with told as (
    select distinct on (record_id) record_id, content
    from ops.crm_feed_rows
    where target = %(target)s and record_type = %(record_type)s
    order by record_id, sequence desc
),
known as (
    select record_id, to_jsonb(rows) - 'record_id' - '_as_of' as content,
        (to_jsonb(rows) ->> '_as_of')::timestamptz as as_of
    from ({query}) as rows
)
insert into ops.crm_feed_rows (target, sequence, record_type, record_id, content)
select %(target)s, %(sequence)s, %(record_type)s, known.record_id, known.content
from known
left join told on known.record_id = told.record_id
where told.content is null
    or known.content - 'call_at' <> told.content - 'call_at'
    or (known.content -> 'call_at' <> told.content -> 'call_at'
        and coalesce((told.content ->> 'call_at')::timestamptz <= known.as_of, true))
"""


class WebhookError(Exception):
    """Feeds are written, but could not be announced; `str()` says which and why."""


@dataclass(frozen=True)
class FeedSummary:
    """What one round did for one target; sequence is None where nothing had changed."""

    target: str
    sequence: int | None
    rows: int
    rejected: int


def write_feeds(settings: Settings) -> list[FeedSummary]:
    """Plan and write a feed of each target, read what CRMs dropped back, announce.

    Raises TargetError for a target that is none, what the bucket raised, or WebhookError once all
    targets were written.
    """
    targets = [load_target(named) for named in settings.crm_targets]
    store = ObjectStore(settings)
    summaries = []
    for target in targets:
        rejected = _read_rejections(settings, store, target)
        # A feed that was cut off goes first.
        sequence, rows = _planned(settings, target) or _plan(settings, target)
        if sequence is not None:
            _write(settings, store, target, sequence)
        summaries.append(FeedSummary(target.name, sequence, rows, rejected))
    _announce(settings, targets)
    return summaries


def feed_prefix(target: str, sequence: int) -> str:
    """Where in the bucket a feed lies."""
    return f"feeds/{target}/seq={sequence:09d}/"


def _planned(settings: Settings, target: Target) -> tuple[int, int] | None:
    with connect(settings) as connection:
        row = connection.execute(
            "select sequence, rows from ops.crm_feeds where target = %s and status = 'planned'",
            (target.name,),
        ).fetchone()
    return (row[0], row[1]) if row else None


def _plan(settings: Settings, target: Target) -> tuple[int | None, int]:
    """Fix the next feed: its number and its rows; (None, 0) where nothing changed."""
    with connect(settings) as connection:
        connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"feeds/{target.name}",)
        )
        row = connection.execute(
            "insert into ops.crm_feeds (target, sequence, rows)"
            " select %(t)s, coalesce(max(sequence), 0) + 1, 0 from ops.crm_feeds where target = %(t)s"
            " returning sequence",
            {"t": target.name},
        ).fetchall()[0]
        sequence: int = row[0]
        rows = 0
        for record_type in RECORD_TYPES:
            if record_type not in {file.record_type for file in target.files}:
                continue
            query = (QUERIES / f"{record_type}.sql").read_text(encoding="utf-8").replace("%", "%%")
            statement = _PLAN_SQL.replace("{query}", query)
            rows += connection.execute(
                statement.encode(),
                {"target": target.name, "sequence": sequence, "record_type": record_type},
            ).rowcount
        if not rows:
            connection.rollback()
            return None, 0
        connection.execute(
            "update ops.crm_feeds set rows = %s where target = %s and sequence = %s",
            (rows, target.name, sequence),
        )
    return sequence, rows


def _write(settings: Settings, store: ObjectStore, target: Target, sequence: int) -> None:
    prefix = feed_prefix(target.name, sequence)
    entries = []
    with connect(settings) as connection:
        planned_at = connection.execute(
            "select planned_at from ops.crm_feeds where target = %s and sequence = %s",
            (target.name, sequence),
        ).fetchall()[0][0]
        for file in target.files:
            body, entry = write_file(file, _rows(connection, target, sequence, file))
            with body:
                store.put(prefix + file.name, body, "application/octet-stream")
            entries.append(entry)
        manifest = {
            "target": target.name,
            "sequence": sequence,
            "previous_sequence": sequence - 1 or None,
            "schema_version": target.schema_version,
            "planned_at": planned_at.isoformat(),
            "files": entries,
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=1)
        store.put(f"{prefix}manifest.json", text.encode(), "application/json")
        store.put(f"{prefix}_SUCCESS", b"", "text/plain")
        connection.execute(
            "update ops.crm_feeds set status = 'written', written_at = now(), manifest = %s"
            " where target = %s and sequence = %s",
            (Jsonb(manifest), target.name, sequence),
        )
        if target.webhook:
            connection.execute(
                "insert into ops.crm_webhook_deliveries (target, sequence) values (%s, %s)"
                " on conflict do nothing",
                (target.name, sequence),
            )


def _rows(
    connection: Connection[Any], target: Target, sequence: int, file: FeedFile
) -> Iterator[dict[str, Any]]:
    with connection.cursor(name="feed_rows", row_factory=dict_row) as cursor:
        cursor.execute(
            "select record_id, content from ops.crm_feed_rows"
            " where target = %s and sequence = %s and record_type = %s order by record_id",
            (target.name, sequence, file.record_type),
        )
        for row in cursor:
            yield {"record_id": row["record_id"], **row["content"], "sequence": sequence}


# --- what comes back ------------------------------------------------------------------------------


def _read_rejections(settings: Settings, store: ObjectStore, target: Target) -> int:
    """Keep the rows that the CRM refused; how many are new. A file that cannot be read is one row."""
    kept = 0
    with connect(settings) as connection:
        for page in store.list_pages(f"feeds/{target.name}/rejected/"):
            for listed in page:
                body = b"".join(store.stream(listed.key, listed.etag))
                for number, row in enumerate(_refusals(listed.key, body), start=1):
                    kept += connection.execute(
                        """
                        insert into ops.crm_rejections
                            (target, object_key, row_number, sequence, record_type, record_id, reason)
                        values (%s, %s, %s, %s, %s, %s, %s)
                        on conflict do nothing
                        """,
                        (target.name, listed.key, number, *row),
                    ).rowcount
    return kept


def _refusals(key: str, body: bytes) -> Iterator[tuple[int | None, str | None, str | None, str]]:
    """Sequence, record type, record id and reason of each row of a file that a CRM dropped back."""
    try:
        text = body.decode("utf-8-sig").replace("\x00", "")
        rows: Sequence[Mapping[str, Any]]
        if key.endswith(".jsonl"):
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = list(csv.DictReader(io.StringIO(text)))
        for row in rows:
            named = {str(name).strip().lower(): value for name, value in row.items()}
            sequence = str(named.get("sequence") or named.get("callmart_sequence") or "")
            yield (
                int(sequence) if sequence.isdigit() and len(sequence) < 18 else None,
                _text(named.get("record_type")),
                _text(named.get("record_id") or named.get("id")),
                _text(named.get("reason") or named.get("error") or named.get("sf__error"))
                or "the CRM gave no reason",
            )
    except (UnicodeDecodeError, ValueError, AttributeError, csv.Error) as error:
        yield None, None, None, f"the file cannot be read: {error}"[:1000]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:1000]


# --- the webhook ----------------------------------------------------------------------------------


def _announce(settings: Settings, targets: Sequence[Target]) -> None:
    """Tell each target's webhook of the feeds it has not taken yet, in order."""
    refused: list[str] = []
    with connect(settings) as connection:
        for target in targets:
            waiting = connection.execute(
                "select sequence, attempts, manifest from ops.crm_webhook_deliveries"
                " inner join ops.crm_feeds using (target, sequence)"
                " where target = %s and crm_webhook_deliveries.status = 'waiting' order by sequence",
                (target.name,),
            ).fetchall()
            for sequence, attempts, manifest in waiting:
                try:
                    robot = robots.find_robot(settings.robots, target.webhook or "")
                    robots.post(robot, _card(settings, target, sequence, manifest))
                    status, message = "sent", None
                except robots.RobotError as error:
                    dead = attempts + 1 >= WEBHOOK_ATTEMPTS
                    status, message = "dead" if dead else "waiting", str(error)
                connection.execute(
                    sql.SQL(
                        "update ops.crm_webhook_deliveries set status = %s, message = %s,"
                        " attempts = attempts + 1, attempted_at = now()"
                        " where target = %s and sequence = %s"
                    ),
                    (status, message, target.name, sequence),
                )
                connection.commit()
                if status == "waiting":
                    refused.append(f"{target.name} {sequence}: {message}")
                    break  # those behind it keep their order
    if refused:
        raise WebhookError(f"not announced: {'; '.join(refused)}")


def _card(
    settings: Settings, target: Target, sequence: int, manifest: Mapping[str, Any]
) -> robots.Card:
    return robots.Card(
        key=f"feeds/{target.name}/{sequence}",
        title=f"CRM feed {sequence}",
        text=f"{sum(file['rows'] for file in manifest['files'])} rows for {target.name}",
        facts=tuple((file["name"], str(file["rows"]), "neutral") for file in manifest["files"]),
        link_label="manifest",
        link=f"s3://{settings.bucket}/{feed_prefix(target.name, sequence)}manifest.json",
    )


__all__ = [
    "FeedSummary",
    "TargetError",
    "WebhookError",
    "feed_prefix",
    "write_feeds",
]
