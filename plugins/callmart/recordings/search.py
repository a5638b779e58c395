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
    with connect(settings) as connection:
        asked = connection.execute("select terms from facts.quotation(%s)", (query,)).fetchone()
        if not asked or not asked[0]:
            raise ValueError(f"nothing to search for in {query!r}")
        rows = connection.execute(
            "select * from marts.transcript_search(%s, %s, %s)", (query, role, limit)
        ).fetchall()
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


def keep_folding(connection: Connection[Any], version: str) -> None:
    """Let the warehouse fold what is asked as this version folds what was said."""
    from ml.phrases.terms import character_ranges

    known = connection.execute(
        "select exists (select from facts.character_ranges where announcements_version = %s)",
        (version,),
    ).fetchone()
    if known and known[0]:
        return
    connection.execute("lock table facts.character_ranges in share row exclusive mode")
    connection.execute("delete from facts.character_ranges")
    columns = ("first_code", "last_code", "shift", "kind", "announcements_version")
    rows = ((*row, version) for row in character_ranges())
    copy_rows(connection, "facts.character_ranges", columns, rows)
