{{ config(materialized="view") }}
-- Days since the last connected call, in steps: one row a connected call and step, for the days on which it is
-- the last one. The value changes on known days only, so that a score need not be written anew every day.
with conversations as (
    select
        call_id,
        customer_id,
        call_date,
        next_connected_date
    from {{ ref("int_conversations_measured") }}
),

stepped as (
    select
        conversations.*,
        steps.step_days,
        conversations.call_date + steps.step_days as valid_from,
        least(
            conversations.call_date + least(steps.next_step_days, {{ evaluation_window_days() }}),
            coalesce(conversations.next_connected_date, date '9999-01-01')
        ) as valid_to
    from conversations
    cross join {{ ref("evaluation_recency_steps") }} as steps
)

select
    'recency_days' as component,
    customer_id,
    'call' as evidence_type,
    call_id as evidence_id,
    valid_from,
    valid_to,
    step_days::numeric as raw_value,
    call_id,
    null::bigint as place_ms
from stepped
where valid_from < valid_to
