{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["call_id"], "unique": true}],
    meta={"touched": ["call_id", "calls"], "in_order": ["started_at", "call_id"]}
) }}
with emotions as (
    select
        call_id,
        max(adjusted_label) filter (where side = 'agent') as agent_emotion,
        max(adjusted_index) filter (where side = 'agent') as agent_emotion_index,
        max(adjusted_label) filter (where side = 'customer') as customer_emotion,
        max(adjusted_index) filter (where side = 'customer') as customer_emotion_index
    from {{ ref("int_emotions_adjusted") }}
    where
        is_selected
        {{ only_touched("call_id", "calls", "and") }}
    group by call_id
),

violations as (
    select
        call_id,
        count(*)::integer as rule_violations,
        count(*) filter (where severity = 'critical')::integer as critical_rule_violations
    from {{ ref("int_rule_violations") }}
    where
        call_id is not null
        {{ only_touched("call_id", "calls", "and") }}
    group by call_id
)

select
    calls.call_id,
    calls.direction,
    calls.campaign_id,
    calls.is_campaign_inferred,
    calls.product,
    calls.list_id,
    calls.customer_id,
    calls.original_customer_id,
    calls.customer_match_method,
    calls.customer_region,
    calls.customer_country,
    calls.customer_segment,
    calls.consent_status,
    calls.do_not_call,
    calls.customer_time_zone,
    calls.customer_time_zone_origin,
    calls.customer_local_started_at,
    calls.agent_id,
    calls.agent_match_method,
    calls.line_id,
    calls.line_match_method,
    calls.line_group,
    calls.line_mode,
    calls.carrier,
    {{ masked_phone("calls.from_number") }} as from_number,
    {{ masked_phone("calls.to_number") }} as to_number,
    calls.call_date,
    calls.half_hour_at,
    calls.started_at,
    calls.ringing_at,
    calls.answered_at,
    calls.agent_joined_at,
    calls.ended_at,
    calls.disposition,
    calls.sip_code::bigint as sip_code,
    calls.q850_cause::bigint as q850_cause,
    calls.hangup_by,
    calls.outcome,
    calls.is_answered,
    calls.is_connected,
    calls.decided_by,
    calls.decision_reason,
    calls.is_disputed,
    calls.connection_confidence,
    calls.signalling_outcome,
    calls.signalling_is_connected,
    calls.signalling_confidence,
    calls.signalling_evidence,
    calls.recording_outcome,
    calls.recording_country,
    calls.recording_is_connected,
    calls.recording_confidence,
    calls.recording_reason,
    calls.announcement_outcome,
    calls.is_handled,
    calls.is_abandoned,
    calls.answered_seconds,
    calls.talk_seconds,
    calls.hold_seconds,
    calls.wrap_up_seconds,
    calls.ring_seconds,
    calls.post_dial_delay_seconds,
    calls.answer_to_agent_seconds,
    coalesce(queued.queue, calls.queue) as queue,
    queued.queue_wait_seconds,
    queued.is_queue_answered,
    queued.overflow_steps,
    queued.transfers,
    attempts.attempts_in_24_hours,
    attempts.attempts_on_date,
    attempts.attempts_on_local_date,
    coalesce(violations.rule_violations, 0) as rule_violations,
    coalesce(violations.critical_rule_violations, 0) as critical_rule_violations,
    calls.has_recording,
    calls.is_recording_readable,
    calls.recording_key,
    calls.content_hash,
    calls.analyser_version,
    calls.recording_duration_seconds,
    spoken.heard_seconds,
    spoken.agent_talk_seconds as agent_speech_seconds,
    spoken.customer_talk_seconds as customer_speech_seconds,
    spoken.both_talk_seconds as both_speech_seconds,
    spoken.mixed_talk_seconds as mixed_speech_seconds,
    spoken.is_separated as is_speech_separated,
    spoken.separation_confidence as speech_separation_confidence,
    spoken.agent_share_of_speech,
    spoken.customer_share_of_speech,
    spoken.agent_share_of_call,
    spoken.customer_share_of_call,
    spoken.agent_turns,
    spoken.customer_turns,
    spoken.agent_longest_monologue_seconds,
    spoken.customer_longest_monologue_seconds,
    spoken.silence_seconds,
    spoken.mutual_silence_over_3s_seconds,
    spoken.overlap_seconds,
    spoken.interruptions_by_agent,
    spoken.interruptions_by_customer,
    spoken.agent_response_seconds_median,
    spoken.customer_response_seconds_median,
    spoken.first_speech_seconds,
    spoken.agent_first_speech_seconds,
    spoken.customer_first_speech_seconds,
    emotions.agent_emotion,
    emotions.agent_emotion_index,
    emotions.customer_emotion,
    emotions.customer_emotion_index,
    calls.has_transcript,
    calls.transcript_source,
    calls.transcript_engine,
    calls.transcript_sha256,
    calls.source,
    {{ masked_json("calls.extra") }} as extra,
    calls.updated_at,
    calls.version_number
from {{ ref("int_calls_reconciled") }} as calls
left join {{ ref("int_calls_queued") }} as queued on calls.call_id = queued.call_id
left join {{ ref("int_call_attempts_counted") }} as attempts on calls.call_id = attempts.call_id
left join violations on calls.call_id = violations.call_id
left join {{ ref("int_recordings_spoken") }} as spoken on calls.content_hash = spoken.content_hash
left join emotions on calls.call_id = emotions.call_id
{{ only_touched("calls.call_id", "calls") }}
order by calls.started_at, calls.call_id
