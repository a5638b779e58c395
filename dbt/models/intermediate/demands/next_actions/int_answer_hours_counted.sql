-- One row a customer, class of day and local hour with an attempt that says whether the customer picks up then. What
-- the network or we ourselves spoiled says nothing of that, nor does a number that is not in service.
with holidays as (
    select distinct
        country,
        holiday_date
    from {{ ref("public_holidays") }}
),

attempts as (
    select
        calls.customer_id,
        calls.is_connected,
        extract(hour from calls.customer_local_started_at)::integer as local_hour,
        {{ day_class("calls.customer_local_started_at", "holidays.holiday_date") }} as day_class
    from {{ ref("int_calls_reconciled") }} as calls
    cross join {{ ref("int_as_of") }} as seen
    left join holidays
        on
            calls.customer_country = holidays.country
            and calls.customer_local_started_at::date = holidays.holiday_date
    where
        calls.direction = 'outbound'
        and calls.customer_id is not null
        and calls.is_connected is not null
        and calls.started_at < seen.as_of
        and calls.started_at >= seen.as_of - interval '1 day' * {{ next_action_setting("window_days") }}
        and (
            calls.is_connected
            or calls.outcome not in (
                'cancelled',
                'congestion',
                'network_failure',
                'invalid_number',
                'out_of_service',
                'unknown',
                'unreadable'
            )
        )
)

select
    customer_id,
    day_class,
    local_hour,
    count(*)::integer as attempts,
    count(*) filter (where is_connected)::integer as answered
from attempts
group by customer_id, day_class, local_hour
