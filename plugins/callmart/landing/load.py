"""From the bucket into raw: discover, load, requeue.

Each object is one transaction: its ledger row is locked, its content read and copied, its outcome written.
A kill anywhere leaves the object as if it had never been touched; several runs at once share the work.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Any

import psycopg
from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from callmart.contracts import Entity
from callmart.landing import ledger
from callmart.landing.errors import FileError
from callmart.landing.ledger import LedgerObject
from callmart.landing.mappings import Mappings, Route, TableFiles, load_mappings
from callmart.landing.store import ObjectGoneError, ObjectStore
from callmart.settings import Settings
from callmart.warehouse import connect, copy_rows, copy_table

if TYPE_CHECKING:
    from callmart.landing.rows import CheckedRows

log = logging.getLogger(__name__)

BATCH_BYTES = 256 << 20
"""A batch of extracts ends when it holds so much; recordings are only hashed and count a tenth."""


@dataclass
class LoadSummary:
    """What became of the objects of one call."""

    loaded: int = 0
    duplicates: int = 0
    quarantined: int = 0
    failed: int = 0
    skipped: int = 0
    """Done already, in the hands of another run, or gone from the bucket before it was read."""
    rows_loaded: int = 0
    rows_quarantined: int = 0
    messages: list[str] = field(default_factory=list)
    """One a file that was quarantined or failed: key and reason."""


def discover(settings: Settings, batch_size: int = 200) -> list[dict[str, Any]]:
    """Enter what is new in the bucket; batches of all that waits to be loaded.

    A batch is `{"object_ids": [int, …], "label": "crm 12 (…)"}` with at most `batch_size` objects of one
    kind and about 256 MiB. An empty list: nothing waits. Cheap when nothing is new: the listing,
    one query a page of 1 000 keys, and no writes.
    """
    mappings = load_mappings(settings)
    store = ObjectStore(settings)
    with connect(settings) as conn:
        for page in store.list_pages():
            if ledger.enter(conn, store.bucket, page, mappings):
                conn.commit()
        waiting = ledger.pending(conn, store.bucket)
    batches: list[dict[str, Any]] = []
    kinds = sorted({kind for _, kind, _ in waiting})
    for kind in kinds:
        ids: list[int] = []
        weight = 0
        for object_id, object_kind, size in waiting:
            if object_kind != kind:
                continue
            cost = size if kind == "crm" else size // 10
            if ids and (len(ids) >= batch_size or weight + cost > BATCH_BYTES):
                batches.append(_batch(kind, ids))
                ids, weight = [], 0
            ids.append(object_id)
            weight += cost
        if ids:
            batches.append(_batch(kind, ids))
    return batches


def _batch(kind: str, ids: list[int]) -> dict[str, Any]:
    return {"object_ids": ids, "label": f"{kind}: {len(ids)} from object {ids[0]}"}


def load_objects(settings: Settings, object_ids: Iterable[int]) -> LoadSummary:
    """Load objects of the ledger; what is done already, or in other hands, is skipped.

    A file that breaks the contract is quarantined and the rest goes on; an object that fails for
    another reason (network, database) is marked `failed`, counted, and taken up by the next
    `discover`.
    """
    mappings = load_mappings(settings)
    store = ObjectStore(settings)
    summary = LoadSummary()
    with connect(settings) as conn:
        ledger.sync_dispositions(conn, mappings)
        conn.commit()
        for object_id in object_ids:
            _load_object(conn, store, mappings, object_id, summary)
    return summary


def _load_object(
    conn: Connection, store: ObjectStore, mappings: Mappings, object_id: int, summary: LoadSummary
) -> None:
    try:
        with conn.transaction():
            taken = ledger.claim(conn, object_id)
            if taken is None:
                summary.skipped += 1
                return
            outcome = _process(conn, store, mappings, taken)
            ledger.finish(conn, object_id, outcome)
            ledger.resolve_superseded(conn, taken.bucket, taken.object_key)
    except Exception as error:
        # The reason goes into the ledger and the log; the other objects do not wait for this one.
        log.exception("object %s could not be loaded", object_id)
        message = f"{type(error).__name__}: {error}"
        with conn.transaction():
            ledger.fail(conn, object_id, message)
        summary.failed += 1
        summary.messages.append(f"object {object_id}: {message}")
        return
    if outcome["status"] == "quarantined":
        summary.quarantined += 1
        summary.messages.append(f"{taken.object_key}: {outcome['message']}")
    elif outcome["status"] == "skipped":
        summary.skipped += 1
        summary.messages.append(f"{taken.object_key}: {outcome['message']}")
    elif outcome["status"] == "duplicate":
        summary.duplicates += 1
    else:
        summary.loaded += 1
        summary.rows_loaded += outcome.get("rows_loaded") or 0
        summary.rows_quarantined += outcome.get("rows_quarantined") or 0


def _process(
    conn: Connection, store: ObjectStore, mappings: Mappings, taken: LedgerObject
) -> dict[str, Any]:
    """Load one claimed object; returns the columns of its outcome. Quarantines bad files."""
    outcome: dict[str, Any] = {"message": None, "duplicate_of": None}
    try:
        with conn.transaction():
            route = mappings.route(taken.object_key, taken.modified_at)
            outcome |= {
                "kind": route.kind,
                "source": route.source,
                "delivered_on": route.delivered_on,
            }
            if route.tables is not None:
                _ExtractLoad(conn, store, mappings, taken, route, route.tables, outcome).run()
            elif route.kind == "recording":
                _load_recording(conn, store, taken, route, outcome)
            else:
                _load_transcript(conn, store, taken, route, outcome)
    except ObjectGoneError as error:
        # What the key holds now is an object of its own; of this version nothing is left to load.
        outcome |= {"status": "skipped", "message": error.reason}
    except FileError as error:
        outcome |= {"rows_read": error.rows, "rows_quarantined": error.rows}
        _quarantine(conn, taken, error.rule, error.reason, outcome)
    except psycopg.DataError as error:
        reason = f"refused by the database: {error.diag.message_primary}"
        _quarantine(conn, taken, "refused", reason, outcome)
    return outcome


def _quarantine(
    conn: Connection, taken: LedgerObject, rule: str, reason: str, outcome: dict[str, Any]
) -> None:
    twin = outcome.pop("quarantined_twin", None)
    if twin is not None:
        # The same content is in quarantine already, under another key: nothing new to judge.
        outcome |= {"status": "duplicate", "duplicate_of": twin, "message": reason}
        return
    ledger.resolve(conn, taken.object_id)
    ledger.quarantine_file(conn, taken.object_id, rule, reason)
    outcome |= {"status": "quarantined", "message": reason, "rows_loaded": 0}


# --- extracts ---------------------------------------------------------------------------------------------


class _ExtractLoad:
    """Loads one extract: all its rows, or none."""

    def __init__(
        self,
        conn: Connection,
        store: ObjectStore,
        mappings: Mappings,
        taken: LedgerObject,
        route: Route,
        files: TableFiles,
        outcome: dict[str, Any],
    ) -> None:
        from callmart.landing.extracts import Extract
        from callmart.landing.rows import Locale

        self._conn = conn
        self._store = store
        self._taken = taken
        self._route = route
        self._outcome = outcome
        locale = Locale(
            mappings.source_time_zone(route.source, route.tables),
            mappings.source_country(route.source, route.tables),
        )
        self._extract = Extract(route, files, locale)
        self._entities = self._extract.entities
        self._loaded = 0

    def run(self) -> None:
        file, content = self._store.spool(self._taken.object_key, self._taken.etag)
        with file:
            self._outcome |= {"content_sha256": content, "entities": list(self._entities)}
            if self._is_duplicate(content):
                return
            if self._taken.attempts:
                self._forget_rows()
            self._read(file)
        self._outcome.pop("quarantined_twin", None)
        ledger.note(self._conn, self._taken.object_id, self._extract.notices())
        ledger.quarantine_rows(self._conn, self._taken, self._extract.rejected)
        self._outcome |= {
            "status": "loaded",
            "rows_read": self._extract.rows_read,
            "rows_loaded": self._loaded,
            "rows_quarantined": len(self._extract.rejected),
        }

    def _read(self, file: IO[bytes]) -> None:
        extract = self._extract
        try:
            for entity, checked in extract.parts(file):
                self._copy(entity, checked)
        finally:
            self._outcome |= {
                "encoding": extract.encoding,
                "compression": extract.compression,
                "delimiter": extract.delimiter,
            }

    def _is_duplicate(self, content: str) -> bool:
        """Whether these bytes came under another key of the same entity and day.

        Of several keys the greatest keeps the rows: the same rows as if each had been loaded, in
        whatever order they came.
        """
        ledger.lock_content(
            self._conn, "crm", *self._entities, str(self._route.delivered_on), content
        )
        twins = self._conn.execute(
            "select object_id, object_key, status from ops.objects"
            " where content_sha256 = %s and bucket = %s and kind = 'crm' and delivered_on = %s"
            "   and source = %s and entities = %s and object_id <> %s"
            "   and status in ('loaded', 'quarantined', 'erased')",
            (
                content,
                self._taken.bucket,
                self._route.delivered_on,
                self._route.source,
                list(self._entities),
                self._taken.object_id,
            ),
        ).fetchall()
        for object_id, object_key, status in twins:
            if status == "quarantined":
                self._outcome["quarantined_twin"] = object_id
                continue
            if status == "loaded" and object_key.encode() < self._taken.object_key.encode():
                self._take_over(object_id)
            else:
                self._outcome |= {
                    "status": "duplicate",
                    "duplicate_of": object_id,
                    "message": f"the same content as {object_key}",
                }
                if self._taken.attempts:
                    ledger.resolve(self._conn, self._taken.object_id)
            return True
        return False

    def _take_over(self, other: int) -> None:
        """Make this object the one that delivered the rows of `other`."""
        taken = self._taken
        for entity in self._entities:
            self._conn.execute(
                sql.SQL(
                    "update {} set _object_id = %s, _object_key = %s, _object_modified_at = %s"
                    " where _object_id = %s"
                ).format(sql.Identifier("raw", entity)),
                (taken.object_id, taken.object_key, taken.modified_at, other),
            )
        _move_findings(self._conn, other, taken)
        self._outcome |= _counts(self._conn, other) | {"status": "loaded"}
        _mark_duplicate(self._conn, other, taken)

    def _forget_rows(self) -> None:
        """Remove what an earlier attempt loaded of this object: it is read anew."""
        for entity in {*self._entities, *(self._taken.entities or ())}:
            self._conn.execute(
                sql.SQL("delete from {} where _object_id = %s").format(
                    sql.Identifier("raw", entity)
                ),
                (self._taken.object_id,),
            )
        self._conn.execute("delete from ops.notices where object_id = %s", (self._taken.object_id,))

    def _copy(self, entity: Entity, checked: CheckedRows) -> None:
        import pyarrow as pa

        count = checked.table.num_rows
        if not count:
            return
        table = checked.table
        for name, value in (
            ("_object_id", pa.scalar(self._taken.object_id, pa.int64())),
            ("_delivered_on", pa.scalar(self._route.delivered_on, pa.date32())),
            ("_object_key", pa.scalar(self._taken.object_key, pa.string())),
            ("_object_modified_at", pa.scalar(self._taken.modified_at, pa.timestamp("us", "UTC"))),
            ("_source", pa.scalar(self._route.source, pa.string())),
        ):
            table = table.append_column(name, pa.repeat(value, count))
        self._loaded += copy_table(self._conn, f"raw.{entity.name}", table)


def _move_findings(conn: Connection, other: int, taken: LedgerObject) -> None:
    conn.execute(
        "update ops.quarantine set object_id = %s, object_key = %s where object_id = %s",
        (taken.object_id, taken.object_key, other),
    )
    conn.execute(
        "update ops.notices set object_id = %s where object_id = %s", (taken.object_id, other)
    )


def _counts(conn: Connection, other: int) -> dict[str, Any]:
    row = conn.execute(
        "select rows_read, rows_loaded, rows_quarantined, encoding, delimiter, compression"
        " from ops.objects where object_id = %s",
        (other,),
    ).fetchone()
    names = ("rows_read", "rows_loaded", "rows_quarantined", "encoding", "delimiter", "compression")
    return dict(zip(names, row or (), strict=True))


def _mark_duplicate(conn: Connection, other: int, taken: LedgerObject) -> None:
    conn.execute(
        "update ops.objects set duplicate_of = %s where duplicate_of = %s",
        (taken.object_id, other),
    )
    conn.execute(
        "update ops.objects set status = 'duplicate', duplicate_of = %s, message = %s,"
        " rows_read = null, rows_loaded = null, rows_quarantined = null where object_id = %s",
        (taken.object_id, f"the same content as {taken.object_key}", other),
    )


# --- recordings and transcripts ---------------------------------------------------------------------------


def _load_recording(
    conn: Connection, store: ObjectStore, taken: LedgerObject, route: Route, outcome: dict[str, Any]
) -> None:
    """Enter a recording; the same bytes for the same side of a call are one recording.

    Of several deliveries the earliest day's (then the least key) stays, in whatever order they came.
    """
    if taken.size_bytes == 0:
        raise FileError("empty_file", "the file is empty")
    content = store.hash(taken.object_key, taken.etag)
    outcome["content_sha256"] = content
    call_id = route.call_id or ""
    ledger.lock_content(conn, "recording", call_id, route.side, content)
    twin = conn.execute(
        "select r.object_id, r.object_key, r.delivered_on, o.status, o.message"
        " from raw.recordings r join ops.objects o using (object_id)"
        " where r.call_id = %s and r.side = %s and r.content_sha256 = %s and r.object_id <> %s",
        (call_id, route.side, content, taken.object_id),
    ).fetchone()
    ledger.resolve(conn, taken.object_id)
    if twin and (twin[2], twin[1].encode()) <= (route.delivered_on, taken.object_key.encode()):
        outcome |= {
            "status": "duplicate",
            "duplicate_of": twin[0],
            "message": f"the same recording as {twin[1]}",
        }
        return
    conn.execute(
        "insert into raw.recordings (object_id, call_id, side, object_key, extension,"
        " content_sha256, size_bytes, delivered_on) values (%s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict (object_id) do update set call_id = excluded.call_id, side = excluded.side,"
        " content_sha256 = excluded.content_sha256, delivered_on = excluded.delivered_on",
        (
            taken.object_id,
            call_id,
            route.side,
            taken.object_key,
            route.extension,
            content,
            taken.size_bytes,
            route.delivered_on,
        ),
    )
    outcome |= {"status": "loaded", "rows_read": 1, "rows_loaded": 1, "rows_quarantined": 0}
    if twin:
        conn.execute("delete from raw.recordings where object_id = %s", (twin[0],))
        for column in ("object_id", "agent_object_id", "customer_object_id"):
            conn.execute(
                sql.SQL(
                    "update facts.call_recordings set {0} = %s, object_key = %s, delivered_on = %s"
                    " where {0} = %s"
                ).format(sql.Identifier(column)),
                (taken.object_id, taken.object_key, route.delivered_on, twin[0]),
            )
        _move_findings(conn, twin[0], taken)
        if twin[3] == "quarantined":
            outcome |= {"status": "quarantined", "message": twin[4]}
        _mark_duplicate(conn, twin[0], taken)


def _load_transcript(
    conn: Connection, store: ObjectStore, taken: LedgerObject, route: Route, outcome: dict[str, Any]
) -> None:
    """Enter a transcript and its segments; the same bytes for the same call are one transcript."""
    from ml.transcripts import TranscriptError, read_transcript

    file, content = store.spool(taken.object_key, taken.etag)
    with file:
        data = file.read()
    outcome["content_sha256"] = content
    call_id = route.call_id or ""
    ledger.lock_content(conn, "transcript", call_id, content)
    twin = conn.execute(
        "select object_id, object_key, delivered_on from raw.transcripts"
        " where call_id = %s and content_sha256 = %s and object_id <> %s",
        (call_id, content, taken.object_id),
    ).fetchone()
    if twin and (twin[2], twin[1].encode()) <= (route.delivered_on, taken.object_key.encode()):
        ledger.resolve(conn, taken.object_id)
        outcome |= {
            "status": "duplicate",
            "duplicate_of": twin[0],
            "message": f"the same transcript as {twin[1]}",
        }
        return
    try:
        transcript = read_transcript(data, taken.object_key.rsplit("/", 1)[-1], call_id)
    except TranscriptError as error:
        raise FileError("broken_transcript", f"broken transcript: {error}") from error
    for object_id in [taken.object_id, *([twin[0]] if twin else [])]:
        conn.execute("delete from raw.transcript_segments where object_id = %s", (object_id,))
        conn.execute("delete from raw.transcripts where object_id = %s", (object_id,))
    conn.execute(
        "insert into raw.transcripts (object_id, call_id, object_key, format, language, engine,"
        " content_sha256, segments, is_connected, problems, delivered_on)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            taken.object_id,
            call_id,
            taken.object_key,
            transcript.format,
            transcript.language,
            transcript.engine,
            content,
            len(transcript.segments),
            transcript.is_connected,
            Jsonb([str(problem) for problem in transcript.problems]),
            route.delivered_on,
        ),
    )
    copy_rows(
        conn,
        "raw.transcript_segments",
        ("object_id", "segment_index", "role", "start_ms", "end_ms", "text", "words"),
        (
            (
                taken.object_id,
                segment.index,
                segment.role,
                segment.start_ms,
                segment.end_ms,
                segment.text,
                Jsonb([asdict(word) for word in segment.words]) if segment.words else None,
            )
            for segment in transcript.segments
        ),
    )
    ledger.resolve(conn, taken.object_id)
    count = len(transcript.segments)
    outcome |= {"status": "loaded", "rows_read": count, "rows_loaded": count, "rows_quarantined": 0}
    if twin:
        _mark_duplicate(conn, twin[0], taken)


# --- quarantine again -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RequeueSelector:
    """Which quarantined items to drive again; one of the three."""

    key: str | None = None
    """A glob over keys, as in the source mappings."""
    quarantine_id: int | None = None
    everything: bool = False


@dataclass
class RequeueSummary:
    """What became of quarantined items that were driven again."""

    items: int
    objects: int
    resolved: int
    still_open: int
    load: LoadSummary


def requeue(settings: Settings, selector: RequeueSelector) -> RequeueSummary:
    """Drive quarantined files and rows again, after a fix of the mapping, the contract, the code.

    The whole object is read anew in one transaction, so that nothing is doubled; what fails again
    stays open with today's reason. Raises ValueError for a selector that selects nothing by form,
    LookupError for an id that the quarantine does not have open.
    """
    from callmart.landing.mappings import compile_glob

    load_mappings(settings)  # a faulty mapping is refused before anything is marked
    chosen = (selector.key is not None, selector.quarantine_id is not None, selector.everything)
    if sum(chosen) != 1:
        raise ValueError("name either a key, an id, or everything")
    with connect(settings) as conn:
        found: Sequence[tuple[int, int, str]] = conn.execute(
            "select q.quarantine_id, q.object_id, q.object_key from ops.quarantine q"
            " join ops.objects o using (object_id)"
            " where q.status in ('open', 'requeued') and o.bucket = %s"
            # A manifest is read anew by the next training, not by loading.
            " and o.kind <> 'training' order by q.quarantine_id"
            " for update",
            (settings.bucket,),
        ).fetchall()
        if selector.key is not None:
            glob = compile_glob(selector.key)
            found = [row for row in found if glob.fullmatch(row[2])]
        elif selector.quarantine_id is not None:
            found = [row for row in found if row[0] == selector.quarantine_id]
            if not found:
                raise LookupError(f"nothing open has the id {selector.quarantine_id}")
        items = [row[0] for row in found]
        objects = sorted({row[1] for row in found})
        conn.execute(
            "update ops.quarantine set status = 'requeued' where object_id = any(%s)"
            " and status = 'open'",
            (objects,),
        )
        conn.execute(
            "update ops.objects set status = 'discovered', attempts = greatest(attempts, 1)"
            " where object_id = any(%s)",
            (objects,),
        )
        # Audio that could not be read is heard again.
        conn.execute(
            "delete from facts.recordings r using facts.call_recordings c"
            " where c.content_hash = r.content_hash and r.outcome = 'unreadable'"
            "   and array[c.object_id, c.agent_object_id, c.customer_object_id] && %s::bigint[]",
            (objects,),
        )
    summary = load_objects(settings, objects)
    with connect(settings) as conn:
        row = conn.execute(
            "select count(*) filter (where quarantine_id = any(%s) and status = 'resolved'),"
            " count(*) filter (where status <> 'resolved')"
            " from ops.quarantine where object_id = any(%s)",
            (items, objects),
        ).fetchone()
    resolved, still_open = row or (0, 0)
    return RequeueSummary(len(items), len(objects), resolved, still_open, summary)
