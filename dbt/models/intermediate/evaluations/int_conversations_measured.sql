{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["customer_id"]}, {"columns": ["call_id"], "unique": true}],
    meta={"touched": ["customer_id", "customers"], "in_order": ["started_at", "call_id"]}
) }}
-- One row a connected call with a known customer: what evaluation 1 rests on, with the place in the recording.
with calls as (
    select
        call_id,
        customer_id,
        agent_id,
        started_at,
        call_date,
        half_hour_at,
        content_hash,
        transcript_sha256,
        customer_local_started_at,
        is_handled,
        talk_seconds,
        hold_seconds,
        wrap_up_seconds,
        {{ evaluation_setting("engaged_talk_seconds", "call_date") }} as engaged_talk_seconds
    from {{ ref("int_calls_reconciled") }}
    where
        is_connected
        and customer_id is not null
        {{ only_touched("customer_id", "customers", "and") }}
),

-- Chinese characters and words of other scripts, over the time the customer's own segments take.
speech_rates as (
    select
        transcript_sha256,
        min(start_ms) as first_ms,
        {{ ratio(
            "sum(regexp_count(text, '[一-鿿]') + regexp_count(regexp_replace(text, '[一-鿿]', ' ', 'g'), '\\w+'))",
            "sum(end_ms - start_ms) / 60000.0"
        ) }} as units_per_minute
    from {{ ref("stg_callmart__transcript_segments") }}
    where role = 'customer' and end_ms > start_ms
    group by transcript_sha256
),

emotions as (
    select
        call_id,
        adjusted_arousal,
        adjusted_valence,
        adjusted_probability_angry,
        adjusted_start_index,
        adjusted_end_index,
        adjusted_trend_per_minute,
        adjusted_index,
        model_version
    from {{ ref("int_emotions_adjusted") }}
    where side = 'customer' and is_selected
),

-- The agent's handle time in the half hour, of whichever customers, as agent_work has it.
handled as (
    select
        agent_id,
        half_hour_at,
        {{ ratio(
            "sum((coalesce(talk_seconds, 0) + coalesce(hold_seconds, 0) + coalesce(wrap_up_seconds, 0))::numeric)",
            "count(*)"
        ) }} as average_handle_seconds
    from {{ ref("int_calls_reconciled") }}
    where is_handled and agent_id is not null
    group by agent_id, half_hour_at
)

select
    calls.call_id,
    calls.customer_id,
    calls.agent_id,
    calls.started_at,
    calls.call_date,
    spoken.heard_seconds,
    spoken.agent_talk_seconds,
    spoken.customer_talk_seconds,
    spoken.customer_share_of_speech,
    spoken.customer_share_of_call,
    spoken.agent_share_of_call,
    spoken.agent_share_of_speech,
    spoken.agent_longest_monologue_seconds,
    spoken.customer_longest_monologue_seconds,
    -- Facts of the call as a whole lead to the moment at which it was answered.
    case when spoken.content_hash is not null then {{ place_ms("coalesce(spoken.answered_at_seconds, 0)") }} end
        as answered_ms,
    {{ place_ms("spoken.agent_first_speech_seconds") }} as agent_first_speech_ms,
    {{ place_ms("spoken.customer_monologue_at_seconds") }} as customer_monologue_ms,
    {{ place_ms("places.silence_at_seconds") }} as silence_ms,
    {{ place_ms("places.long_silence_at_seconds") }} as long_silence_ms,
    {{ place_ms("places.overlap_at_seconds") }} as overlap_ms,
    {{ place_ms("places.agent_response_at_seconds") }} as agent_response_ms,
    {{ place_ms("places.customer_last_at_seconds") }} as customer_last_ms,
    {{ place_ms("spoken.agent_monologue_at_seconds") }} as monologue_ms,
    {{ place_ms("spoken.customer_first_speech_seconds") }} as customer_first_speech_ms,
    {{ share("spoken.silence_seconds", "spoken.heard_seconds") }} as silence_share,
    {{ share("spoken.mutual_silence_over_3s_seconds", "spoken.heard_seconds") }} as long_silence_share,
    {{ share("spoken.overlap_seconds", "spoken.heard_seconds") }} as overlap_share,
    {{ ratio("spoken.interruptions", "spoken.heard_seconds / 60") }} as interruptions_per_minute,
    spoken.agent_response_seconds_median as agent_response_seconds,
    speech_rates.units_per_minute as customer_speech_rate,
    speech_rates.first_ms as customer_speech_ms,
    emotions.adjusted_valence as customer_valence,
    emotions.adjusted_index as customer_emotion_index,
    emotions.adjusted_probability_angry as customer_anger,
    emotions.adjusted_arousal as customer_arousal,
    emotions.adjusted_start_index as customer_emotion_start,
    emotions.adjusted_end_index as customer_emotion_end,
    emotions.adjusted_trend_per_minute as customer_emotion_trend,
    emotions.model_version as emotion_model_version,
    attempts.repeat_contacts,
    attempts.previous_connected_date,
    attempts.next_connected_date,
    extract(hour from calls.customer_local_started_at)
    + extract(minute from calls.customer_local_started_at) / 60.0 as answered_hour,
    {{ ratio(
        "states.talking_seconds + states.holding_seconds + states.wrap_up_seconds",
        "states.talking_seconds + states.holding_seconds + states.wrap_up_seconds + states.available_seconds"
    ) }} as agent_occupancy,
    case
        when calls.is_handled
            then calls.talk_seconds + coalesce(calls.hold_seconds, 0) + coalesce(calls.wrap_up_seconds, 0)
    end as agent_handle_seconds,
    handled.average_handle_seconds as agent_average_handle_seconds,
    (calls.is_handled and calls.talk_seconds >= calls.engaged_talk_seconds)::integer as engaged
from calls
left join {{ ref("int_recordings_spoken") }} as spoken on calls.content_hash = spoken.content_hash
left join {{ ref("int_speech_places_found") }} as places on calls.content_hash = places.content_hash
left join handled on calls.agent_id = handled.agent_id and calls.half_hour_at = handled.half_hour_at
left join speech_rates on calls.transcript_sha256 = speech_rates.transcript_sha256
left join emotions on calls.call_id = emotions.call_id
left join {{ ref("int_attempts_measured") }} as attempts on calls.call_id = attempts.call_id
left join {{ ref("int_agent_half_hours") }} as states
    on calls.agent_id = states.agent_id and calls.half_hour_at = states.half_hour_at
