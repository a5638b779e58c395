{{ config(materialized="view") }}
-- One row a component of a customer's engagement and call that says something about it.
with attempts as (
    select
        attempts.*,
        {{ evaluation_setting("early_hang_up_seconds", "attempts.call_date") }} as early_hang_up_seconds
    from {{ ref("int_attempts_measured") }} as attempts
),

-- What a call is worth in interest: the sum of what its signals are worth by the seed.
signals as (
    select
        hits.call_id,
        sum(worth.value) as signals,
        min(hits.start_ms) filter (where worth.value > 0) as first_ms
    from {{ ref("int_phrase_hits_judged") }} as hits
    inner join {{ ref("evaluation_code_values") }} as worth
        on hits.rule_id = worth.code and worth.attribute = 'signal'
    where hits.purpose = 'signal'
    group by hits.call_id
),

calls as (
    select
        attempts.*,
        signals.first_ms as signal_ms,
        case when inspections.is_searched then coalesce(signals.signals, 0) end as signals
    from attempts
    left join {{ ref("int_inspections_measured") }} as inspections on attempts.call_id = inspections.call_id
    left join signals on attempts.call_id = signals.call_id
),

measured as (
    {{ call_evidence("engagement", "calls", [
        [
            "days_between_contacts",
            "case when call.is_connected then call.call_date - call.previous_connected_date end",
            "null"
        ],
        ["talk_seconds", "case when call.is_connected then call.talk_seconds end", "null"],
        ["connection", "case when call.direction = 'outbound' then call.is_connected::integer end", "null"],
        ["inbound_share", "case when call.is_connected then (call.direction = 'inbound')::integer end", "null"],
        ["interest_signals", "call.signals", "call.signal_ms"],
        [
            "early_hang_up",
            "case when call.is_connected then"
            " (call.hangup_by = 'customer' and call.answered_seconds < call.early_hang_up_seconds)::integer end",
            "null"
        ],
    ]) }}
)

select * from measured

union all

select
    'engagement' as evaluation,
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
