-- Attempts beyond the count within the hours that end with the attempt, whichever covered campaign made them:
-- the attempt before the allowed number of last ones still lies inside the window. Attempts at the same moment
-- count for each other.
with attempts as (
    {{ attempts_under_rule(
        "max_attempts",
        "make_interval(secs => coalesce(" ~ rule_number("rules.parameters ->> 'per_hours'") ~ ", 24) * 3600)"
    ) | indent(4) }}
),

numbered as (
    select
        *,
        {{ rule_number("parameters ->> 'count'") }} as allowed_count,
        coalesce({{ rule_number("parameters ->> 'per_hours'") }}, 24) as per_hours,
        row_number() over chain as attempt_number,
        count(*) over (
            partition by rule_id, in_force_from, customer_key
            order by started_at
        ) as attempts_so_far
    from attempts
    where customer_key is not null
    window chain as (partition by rule_id, in_force_from, customer_key order by started_at, call_id)
),

compared as (
    select
        *,
        lag(started_at, (allowed_count - (attempts_so_far - attempt_number))::integer) over (
            partition by rule_id, in_force_from, customer_key
            order by started_at, call_id
        ) as outermost_started_at
    from numbered
    where allowed_count is not null
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_build_object(
        'allowed', allowed_count, 'per_hours', per_hours, 'earliest_too_many_at', outermost_started_at
    ) as detail
from compared
where
    is_judged
    and attempts_so_far > allowed_count
    and outermost_started_at > started_at - make_interval(secs => per_hours * 3600)
