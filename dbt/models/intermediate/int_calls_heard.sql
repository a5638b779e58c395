-- One row a call with a recording or a transcript: what was heard and what was said, of the latest analysis.
with words as (
    select distinct on (transcripts.call_id)
        transcripts.call_id,
        transcripts.content_sha256 as transcript_sha256,
        lower(outcomes.outcome) as announcement_outcome,
        outcomes.text as announcement_text
    from {{ ref("stg_callmart__transcripts") }} as transcripts
    left join {{ ref("stg_callmart__transcript_outcomes") }} as outcomes
        on transcripts.content_sha256 = outcomes.transcript_sha256
    where transcripts.is_current
    order by transcripts.call_id
),

recordings as (
    select
        linked.call_id,
        linked.content_hash,
        linked.object_key,
        analysed.analyser_version,
        analysed.outcome,
        analysed.is_answered,
        analysed.is_connected,
        analysed.confidence,
        analysed.reason,
        analysed.duration_seconds,
        analysed.first_tone_seconds
    from {{ ref("stg_callmart__recordings") }} as linked
    left join {{ ref("stg_callmart__recording_facts") }} as analysed on linked.content_hash = analysed.content_hash
    where linked.is_current
)

select
    recordings.content_hash,
    recordings.object_key as recording_key,
    recordings.analyser_version,
    recordings.outcome as recording_outcome,
    recordings.is_answered as recording_is_answered,
    recordings.is_connected as recording_is_connected,
    recordings.confidence as recording_confidence,
    recordings.reason as recording_reason,
    recordings.duration_seconds as recording_duration_seconds,
    recordings.first_tone_seconds,
    words.transcript_sha256,
    words.announcement_outcome,
    words.announcement_text,
    coalesce(recordings.call_id, words.call_id) as call_id
from recordings
full join words on recordings.call_id = words.call_id
