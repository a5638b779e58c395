-- The half hours of a day and the day itself are counted by one definition and must agree.
with half_hours as (
    select
        call_date,
        sum(attempts) as attempts,
        sum(answered) as answered,
        sum(connected) as connected,
        sum(network_effective) as network_effective,
        sum(talked_calls) as talked_calls,
        sum(queued) as queued,
        sum(abandoned) as abandoned
    from {{ ref("traffic") }}
    group by call_date
)

select
    days.call_date,
    days.attempts,
    half_hours.attempts as attempts_of_half_hours
from {{ ref("daily_call_summary") }} as days
full join half_hours on days.call_date = half_hours.call_date
where
    (
        days.attempts, days.answered, days.connected, days.network_effective, days.talked_calls, days.queued,
        days.abandoned
    ) is distinct from (
        half_hours.attempts, half_hours.answered, half_hours.connected, half_hours.network_effective,
        half_hours.talked_calls, half_hours.queued, half_hours.abandoned
    )
