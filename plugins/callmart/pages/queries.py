"""What the pages show, read from the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

Row = Mapping[str, Any]

# Today is the business day. A lag is from the object's discovery on; a recording is heard once, whenever.
FLOW_SQL: LiteralString = """
with today as (select (now() at time zone %(zone)s)::date::timestamp at time zone %(zone)s as start),
objects as (
    select objects.*, (
        select min(recordings.analysed_at)
        from facts.call_recordings as links
        inner join facts.recordings on links.content_hash = recordings.content_hash
        where objects.object_id in (links.object_id, links.agent_object_id, links.customer_object_id)
    ) as analysed_at
    from ops.objects, today
    where objects.discovered_at >= today.start
)
select
    (select count(*) from objects) as landed,
    (select max(discovered_at) from ops.objects) as landed_at,
    (select count(*) from ops.objects where status in ('discovered', 'loading', 'failed')) as waiting,
    (select count(*) from objects where status = 'loaded') as loaded,
    (select max(finished_at) from ops.objects where status = 'loaded') as loaded_at,
    (select percentile_cont(0.5) within group (order by extract(epoch from finished_at - discovered_at))
        from objects where status = 'loaded') as loaded_lag,
    (select count(*) from objects where analysed_at is not null) as analysed,
    (select count(*) from objects where kind = 'recording' and status = 'loaded' and analysed_at is null)
        as unanalysed,
    (select max(analysed_at) from facts.recordings) as analysed_at,
    (select percentile_cont(0.5) within group (order by extract(epoch from analysed_at - discovered_at))
        from objects where analysed_at is not null) as analysed_lag,
    (select count(*) from ops.step_runs, today
        where dag_id = 'build_marts' and task_id = 'validate_marts' and outcome = 'succeeded'
        and finished_at >= today.start) as built,
    (select max(finished_at) from ops.step_runs
        where dag_id = 'build_marts' and task_id = 'validate_marts' and outcome = 'succeeded') as built_at,
    (select percentile_cont(0.5)
            within group (order by extract(epoch from built.finished_at - objects.discovered_at))
        from objects
        cross join lateral (
            select min(finished_at) as finished_at from ops.step_runs
            where dag_id = 'build_marts' and task_id = 'validate_marts' and outcome = 'succeeded'
                and started_at >= objects.finished_at
        ) as built
        where objects.status = 'loaded') as built_lag,
    (select count(*) from ops.report_deliveries, today where status = 'sent' and attempted_at >= today.start)
        as reported,
    (select max(attempted_at) from ops.report_deliveries where status = 'sent') as reported_at,
    (select count(*) from ops.crm_feeds, today where written_at >= today.start) as fed,
    (select max(written_at) from ops.crm_feeds) as fed_at
"""

ALERTS_SQL: LiteralString = """
select check_name, subject, severity, message, opened_at, last_seen_at
from ops.alerts where closed_at is null
order by array_position(array['critical', 'major', 'minor'], severity), opened_at desc
limit 50
"""

DELIVERIES_SQL: LiteralString = """
select report, period_start, period_end, audience, language, channel, recipient, status, message, attempted_at
from ops.report_deliveries order by attempted_at desc, delivery_id desc limit 20
"""

FRESHNESS_SQL: LiteralString = """
select entity, source, newest_row_at, newest_load_at, rows_quarantined + files_quarantined as quarantined
from marts.data_freshness order by entity, source
"""

QUARANTINE_SQL: LiteralString = """
select quarantine_id, object_key, scope, entity, row_number, record_key, rule, reason, payload, quarantined_at
from ops.quarantine where status = 'open'
order by quarantined_at desc, quarantine_id desc
limit %(limit)s offset %(offset)s
"""

CUSTOMER_SQL: LiteralString = """
select customer_id, tier, tier_en, tier_zh, total_score, fit_score, engagement_score, confidence,
    change_reason_en, change_reason_zh, valid_from
from marts.customer_quality where customer_id = %(customer_id)s and is_current
"""

TIMELINE_SQL: LiteralString = """
select event_number, occurred_at, event_type, call_id, place_ms, summary_en, summary_zh
from marts.customer_timeline where customer_id = %(customer_id)s
order by event_number desc limit 500
"""

CALL_SQL: LiteralString = """
select calls.call_id, calls.direction, calls.customer_id, calls.agent_id, calls.started_at,
    calls.is_connected, calls.decided_by, calls.is_disputed,
    outcomes.name_en as outcome_en, outcomes.name_zh as outcome_zh
from marts.calls
left join seeds.outcomes on calls.outcome = outcomes.outcome
where calls.call_id = %(call_id)s
"""

# The call's recording is the last one delivered, heard by the newest analyser.
HEARD_SQL: LiteralString = """
select recordings.*, links.object_key, agent.object_key as agent_key, customer.object_key as customer_key
from facts.call_recordings as links
inner join facts.recordings on links.content_hash = recordings.content_hash
left join ops.objects as agent on links.agent_object_id = agent.object_id
left join ops.objects as customer on links.customer_object_id = customer.object_id
where links.call_id = %(call_id)s
order by links.delivered_on desc, links.object_key desc, recordings.analysed_at desc
limit 1
"""

EVIDENCE_SQL: LiteralString = """
select kind, start_seconds, end_seconds, detail from facts.recording_evidence
where content_hash = %(content_hash)s and analyser_version = %(analyser_version)s
order by start_seconds nulls last, evidence_index
"""

TURNS_SQL: LiteralString = """
select side, start_seconds, end_seconds from facts.speech_turns
where content_hash = %(content_hash)s and analyser_version = %(analyser_version)s
order by turn_index
"""

EMOTIONS_SQL: LiteralString = """
select heard.side, part.start_seconds, part.end_seconds, felt.label, felt.probability
from facts.emotions as heard
cross join lateral generate_subscripts(heard.segment_start_seconds, 1) as place (number)
cross join lateral (
    select heard.segment_start_seconds[number] as start_seconds,
        heard.segment_end_seconds[number] as end_seconds
) as part
cross join lateral (
    select label, heard.segment_probabilities[number][column_number] as probability
    from unnest(array['angry', 'happy', 'neutral', 'sad']) with ordinality as labels (label, column_number)
    order by probability desc limit 1
) as felt
where content_hash = %(content_hash)s and analyser_version = %(analyser_version)s and family = %(family)s
order by part.start_seconds
"""

SEGMENTS_SQL: LiteralString = """
select segments.segment_index, segments.role, segments.start_ms, segments.end_ms, segments.text
from facts.transcripts
inner join facts.transcript_segments as segments on transcripts.object_id = segments.object_id
where transcripts.call_id = %(call_id)s
order by transcripts.delivered_on desc, transcripts.object_id, segments.start_ms nulls last,
    segments.segment_index
limit 5000
"""

HITS_SQL: LiteralString = """
select rule_id, rule_name_en, rule_name_zh, kind, severity, start_ms, end_ms, segment_index,
    char_start, char_end, quoted_text, review_verdict
from marts.phrase_violations where call_id = %(call_id)s
order by start_ms nulls last, rule_id
"""


def rows(connection: Connection[Any], statement: LiteralString, **values: Any) -> Sequence[Row]:
    """Run a query; rows by column."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, values).fetchall()


def has_marts(connection: Connection[Any]) -> bool:
    """Whether the marts were ever built."""
    found = connection.execute("select to_regclass('marts.customer_timeline')").fetchone()
    return bool(found and found[0])
