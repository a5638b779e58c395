-- The headline figures of a day and of the last earlier day that holds a call.
with days as (
    select %(day)s::date as call_date, 'day' as period
    union all
    select max(call_date), 'previous' from marts.calls where call_date < %(day)s::date
),
per_day as (
    select
        days.period,
        days.call_date,
        count(calls.call_id) filter (where calls.direction = 'outbound') as attempts,
        count(*) filter (where calls.direction = 'outbound' and calls.is_answered) as answered,
        count(*) filter (where calls.direction = 'outbound' and calls.is_connected) as connected,
        sum(calls.talk_seconds) filter (where calls.is_connected and calls.agent_joined_at is not null)
            as talk_seconds,
        count(*) filter (where calls.is_connected and calls.agent_joined_at is not null) as talked,
        count(distinct calls.customer_id) filter (where calls.is_connected) as customers_reached,
        count(*) filter (where calls.is_abandoned and calls.direction = 'outbound') as abandoned,
        count(*) filter (where calls.has_transcript) as transcribed
    from days
    left join marts.calls as calls on days.call_date = calls.call_date
    group by days.period, days.call_date
)
select
    per_day.*,
    per_day.answered::numeric / nullif(per_day.attempts, 0) as answer_seizure_ratio,
    per_day.connected::numeric / nullif(per_day.attempts, 0) as connection_ratio,
    per_day.talk_seconds / nullif(per_day.talked, 0) as average_talk_seconds,
    per_day.abandoned::numeric / nullif(per_day.connected, 0) as abandonment_ratio,
    (
        select count(*) from marts.rule_violations as violations
        where violations.violation_date = per_day.call_date
    ) as rule_violations,
    (
        select count(*) from marts.phrase_violations as violations
        inner join marts.calls as calls on violations.call_id = calls.call_id
        where calls.call_date = per_day.call_date and violations.review_verdict is distinct from 'rejected'
    ) as phrase_violations
from per_day
order by per_day.period
