{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["customer_id"]}, {"columns": ["call_id"], "unique": true}],
    meta={"touched": ["customer_id", "customers"], "in_order": ["started_at", "call_id"]}
) }}
-- One row a connected call with a known customer: what evaluation 2 rests on, with the place in the recording.
with calls as (
    select
        call_id,
        customer_id,
        agent_id,
        started_at,
        call_date,
        content_hash,
        transcript_sha256
    from {{ ref("int_calls_reconciled") }}
    where
        is_connected
        and customer_id is not null
        {{ only_touched("customer_id", "customers", "and") }}
),

-- Where nothing says who speaks, what the agent said and left out cannot be known.
searched as (
    select distinct scans.transcript_sha256
    from {{ ref("stg_callmart__phrase_scans") }} as scans
    inner join {{ ref("stg_callmart__transcript_segments") }} as segments
        on scans.transcript_sha256 = segments.transcript_sha256
    where segments.role is not null
)

select
    calls.call_id,
    calls.customer_id,
    calls.agent_id,
    calls.started_at,
    calls.call_date,
    case
        when spoken.agent_first_speech_seconds is not null
            then greatest(spoken.agent_first_speech_seconds - coalesce(spoken.answered_at_seconds, 0), 0)
    end as answer_to_first_word_seconds,
    {{ place_ms("spoken.agent_first_speech_seconds") }} as first_word_ms,
    case when spoken.content_hash is not null then {{ place_ms("coalesce(spoken.answered_at_seconds, 0)") }} end
        as answered_ms,
    spoken.agent_response_seconds_median as agent_response_seconds,
    {{ place_ms("places.agent_response_at_seconds") }} as agent_response_ms,
    attempts.connected_attempts_in_window,
    attempts.attempts_in_window,
    {{ ratio("attempts.connected_attempts_in_window", "attempts.attempts_in_window") }} as number_connection_ratio,
    searched.transcript_sha256 is not null as is_searched,
    emotions.adjusted_valence as agent_valence,
    emotions.adjusted_probability_angry as agent_anger
from calls
left join {{ ref("int_recordings_spoken") }} as spoken on calls.content_hash = spoken.content_hash
left join {{ ref("int_speech_places_found") }} as places on calls.content_hash = places.content_hash
left join searched on calls.transcript_sha256 = searched.transcript_sha256
left join {{ ref("int_emotions_adjusted") }} as emotions
    on calls.call_id = emotions.call_id and emotions.side = 'agent' and emotions.is_selected
left join {{ ref("int_attempts_measured") }} as attempts on calls.call_id = attempts.call_id
