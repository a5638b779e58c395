-- Attempts that start less than the minutes after the start of the one before, to the same customer.
with attempts as (
    {{ attempts_under_rule(
        "min_interval",
        "make_interval(secs => coalesce(" ~ rule_number("rules.parameters ->> 'minutes'") ~ ", 0) * 60)"
    ) | indent(4) }}
),

spaced as (
    select
        *,
        {{ rule_number("parameters ->> 'minutes'") }} as minutes,
        lag(started_at) over chain as previous_started_at,
        lag(call_id) over chain as previous_call_id
    from attempts
    where customer_key is not null
    window chain as (partition by rule_id, in_force_from, customer_key order by started_at, call_id)
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_build_object(
        'minutes', minutes,
        'previous_call_id', previous_call_id,
        'spacing_minutes', {{ seconds_between("previous_started_at", "started_at") }} / 60
    ) as detail
from spaced
where is_judged and started_at - previous_started_at < make_interval(secs => minutes * 60)
