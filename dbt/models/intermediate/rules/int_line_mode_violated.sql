-- single: the campaign has to stay with the line on which it first tried the customer.
-- multiple: a line that failed after_attempts times running must be changed. A run is broken by a connection
-- and by a change of line; an attempt beyond after_attempts in one run is the violation.
with attempts as (
    {{ attempts_under_rule("line_mode", "interval '100 years'") | indent(4) }}
),

chained as (
    select
        *,
        coalesce(parameters ->> 'mode', line_mode) as mode,
        {{ rule_number("parameters ->> 'after_attempts'") }} as after_attempts,
        first_value(line_id) over chain as first_line_id,
        coalesce(lag(line_id) over chain <> line_id, true)
        or lag(coalesce(is_connected, false)) over chain as starts_run
    from attempts
    where customer_key is not null and line_id is not null and campaign_id is not null
    window chain as (partition by rule_id, in_force_from, campaign_id, customer_key order by started_at, call_id)
),

runs as (
    select
        *,
        sum(starts_run::integer) over (
            partition by rule_id, in_force_from, campaign_id, customer_key
            order by started_at, call_id
        ) as run_number
    from chained
),

counted as (
    select
        *,
        row_number() over (
            partition by rule_id, in_force_from, campaign_id, customer_key, run_number
            order by started_at, call_id
        ) as attempt_in_run
    from runs
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_strip_nulls(jsonb_build_object(
        'mode', mode,
        'line_id', line_id,
        'first_line_id', case when mode = 'single' then first_line_id end,
        'after_attempts', case when mode = 'multiple' then after_attempts end,
        'attempts_through_line', case when mode = 'multiple' then attempt_in_run end
    )) as detail
from counted
where
    is_judged
    and (
        (mode = 'single' and line_id <> first_line_id)
        or (mode = 'multiple' and attempt_in_run > after_attempts)
    )
