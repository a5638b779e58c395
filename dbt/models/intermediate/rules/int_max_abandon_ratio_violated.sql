-- Campaign × business day on which abandoned / connected over that many business days, today included, exceeds
-- the ratio. The day is judged by the rule in force at its last attempt.
with attempts as (
    {{ attempts_under_rule(
        "max_abandon_ratio",
        "make_interval(days => coalesce(" ~ rule_number("rules.parameters ->> 'days'") ~ ", 30)::integer + 1)"
    ) | indent(4) }}
),

days as (
    select
        rule_id,
        rule_type,
        rule_version,
        effective_from,
        severity,
        in_force_from,
        campaign_id,
        call_date,
        {{ rule_number("parameters ->> 'ratio'") }} as allowed_ratio,
        coalesce({{ rule_number("parameters ->> 'days'") }}, 30)::integer as over_days,
        max(started_at) as last_started_at,
        bool_or(is_judged) as is_judged,
        count(*) filter (where is_connected) as connected,
        count(*) filter (where is_abandoned) as abandoned
    from attempts
    where campaign_id is not null
    group by
        rule_id, rule_type, rule_version, effective_from, severity, in_force_from, campaign_id, call_date, parameters
),

windows as (
    select
        days.rule_id,
        days.rule_type,
        days.rule_version,
        days.effective_from,
        days.severity,
        days.campaign_id,
        days.call_date,
        days.allowed_ratio,
        days.over_days,
        days.last_started_at,
        sum(earlier.connected) as connected,
        sum(earlier.abandoned) as abandoned
    from days
    inner join days as earlier
        on
            days.rule_id = earlier.rule_id
            and days.in_force_from = earlier.in_force_from
            and days.campaign_id = earlier.campaign_id
            and earlier.call_date > days.call_date - days.over_days
            and days.call_date >= earlier.call_date
    where days.is_judged
    group by
        days.rule_id, days.rule_type, days.rule_version, days.effective_from, days.severity, days.campaign_id,
        days.call_date, days.allowed_ratio, days.over_days, days.last_started_at
),

-- A day on which the rule changed is judged by the span in force at its last attempt.
latest as (
    select distinct on (rule_id, campaign_id, call_date) *
    from windows
    order by rule_id asc, campaign_id asc, call_date asc, last_started_at desc
)

select
    {{ violation_columns() }},
    null::text as call_id,
    null::text as customer_id,
    campaign_id,
    last_started_at as violated_at,
    jsonb_build_object(
        'abandoned', abandoned,
        'connected', connected,
        'ratio', {{ ratio("abandoned", "connected") }},
        'allowed_ratio', allowed_ratio,
        'days', over_days
    ) as detail
from latest
where {{ ratio("abandoned", "connected") }} > allowed_ratio
