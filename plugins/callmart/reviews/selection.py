"""Which phrase hits wait for a verdict, and in what order they are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from psycopg.rows import class_row

from callmart.settings import Settings
from callmart.warehouse import connect

# A hit that was never reviewed waits, and one that was appealed. A random pick is drawn among all hits of its
# rule that match, reviewed or not: drawn among what the worst-first order left over, it would be biased. The
# order by a hash of seed and hit is the same on every machine and in every run.
_HITS_SQL = """
with hits as (
    select
        violations.*,
        row_number() over (
            partition by violations.rule_id
            order by md5(%(seed)s::text || '|' || violations.hit_id), violations.hit_id
        ) as draw
    from marts.phrase_violations as violations
    where
        (%(since)s::date is null or violations.call_date >= %(since)s)
        and (%(rule)s::text is null or violations.rule_id = %(rule)s)
),
chosen as (
    select * from hits
    where
        (review_verdict is null or review_verdict = 'appealed')
        and (%(sample)s::bigint is null or draw <= %(sample)s)
)
select
    chosen.hit_id, chosen.call_id, chosen.rule_id, chosen.rule_name_en, chosen.rule_name_zh, chosen.kind,
    chosen.severity, chosen.points, chosen.role, chosen.agent_id, calls.agent_name, chosen.started_at,
    chosen.start_ms, chosen.quoted_text, chosen.context, calls.recording_key,
    chosen.review_verdict as verdict_so_far, chosen.review_comment as comment_so_far,
    %(selection)s::text as selection
from chosen
left join lateral (
    select
        (
            select max(recordings.object_key) from raw.recordings
            where recordings.call_id = chosen.call_id
        ) as recording_key,
        (
            select agents.name from raw.agents
            where agents.agent_id = chosen.agent_id
            order by agents.updated_at desc nulls last, agents._delivered_on desc, agents._object_key desc
            limit 1
        ) as agent_name
) as calls on true
order by
    array_position(array['critical', 'major', 'minor'], chosen.severity),
    chosen.started_at desc, chosen.call_id, chosen.segment_index nulls last, chosen.char_start, chosen.hit_id
limit %(limit)s
"""


@dataclass(frozen=True)
class WaitingHit:
    """One phrase hit without a verdict that still holds.

    quoted_text and context are null for a phrase that was missing; verdict_so_far is `appealed` or
    None; start_ms is the place in the recording.
    """

    hit_id: str
    call_id: str
    rule_id: str
    rule_name_en: str
    rule_name_zh: str
    kind: str
    severity: str
    points: float
    role: str | None
    agent_id: str | None
    agent_name: str | None
    started_at: datetime
    start_ms: int | None
    quoted_text: str | None
    context: str | None
    recording_key: str | None
    verdict_so_far: str | None
    comment_so_far: str | None
    selection: Literal["worst", "random"]


def read_hits(
    settings: Settings,
    *,
    since: date | None = None,
    rule: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> list[WaitingHit]:
    """Hits that wait for a verdict: the gravest first, among equals the newest call.

    With `sample`, of each rule that many random hits of all that match (`seed` decides which); those
    among them that have a verdict need none and are left out, so the list may be shorter. Raises
    psycopg.Error where the warehouse does not answer or its marts were never built.
    """
    with (
        connect(settings) as connection,
        connection.cursor(row_factory=class_row(WaitingHit)) as rows,
    ):
        return rows.execute(
            _HITS_SQL,
            {
                "since": since, "rule": rule, "limit": limit, "sample": sample, "seed": seed,
                "selection": "worst" if sample is None else "random",
            },
        ).fetchall()  # fmt: skip
