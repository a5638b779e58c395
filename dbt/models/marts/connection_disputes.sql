with heard as (
    select
        content_hash,
        jsonb_agg(
            jsonb_build_object(
                'kind', kind, 'start_seconds', start_seconds, 'end_seconds', end_seconds, 'detail', detail
            )
            order by evidence_index
        ) as recording_evidence
    from {{ ref("stg_callmart__recording_evidence") }}
    group by content_hash
)

select
    calls.call_id,
    calls.call_date,
    calls.started_at,
    calls.direction,
    calls.campaign_id,
    calls.customer_id,
    calls.agent_id,
    calls.line_id,
    calls.carrier,
    case
        when calls.signalling_is_answered <> calls.recording_is_answered then 'answer'
        when calls.signalling_is_connected <> calls.recording_is_connected then 'person'
        else 'outcome'
    end as dispute,
    calls.signalling_outcome,
    calls.signalling_is_answered,
    calls.signalling_is_connected,
    calls.signalling_confidence,
    calls.signalling_evidence,
    calls.recording_outcome,
    calls.recording_is_answered,
    calls.recording_is_connected,
    calls.recording_confidence,
    calls.recording_country,
    coalesce(heard.recording_evidence, '[]') as recording_evidence,
    calls.announcement_outcome,
    {{ masked_text("calls.announcement_text") }} as announcement_text,
    calls.outcome,
    calls.is_answered,
    calls.is_connected,
    calls.connection_confidence,
    calls.decided_by,
    calls.decision_reason,
    reasons.name_en as decision_reason_en,
    reasons.name_zh as decision_reason_zh,
    calls.recording_key,
    calls.content_hash,
    calls.analyser_version,
    calls.transcript_sha256
from {{ ref("int_calls_reconciled") }} as calls
left join {{ ref("decision_reasons") }} as reasons on calls.decision_reason = reasons.decision_reason
left join heard on calls.content_hash = heard.content_hash
where calls.is_disputed
order by calls.started_at, calls.call_id
