"""The ledger: which object of the bucket was taken, and what became of it (`ops.objects`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from callmart.contracts.outcomes import OUTCOMES
from callmart.landing.errors import FileError
from callmart.landing.mappings import Mappings
from callmart.landing.store import ListedObject
from callmart.landing.tables import RejectedRow
from callmart.warehouse import copy_rows

MAX_ATTEMPTS = 5
"""How often an object is taken up again that failed for another reason than its content."""


@dataclass(frozen=True)
class LedgerObject:
    """A row of the ledger that is being loaded."""

    object_id: int
    bucket: str
    object_key: str
    etag: str
    size_bytes: int
    modified_at: datetime
    attempts: int
    rows_loaded: int | None
    entities: list[str] | None


def enter(conn: Connection, bucket: str, listed: Sequence[ListedObject], mappings: Mappings) -> int:
    """Enter the objects of one listed page that the ledger does not know; returns how many."""
    listed = [item for item in listed if not mappings.is_ignored(item.key)]
    unknown = conn.execute(
        "select l.place from unnest(%s::text[], %s::text[], %s::bigint[])"
        "   with ordinality as l (object_key, etag, size_bytes, place)"
        " where not exists (select from ops.objects o where o.bucket = %s"
        "   and o.object_key = l.object_key and o.etag = l.etag and o.size_bytes = l.size_bytes)",
        (
            [item.key for item in listed],
            [item.etag for item in listed],
            [item.size_bytes for item in listed],
            bucket,
        ),
    ).fetchall()
    entered = conn.execute(
        "update ops.objects o set status = 'discovered', modified_at = l.modified_at"
        " from unnest(%s::text[], %s::text[], %s::bigint[], %s::timestamptz[])"
        "   as l (object_key, etag, size_bytes, modified_at)"
        " where o.status = 'skipped' and o.bucket = %s"
        "   and o.object_key = l.object_key and o.etag = l.etag and o.size_bytes = l.size_bytes",
        (
            [item.key for item in listed],
            [item.etag for item in listed],
            [item.size_bytes for item in listed],
            [item.modified_at for item in listed],
            bucket,
        ),
    ).rowcount
    for (place,) in unknown:
        item = listed[place - 1]
        kind: str = "unknown"
        source: str | None = None
        delivered_on: date | None = None
        try:
            route = mappings.route(item.key, item.modified_at)
            kind, source, delivered_on = route.kind, route.source, route.delivered_on
        except FileError:
            kind = "unknown"  # loading says what is wrong with the key, and quarantines it
        entered += conn.execute(
            "insert into ops.objects"
            " (bucket, object_key, etag, size_bytes, modified_at, kind, source, delivered_on, status)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, 'discovered') on conflict do nothing",
            (
                bucket,
                item.key,
                item.etag,
                item.size_bytes,
                item.modified_at,
                kind,
                source,
                delivered_on,
            ),
        ).rowcount
    return entered


def pending(conn: Connection, bucket: str) -> list[tuple[int, str, int]]:
    """(object id, kind, size in bytes) of what waits to be loaded, oldest delivery first."""
    return conn.execute(
        "select object_id, kind, size_bytes from ops.objects"
        " where bucket = %s and (status = 'discovered' or status = 'failed' and attempts < %s)"
        " order by delivered_on nulls last, object_id",
        (bucket, MAX_ATTEMPTS),
    ).fetchall()


def claim(conn: Connection, object_id: int) -> LedgerObject | None:
    """Lock a waiting object for this transaction; None where another run has it or it is done."""
    with conn.cursor(row_factory=class_row(LedgerObject)) as cursor:
        return cursor.execute(
            "select object_id, bucket, object_key, etag, size_bytes, modified_at, attempts,"
            " rows_loaded, entities from ops.objects"
            " where object_id = %s and status in ('discovered', 'failed')"
            " for update skip locked",
            (object_id,),
        ).fetchone()


def finish(conn: Connection, object_id: int, values: Mapping[str, Any]) -> None:
    """Write an object's outcome; `values` are columns of `ops.objects`."""
    from psycopg import sql

    conn.execute(
        sql.SQL(
            "update ops.objects set finished_at = now(), attempts = attempts + 1, {} where object_id = %s"
        ).format(
            sql.SQL(", ").join(
                sql.SQL("{} = %s").format(sql.Identifier(column)) for column in values
            )
        ),
        (*values.values(), object_id),
    )


def fail(conn: Connection, object_id: int, message: str) -> None:
    """Note that loading failed for another reason than the content; it is tried again."""
    conn.execute(
        "update ops.objects set status = 'failed', attempts = attempts + 1, message = %s,"
        " finished_at = now() where object_id = %s and status in ('discovered', 'failed')",
        (message[:2000], object_id),
    )


def note(conn: Connection, object_id: int, notices: Iterable[tuple[str, str, str]]) -> None:
    """Write what is odd but loaded: (kind, subject, detail)."""
    for kind, subject, detail in notices:
        conn.execute(
            "insert into ops.notices (object_id, kind, subject, detail) values (%s, %s, %s, %s)"
            " on conflict (object_id, kind, subject) do update set detail = excluded.detail",
            (object_id, kind, subject, detail),
        )


def quarantine_rows(
    conn: Connection, taken: LedgerObject, rejected: Sequence[tuple[str | None, RejectedRow]]
) -> None:
    """Write an object's bad rows, (entity, row) each; of an earlier attempt only these stay open."""
    if taken.attempts:
        # A row that still fails keeps its place in the quarantine, with today's reason.
        for entity, row in rejected:
            conn.execute(
                "delete from ops.quarantine where object_id = %s and scope = 'row'"
                " and row_number = %s and entity is not distinct from %s and status <> 'resolved'",
                (taken.object_id, row.row_number, entity),
            )
        resolve(conn, taken.object_id)
    copy_rows(
        conn,
        "ops.quarantine",
        (
            "object_id",
            "object_key",
            "scope",
            "entity",
            "row_number",
            "record_key",
            "rule",
            "reason",
            "payload",
        ),
        (
            (
                taken.object_id,
                taken.object_key,
                "row",
                entity,
                row.row_number,
                row.record_key,
                row.rule,
                row.reason,
                Jsonb(row.payload),
            )
            for entity, row in rejected
        ),
    )


def quarantine_file(conn: Connection, object_id: int, rule: str, reason: str) -> None:
    """Quarantine a whole object (again): its status and one open entry with rule and reason.

    Within the caller's transaction. Also for what later steps find, e.g. audio that cannot be
    decoded. Raises LookupError for an object that the ledger does not know.
    """
    row = conn.execute(
        "update ops.objects set status = 'quarantined', message = %s where object_id = %s"
        " returning object_key",
        (reason, object_id),
    ).fetchone()
    if row is None:
        raise LookupError(f"the ledger has no object {object_id}")
    known = conn.execute(
        "update ops.quarantine set status = 'open', closed_at = null, reason = %s"
        " where quarantine_id = (select min(quarantine_id) from ops.quarantine"
        "   where object_id = %s and scope = 'file' and rule = %s)",
        (reason, object_id, rule),
    ).rowcount
    if not known:
        conn.execute(
            "insert into ops.quarantine (object_id, object_key, scope, rule, reason)"
            " values (%s, %s, 'file', %s, %s)",
            (object_id, row[0], rule, reason),
        )


def resolve(conn: Connection, object_id: int) -> None:
    """Close what is open of an object."""
    conn.execute(
        "update ops.quarantine set status = 'resolved', closed_at = now()"
        " where object_id = %s and status <> 'resolved'",
        (object_id,),
    )


def resolve_superseded(conn: Connection, bucket: str, object_key: str) -> None:
    """Close what is open of versions of a key that a later, loaded version replaced."""
    conn.execute(
        "update ops.quarantine q set status = 'resolved', closed_at = now()"
        " from ops.objects o where q.object_id = o.object_id and q.status <> 'resolved'"
        "   and o.bucket = %s and o.object_key = %s"
        "   and exists (select from ops.objects n where n.bucket = o.bucket"
        "     and n.object_key = o.object_key and n.modified_at > o.modified_at"
        "     and n.status in ('loaded', 'duplicate'))",
        (bucket, object_key),
    )


def lock_content(conn: Connection, *scope: str) -> None:
    """Let one transaction at a time load this content for this purpose."""
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", ("\n".join(scope),))


def sync_dispositions(conn: Connection, mappings: Mappings) -> None:
    """Make `ops.disposition_words` what the mappings say, source by source.

    The outcome words of the contract map to themselves in every source.
    """
    wanted: dict[tuple[str, str], str | None] = {}
    for mapping in mappings.sources.values():
        folded = {word.strip().casefold() for word in mapping.dispositions}
        for word, outcome in mapping.dispositions.items():
            wanted[(mapping.source, word.strip())] = outcome
        for outcome in OUTCOMES - folded:
            wanted[(mapping.source, outcome)] = outcome
    lock_content(conn, "disposition_words")
    known = {
        (source, word): outcome
        for source, word, outcome in conn.execute(
            "select source, disposition, outcome from ops.disposition_words"
        )
    }
    if known == wanted:
        return
    conn.execute("delete from ops.disposition_words")
    copy_rows(
        conn,
        "ops.disposition_words",
        ("source", "disposition", "outcome"),
        [(source, word, outcome) for (source, word), outcome in sorted(wanted.items())],
    )
