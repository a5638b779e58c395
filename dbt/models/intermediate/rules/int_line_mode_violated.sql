-- single: the campaign has to stay with the line on which it first tried the customer.
-- multiple: a line that failed after_attempts times running must be changed. A run is broken by a connection
-- and by a change of line; an attempt beyond after_attempts in one run is the violation. First lines and runs
-- are facts of campaign and customer, whatever rule was in force and whatever region the customer was in.
with attempts as (
    select
        call_id,
        customer_id,
        customer_key,
        customer_region,
        campaign_id,
        line_id,
        is_connected,
        started_at
    from {{ ref("int_calls_reconciled") }}
    where direction = 'outbound' and customer_key is not null and line_id is not null and campaign_id is not null
),

chained as (
    select
        *,
        first_value(line_id) over chain as first_line_id,
        coalesce(lag(line_id) over chain <> line_id, true)
        or lag(coalesce(is_connected, false)) over chain as starts_run
    from attempts
    window chain as (partition by campaign_id, customer_key order by started_at, call_id)
),

runs as (
    select
        *,
        sum(starts_run::integer) over (
            partition by campaign_id, customer_key order by started_at, call_id
        ) as run_number
    from chained
),

counted as (
    select
        *,
        row_number() over (
            partition by campaign_id, customer_key, run_number order by started_at, call_id
        ) as attempt_in_run
    from runs
),

judged as (
    select
        rules.rule_id,
        rules.rule_type,
        rules.rule_version,
        rules.effective_from,
        rules.severity,
        calls.call_id,
        calls.customer_id,
        calls.campaign_id,
        calls.line_id,
        calls.first_line_id,
        calls.attempt_in_run,
        calls.started_at,
        rules.parameters ->> 'mode' as mode,
        {{ rule_number("rules.parameters ->> 'after_attempts'") }} as after_attempts
    from {{ ref("int_sales_rules_usable") }} as rules
    inner join counted as calls on {{ rule_covers_call("rules", "calls") }}
    where rules.rule_type = 'line_mode'
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
from judged
where
    (mode = 'single' and line_id <> first_line_id)
    or (mode = 'multiple' and attempt_in_run > after_attempts)
