-- Somebody picked up and had to wait longer for an agent than the rule's seconds, or waited in vain (abandoned).
with attempts as (
    {{ attempts_under_rule("answer_to_agent") | indent(4) }}
),

limited as (
    select
        *,
        {{ rule_number("parameters ->> 'seconds'") }} as limit_seconds
    from attempts
    where is_connected
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_strip_nulls(jsonb_build_object(
        'limit_seconds', limit_seconds,
        'seconds', answer_to_agent_seconds,
        'has_agent_joined', agent_joined_at is not null
    )) as detail
from limited
where limit_seconds is not null and (agent_joined_at is null or answer_to_agent_seconds > limit_seconds)
