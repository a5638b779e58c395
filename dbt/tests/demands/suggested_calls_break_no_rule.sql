-- A suggested call would itself be no violation: of calling hours, of attempts and their spacing, of flags and consent.
with suggested as (
    select distinct
        actions.subject_id,
        actions.customer_id,
        moments.starts_at,
        customers.campaign_id,
        customers.region,
        customers.country,
        customers.consent_status,
        customers.is_flagged,
        moments.starts_at at time zone customers.time_zone as local_at
    from {{ ref("next_best_actions") }} as actions
    inner join {{ ref("int_customers_contactable") }} as customers on actions.customer_id = customers.customer_id
    cross join lateral (values (actions.suggested_call_at), (actions.best_call_at)) as moments (starts_at)
    where moments.starts_at is not null
),

covered as (
    select
        suggested.*,
        rules.rule_id,
        rules.rule_type,
        rules.parameters
    from suggested
    inner join {{ ref("int_sales_rules_usable") }} as rules
        on
            suggested.starts_at >= rules.in_force_from
            and suggested.starts_at < rules.in_force_to
            and (rules.campaign_id is null or rules.campaign_id = suggested.campaign_id)
            and (rules.region is null or rules.region = suggested.region)
),

attempts as (
    select
        covered.subject_id,
        covered.starts_at,
        covered.rule_id,
        covered.rule_type,
        covered.parameters,
        count(calls.call_id) filter (
            where calls.started_at > covered.starts_at
            - make_interval(secs => coalesce({{ rule_number("covered.parameters ->> 'per_hours'") }}, 24) * 3600)
        ) as attempts,
        max(calls.started_at) as last_at
    from covered
    left join {{ ref("int_calls_reconciled") }} as calls
        on covered.customer_id = calls.customer_id and calls.direction = 'outbound'
    where covered.rule_type in ('max_attempts', 'min_interval')
    group by covered.subject_id, covered.starts_at, covered.rule_id, covered.rule_type, covered.parameters
)

select
    subject_id,
    'flagged or without consent' as breach
from suggested
where is_flagged or consent_status in ('refused', 'withdrawn')

union all

select
    subject_id,
    rule_type as breach
from covered
where rule_type = 'consent_required' and consent_status is distinct from 'granted'

union all

select
    covered.subject_id,
    covered.rule_type as breach
from covered
where
    covered.rule_type = 'calling_hours'
    and (
        not exists (
            select 1
            from jsonb_array_elements({{ rule_windows("covered.parameters") }}) as windows (value)
            where {{ within_window("covered.local_at", "covered.parameters", "windows.value") }}
        )
        or (
            covered.parameters -> 'holidays' = 'false'::jsonb
            and exists (
                select 1
                from {{ ref("public_holidays") }} as holidays
                where holidays.country = covered.country and holidays.holiday_date = covered.local_at::date
            )
        )
    )

union all

select
    subject_id,
    rule_type as breach
from attempts
where
    (rule_type = 'max_attempts' and attempts + 1 > {{ rule_number("parameters ->> 'count'") }})
    or (
        rule_type = 'min_interval'
        and last_at + make_interval(secs => {{ rule_number("parameters ->> 'minutes'") }} * 60) > starts_at
    )

union all

select
    subject_id,
    'before the as-of moment' as breach
from suggested
where starts_at < (select seen.as_of from {{ ref("int_as_of") }} as seen)
