-- Calls, violations, complaints and phrase hits of a known customer are events of the timeline, each once, in order.
with events as (
    select
        customer_id,
        event_type,
        event_id,
        call_id,
        occurred_at,
        event_number,
        lag(occurred_at) over (partition by customer_id order by event_number) as previous_at
    from {{ ref("customer_timeline") }}
),

counted as (
    select
        'call' as event_type,
        (
            select count(*) from {{ ref("calls") }}
            where customer_id is not null
        ) as wanted
    union all
    select
        'rule_violation' as event_type,
        (
            select count(*) from {{ ref("rule_violations") }}
            where customer_id is not null
        ) as wanted
)

select
    counted.event_type,
    counted.wanted::text as detail
from counted
where
    counted.wanted <> (
        select count(*) from events
        where events.event_type = counted.event_type
    )

union all

select
    event_type,
    event_id as detail
from events
where previous_at > occurred_at
