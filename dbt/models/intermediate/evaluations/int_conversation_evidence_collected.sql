{{ config(materialized="view") }}
-- One row a component of evaluation 1 and call (or complaint) that says something about it.
with conversations as (
    select * from {{ ref("int_conversations_measured") }}
),

complaints as (
    select
        complaints.complaint_id,
        -- Of a call that was never delivered, or is yet to come, there is nothing to lead to.
        calls.call_id,
        coalesce(merged.surviving_customer_id, complaints.customer_id, calls.customer_id) as customer_id,
        {{ business_date("complaints.received_at") }} as complaint_date
    from {{ ref("stg_callmart__complaints") }} as complaints
    left join {{ ref("int_customers_merged") }} as merged on complaints.customer_id = merged.customer_id
    left join {{ ref("int_calls_reconciled") }} as calls on complaints.call_id = calls.call_id
),

measured as (
    {{ call_evidence("conversation", "conversations", [
        ["customer_share_of_speech", "call.customer_share_of_speech", "call.customer_first_speech_ms"],
        ["customer_share_of_call", "call.customer_share_of_call", "call.customer_first_speech_ms"],
        ["agent_share_of_speech", "call.agent_share_of_speech", "call.agent_first_speech_ms"],
        ["agent_share_of_call", "call.agent_share_of_call", "call.agent_first_speech_ms"],
        ["customer_talk_seconds", "call.customer_talk_seconds", "call.customer_first_speech_ms"],
        ["agent_talk_seconds", "call.agent_talk_seconds", "call.agent_first_speech_ms"],
        ["agent_longest_monologue_seconds", "call.agent_longest_monologue_seconds", "call.monologue_ms"],
        [
            "customer_longest_monologue_seconds",
            "call.customer_longest_monologue_seconds",
            "call.customer_monologue_ms"
        ],
        ["silence_share", "call.silence_share", "call.silence_ms"],
        ["long_silence_share", "call.long_silence_share", "call.long_silence_ms"],
        ["overlap_share", "call.overlap_share", "call.overlap_ms"],
        ["interruptions_per_minute", "call.interruptions_per_minute", "call.overlap_ms"],
        ["agent_response_seconds", "call.agent_response_seconds", "call.agent_response_ms"],
        ["customer_speech_rate", "call.customer_speech_rate", "call.customer_speech_ms"],
        ["customer_valence", "call.customer_valence", "call.customer_first_speech_ms"],
        ["customer_emotion_index", "call.customer_emotion_index", "call.customer_first_speech_ms"],
        ["customer_anger", "call.customer_anger", "call.customer_first_speech_ms"],
        ["customer_arousal", "call.customer_arousal", "call.customer_first_speech_ms"],
        ["customer_emotion_start", "call.customer_emotion_start", "call.customer_first_speech_ms"],
        ["customer_emotion_end", "call.customer_emotion_end", "call.customer_last_ms"],
        ["customer_emotion_trend", "call.customer_emotion_trend", "call.customer_first_speech_ms"],
        ["repeat_contacts", "call.repeat_contacts", "call.answered_ms"],
        ["complaint_share", "0", "null"],
        ["answered_hour", "call.answered_hour", "call.answered_ms"],
        ["agent_occupancy", "call.agent_occupancy", "null"],
        ["agent_handle_seconds", "call.agent_handle_seconds", "null"],
        ["agent_average_handle_seconds", "call.agent_average_handle_seconds", "null"],
        ["days_between_contacts", "call.call_date - call.previous_connected_date", "call.answered_ms"],
        ["engaged_share", "call.engaged", "call.answered_ms"],
    ]) }}
)

select * from measured

union all

select
    'conversation' as evaluation,
    'complaint_share' as component,
    customer_id,
    'complaint' as evidence_type,
    complaint_id as evidence_id,
    complaint_date as valid_from,
    complaint_date + {{ evaluation_window_days() }} as valid_to,
    1::numeric as raw_value,
    call_id,
    null::bigint as place_ms
from complaints
where customer_id is not null

union all

select
    'conversation' as evaluation,
    component,
    customer_id,
    evidence_type,
    evidence_id,
    valid_from,
    valid_to,
    raw_value,
    call_id,
    place_ms
from {{ ref("int_recency_evidence_collected") }}
