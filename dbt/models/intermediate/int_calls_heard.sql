{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["call_id"], "unique": true}],
    pre_hook=nestloop_off(),
    meta={"touched": ["call_id", "calls"]}
) }}
-- One row a call with a recording or a transcript: what was heard and what was said, of the latest analysis.
with outcomes as (
    select *
    from {{ ref("stg_callmart__transcript_outcomes") }}
    {{ only_touched("transcript_sha256", "transcripts", through_view=true) }}
),

facts as (
    select *
    from {{ ref("stg_callmart__recording_facts") }}
    {{ only_touched("content_hash", "recordings", through_view=true) }}
),

words as (
    select distinct on (transcripts.call_id)
        transcripts.call_id,
        transcripts.content_sha256 as transcript_sha256,
        transcripts.transcript_source,
        transcripts.engine as transcript_engine,
        lower(outcomes.outcome) as announcement_outcome,
        outcomes.text as announcement_text
    from {{ ref("stg_callmart__transcripts") }} as transcripts
    left join outcomes on transcripts.content_sha256 = outcomes.transcript_sha256
    where
        transcripts.is_current
        {{ only_touched("transcripts.call_id", "calls", "and", through_view=true) }}
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
        analysed.outcome_by_country,
        analysed.confidence,
        analysed.reason,
        analysed.duration_seconds,
        analysed.first_tone_seconds
    from {{ ref("stg_callmart__recordings") }} as linked
    left join facts as analysed on linked.content_hash = analysed.content_hash
    where
        linked.is_current
        {{ only_touched("linked.call_id", "calls", "and", through_view=true) }}
),

-- Where networks mean different things by the same tone, the country of the customer's number settles which.
countries as (
    select distinct on (recordings.call_id)
        recordings.call_id,
        coalesce(prefixes.country, {{ business_country() }}) as country
    from recordings
    left join {{ ref("int_calls_attributed") }} as calls on recordings.call_id = calls.call_id
    left join {{ ref("number_prefixes") }} as prefixes
        on
            prefixes.prefix = substr(
                case when calls.direction = 'outbound' then calls.to_number else calls.from_number end,
                2,
                length(prefixes.prefix)
            )
    where recordings.outcome_by_country <> '{}'
    order by recordings.call_id asc, length(prefixes.prefix) desc nulls last
),

settled as (
    select
        recordings.*,
        countries.country,
        recordings.outcome_by_country ->> countries.country as country_outcome
    from recordings
    left join countries on recordings.call_id = countries.call_id
)

select
    recordings.content_hash,
    recordings.object_key as recording_key,
    recordings.analyser_version,
    recordings.country as recording_country,
    coalesce(recordings.country_outcome, recordings.outcome) as recording_outcome,
    case when recordings.country_outcome is null then recordings.is_answered else classes.is_answered end
        as recording_is_answered,
    case when recordings.country_outcome is null then recordings.is_connected else classes.is_connected end
        as recording_is_connected,
    recordings.confidence as recording_confidence,
    recordings.reason as recording_reason,
    recordings.duration_seconds as recording_duration_seconds,
    recordings.first_tone_seconds,
    words.transcript_sha256,
    words.transcript_source,
    words.transcript_engine,
    words.announcement_outcome,
    words.announcement_text,
    coalesce(recordings.call_id, words.call_id) as call_id
from settled as recordings
left join {{ ref("outcomes") }} as classes on recordings.country_outcome = classes.outcome
full join words on recordings.call_id = words.call_id
