"""Full-text search over what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from callmart.settings import Settings
from callmart.warehouse import connect, copy_rows

_COLUMNS = ("transcript_sha256", "segment_index", "announcements_version", "canonical", "terms")

# The index gives the segments that hold all terms, the canonical text those that hold them side by side.
_SEARCH_SQL = """
with found as materialized (
    select words.transcript_sha256, words.segment_index
    from facts.segment_terms as words
    where words.terms @> %(terms)s and strpos(words.canonical, %(canonical)s) > 0
    limit %(scanned)s
),
-- The same content delivered for two calls is two calls.
segments as materialized (
    select transcripts.call_id, segments.*
    from found
    inner join facts.transcripts
        on found.transcript_sha256 = transcripts.content_sha256
    inner join facts.transcript_segments as segments
        on transcripts.object_id = segments.object_id
        and found.segment_index = segments.segment_index
    where %(role)s::text is null or segments.role = %(role)s
),
calls as (
    select call_id, max(started_at) as started_at from raw.calls
    where call_id in (select call_id from segments)
    group by call_id
),
chosen as (
    select segments.*, calls.started_at
    from segments
    left join calls on segments.call_id = calls.call_id
    order by calls.started_at desc nulls last, segments.call_id, segments.segment_index
    limit %(limit)s
)
select
    chosen.call_id, chosen.segment_index, chosen.role, chosen.start_ms, chosen.end_ms,
    chosen.text, chosen.started_at,
    (
        select max(object_key) from raw.recordings
        where recordings.call_id = chosen.call_id
    ) as recording_key,
    (
        select string_agg(near.text, ' ' order by near.segment_index)
        from facts.transcript_segments as near
        where near.object_id = chosen.object_id
            and near.segment_index between chosen.segment_index - 1 and chosen.segment_index + 1
    ) as context
from chosen
order by chosen.started_at desc nulls last, chosen.call_id, chosen.segment_index
"""
# A word that everybody says is in more segments than anybody reads.
_MOST_SCANNED = 10_000


@dataclass(frozen=True)
class Said:
    """One segment in which the words were found.

    context: the segments before and behind, with it; recording_key: where to listen, or None
    """

    call_id: str
    segment_index: int
    role: str | None
    start_ms: int | None
    end_ms: int | None
    text: str
    started_at: datetime | None
    recording_key: str | None
    context: str


def search_transcripts(
    settings: Settings, query: str, role: str | None = None, limit: int = 20
) -> list[Said]:
    """Segments that hold a quotation, those of the newest calls first.

    Width, case, traditional characters, blanks and punctuation do not matter; English is whole
    words. Raises ValueError where nothing of the query is left.
    """
    from ml.phrases.terms import quotation

    canonical, terms = quotation(query)
    if not terms:
        raise ValueError(f"nothing to search for in {query!r}")
    with connect(settings) as connection:
        rows = connection.execute(
            _SEARCH_SQL,
            {
                "terms": list(terms), "canonical": canonical, "role": role, "limit": limit,
                "scanned": _MOST_SCANNED,
            },
        ).fetchall()  # fmt: skip
    return [Said(*row) for row in rows]


def keep_terms(
    connection: Connection[Any], version: str, segments: Sequence[tuple[str, int, str]]
) -> None:
    """Make segments (transcript hash, place, text) ready for search, in place of older forms."""
    from ml.phrases.terms import searchable

    connection.execute("create temporary table new_terms (like facts.segment_terms) on commit drop")
    rows = []
    for sha, index, text in segments:
        canonical, terms = searchable(text)
        rows.append((sha, index, version, canonical, list(terms)))
    copy_rows(connection, "new_terms", _COLUMNS, rows)
    connection.execute(
        """
        insert into facts.segment_terms
        select * from new_terms
        on conflict (transcript_sha256, segment_index) do update
        set announcements_version = excluded.announcements_version,
            canonical = excluded.canonical, terms = excluded.terms
        where segment_terms.canonical is distinct from excluded.canonical
        """
    )
