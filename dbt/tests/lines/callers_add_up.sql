-- Every inbound call is a caller of one line and day with one fate, as many as the day's summary counts; promises
-- that were broken are the violations of their rule.
with callers as (
    select
        call_date,
        sum(callers) as callers,
        sum(reached_person + lost + left_voicemail + asked_for_callback) as fates
    from {{ ref("caller_line_days") }}
    group by call_date
),

days as (
    select
        summary.call_date,
        summary.inbound_calls,
        coalesce(callers.callers, 0) as callers,
        coalesce(callers.fates, 0) as fates
    from {{ ref("daily_call_summary") }} as summary
    left join callers on summary.call_date = callers.call_date
),

promises as (
    select count(*) as broken
    from {{ ref("follow_ups") }}
    where status = 'broken'
),

violations as (
    select count(*) as violations
    from {{ ref("rule_violations") }}
    where rule_type = 'required_follow_up'
)

select
    'callers of ' || call_date as what,
    inbound_calls as wanted,
    callers as found
from days
where inbound_calls <> callers or inbound_calls <> fates
union all
select
    'broken promises' as what,
    violations.violations as wanted,
    promises.broken as found
from promises
cross join violations
where violations.violations <> promises.broken
