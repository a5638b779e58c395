{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[
        {"columns": ["call_id"], "unique": true}, {"columns": ["customer_id", "started_at"]},
        {"columns": ["customer_key"]}, {"columns": ["started_at"]}
    ],
    meta={
        "touched": ["call_id", "calls"],
        "in_order": ["started_at", "call_id"],
        "touches": [
            touch("customers", "customer_id"),
            touch("customer_keys", "customer_key"),
            touch("days", "call_date"),
            touch("half_hours", "half_hour_at"),
            touch_customers_of_calls()
        ]
    }
) }}
-- One row a call with the reconciled decision: a readable recording overrules signalling, words of an
-- announcement refine both, signalling decides without a recording, and with neither it is null.
with calls as (
    select * from {{ ref("int_calls_resolved") }}
    {{ only_touched("call_id", "calls") }}
),

evidence as (
    select
        calls.*,
        signalled.is_network_answered,
        signalled.is_known_disposition,
        signalled.disposition_outcome,
        signalled.signalling_outcome,
        signalled.signalling_is_connected,
        signalled.signalling_is_answered,
        signalled.signalling_confidence,
        signalled.signalling_evidence,
        heard.content_hash,
        heard.analyser_version,
        heard.recording_country,
        heard.recording_outcome,
        heard.recording_is_answered,
        heard.recording_is_connected,
        heard.recording_confidence,
        heard.recording_reason,
        heard.recording_duration_seconds,
        heard.first_tone_seconds,
        heard.transcript_sha256,
        heard.transcript_source,
        heard.transcript_engine,
        heard.announcement_outcome,
        heard.announcement_text,
        coalesce(heard.recording_key, calls.recording_key) as any_recording_key,
        heard.content_hash is not null as has_recording,
        coalesce(heard.recording_outcome <> 'unreadable', false) as is_recording_readable,
        coalesce(heard.recording_outcome not in ('unreadable', 'unknown'), false) as is_recording_usable
    from calls
    inner join {{ ref("int_calls_signalled") }} as signalled on calls.call_id = signalled.call_id
    left join {{ ref("int_calls_heard") }} as heard on calls.call_id = heard.call_id
),

reasoned as (
    select
        *,
        case
            when
                announcement_outcome is not null
                and (has_recording or is_network_answered is not true)
                -- One sentence of a network can sound like a person who says one sentence: where the network
                -- answered nothing, its words count. Behind an answer a person who was heard outlives them.
                and (
                    not is_recording_usable
                    or recording_outcome <> 'human'
                    or (is_network_answered is not true and announcement_outcome not in ('ivr', 'voicemail'))
                )
                then 'announcement_in_words'
            when
                is_recording_usable
                and is_network_answered is false
                and recording_outcome in ('ivr', 'voicemail', 'music', 'silence')
                and signalling_outcome not in ('human', 'ivr', 'voicemail', 'music', 'silence', 'fax', 'unknown')
                then 'machine_before_any_answer'
            when is_recording_usable then 'recording'
            when signalling_outcome is not null and recording_outcome = 'unreadable'
                then 'signalling_recording_unreadable'
            when signalling_outcome is not null and recording_outcome = 'unknown'
                then 'signalling_recording_undecided'
            when signalling_outcome is not null then 'signalling_no_recording'
        end as decision_reason
    from evidence
),

decided as (
    select
        *,
        case
            when decision_reason in ('announcement_in_words', 'recording') then 'recording'
            when decision_reason is not null then 'signalling'
        end as decided_by,
        case
            when decision_reason = 'announcement_in_words' then announcement_outcome
            when decision_reason = 'recording' then recording_outcome
            when decision_reason is not null then signalling_outcome
        end as outcome,
        case
            when decision_reason = 'announcement_in_words' then false
            when decision_reason = 'recording' then recording_is_connected
            when decision_reason is not null then signalling_is_connected
        end as is_connected,
        (
            is_recording_usable and signalling_outcome not in ('unknown', 'unreadable')
            and recording_outcome <> signalling_outcome
        )
        or (is_recording_usable and recording_is_answered <> is_network_answered) as is_disputed
    from reasoned
),

joining_rules as (
    select
        *,
        {{ rule_number("parameters ->> 'seconds'") }} as limit_seconds
    from {{ ref("int_sales_rules_effective") }}
    where rule_type = 'answer_to_agent'
),

-- A person who answered is abandoned where no agent joined within the seconds of the rule in force, or ever.
joining_limits as (
    select
        calls.call_id,
        min(rules.limit_seconds) as limit_seconds
    from calls
    inner join joining_rules as rules on {{ rule_covers_call("rules", "calls") }}
    where calls.direction = 'outbound'
    group by calls.call_id
)

select
    decided.call_id,
    decided.direction,
    decided.campaign_id,
    decided.is_campaign_inferred,
    decided.product,
    decided.customer_id,
    decided.original_customer_id,
    decided.customer_match_method,
    decided.customer_key,
    decided.customer_number,
    decided.customer_region,
    decided.customer_country,
    decided.customer_segment,
    decided.consent_status,
    decided.do_not_call,
    decided.customer_time_zone,
    decided.customer_time_zone_origin,
    decided.customer_local_started_at,
    decided.agent_id,
    decided.agent_match_method,
    decided.line_id,
    decided.line_match_method,
    decided.line_group,
    decided.line_mode,
    decided.carrier,
    decided.from_number,
    decided.to_number,
    decided.started_at,
    decided.ringing_at,
    decided.answered_at,
    decided.agent_joined_at,
    decided.ended_at,
    decided.call_date,
    decided.half_hour_at,
    decided.disposition,
    decided.is_known_disposition,
    decided.disposition_outcome,
    decided.sip_code,
    decided.q850_cause,
    decided.hangup_by,
    decided.signalling_outcome,
    decided.signalling_is_answered,
    decided.signalling_is_connected,
    decided.signalling_confidence,
    decided.signalling_evidence,
    decided.recording_country,
    decided.recording_outcome,
    decided.recording_is_answered,
    decided.recording_is_connected,
    decided.recording_confidence,
    decided.recording_reason,
    decided.recording_duration_seconds,
    decided.announcement_outcome,
    decided.announcement_text,
    decided.outcome,
    decided.is_connected,
    decided.decided_by,
    decided.decision_reason,
    decided.hold_seconds,
    decided.wrap_up_seconds,
    decided.queue,
    decided.list_id,
    decided.any_recording_key as recording_key,
    decided.recording_key as delivered_recording_key,
    decided.content_hash,
    decided.analyser_version,
    decided.has_recording,
    decided.is_recording_readable,
    decided.transcript_sha256,
    decided.transcript_source,
    decided.transcript_engine,
    decided.source,
    decided.extra,
    decided.updated_at,
    decided.version_number,
    decided.transcript_sha256 is not null as has_transcript,
    coalesce(decided.is_disputed, false) as is_disputed,
    coalesce(
        decided.is_network_answered,
        case when decided.is_recording_usable then decided.recording_is_answered end,
        decided.signalling_is_answered,
        false
    ) or coalesce(decided.is_connected, false) as is_answered,
    -- Two witnesses who agree are wrong only where both are.
    case
        when decided.decided_by = 'signalling' then decided.signalling_confidence
        when
            decided.decided_by = 'recording'
            and decided.outcome = decided.signalling_outcome
            then 1 - (1 - decided.recording_confidence) * (1 - coalesce(decided.signalling_confidence, 0))
        when decided.decided_by = 'recording' then decided.recording_confidence
    end as connection_confidence,
    -- A call whose end is not known has no length, and not one of 0 s.
    case
        when decided.answered_at is not null and decided.ended_at is not null
            then greatest({{ seconds_between("decided.answered_at", "decided.ended_at") }}, 0)
        when decided.answered_at is null and decided.is_network_answered
            then coalesce(
                decided.billable_seconds,
                case
                    when decided.agent_joined_at is not null and decided.ended_at is not null
                        then greatest({{ seconds_between("decided.agent_joined_at", "decided.ended_at") }}, 0)
                end
            )
    end as answered_seconds,
    case
        when decided.agent_joined_at is not null and decided.ended_at is not null
            then greatest(
                {{ seconds_between("decided.agent_joined_at", "decided.ended_at") }}
                - coalesce(decided.hold_seconds, 0),
                0
            )
    end as talk_seconds,
    {{ seconds_between("decided.ringing_at", "coalesce(decided.answered_at, decided.ended_at)") }} as ring_seconds,
    coalesce(
        {{ seconds_between("decided.started_at", "decided.ringing_at") }}, decided.first_tone_seconds
    ) as post_dial_delay_seconds,
    {{ seconds_between("decided.answered_at", "decided.agent_joined_at") }} as answer_to_agent_seconds,
    decided.agent_joined_at is not null and coalesce(decided.is_connected, false) as is_handled,
    decided.direction = 'outbound'
    and coalesce(decided.is_connected, false)
    and (
        decided.agent_joined_at is null
        or coalesce(
            {{ seconds_between("decided.answered_at", "decided.agent_joined_at") }} > joining_limits.limit_seconds,
            false
        )
    ) as is_abandoned
from decided
left join joining_limits on decided.call_id = joining_limits.call_id
order by decided.started_at, decided.call_id
