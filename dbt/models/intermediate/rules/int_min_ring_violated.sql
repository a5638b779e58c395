-- Calls given up by our side while ringing, before the rule's seconds were over; one that never rang is free.
with attempts as (
    {{ attempts_under_rule("min_ring") | indent(4) }}
),

limited as (
    select
        *,
        {{ rule_number("parameters ->> 'seconds'") }} as limit_seconds
    from attempts
    where not is_answered and hangup_by in ('agent', 'dialler')
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_build_object('limit_seconds', limit_seconds, 'seconds', ring_seconds, 'hangup_by', hangup_by) as detail
from limited
where ring_seconds < limit_seconds
