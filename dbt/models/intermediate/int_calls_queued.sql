{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["call_id"], "unique": true}],
    pre_hook=nestloop_off(),
    meta={
        "touched": ["call_id", "calls"],
        "touches": [touch_times_of_calls()]
    }
) }}
-- One row an inbound call that waited in a queue: how long, and whether it left for an agent. From the steps of
-- the call where there are any, up to the first agent behind a queue (a queue behind that agent is a transfer,
-- and the talk before it no wait); else from the call's own queue, answer and join.
with routes as (
    select
        call_id,
        step_no,
        step_type,
        queue,
        entered_at,
        coalesce(
            left_at, lead(entered_at) over (partition by call_id order by step_no)
        ) as left_at,
        min(step_no) filter (where step_type in ('queue', 'overflow')) over (partition by call_id) as first_queue_no
    from {{ ref("stg_callmart__call_routes") }}
    {{ only_touched("call_id", "calls", through_view=true) }}
),

served as (
    select
        *,
        min(step_no) filter (where step_type = 'agent' and step_no > first_queue_no) over (
            partition by call_id
        ) as served_no
    from routes
),

steps as (
    select
        call_id,
        (array_agg(queue order by step_no) filter (where step_type = 'queue'))[1] as first_queue,
        min(entered_at) filter (where step_type in ('queue', 'overflow')) as entered_at,
        max(left_at) filter (
            where step_type in ('queue', 'overflow') and step_no < coalesce(served_no, 2147483647)
        ) as left_at,
        bool_or(step_type = 'agent') as has_agent_step,
        max(served_no) is not null as is_served,
        count(*) filter (where step_type in ('queue', 'overflow')) as queue_steps,
        count(*) filter (where step_type = 'overflow') as overflow_steps,
        greatest(count(*) filter (where step_type = 'agent') - 1, 0) as transfers
    from served
    group by call_id
)

select
    calls.call_id,
    coalesce(steps.first_queue, calls.queue) as queue,
    coalesce(steps.entered_at, calls.answered_at, calls.started_at) as queue_entered_at,
    coalesce(steps.left_at, calls.agent_joined_at, calls.ended_at) as queue_left_at,
    {{ seconds_between(
        "coalesce(steps.entered_at, calls.answered_at, calls.started_at)",
        "coalesce(steps.left_at, calls.agent_joined_at, calls.ended_at)"
    ) }} as queue_wait_seconds,
    case
        when steps.has_agent_step and steps.queue_steps > 0 then steps.is_served
        else coalesce(steps.has_agent_step, false) or calls.agent_joined_at is not null
    end as is_queue_answered,
    coalesce(steps.overflow_steps, 0)::integer as overflow_steps,
    coalesce(steps.transfers, 0)::integer as transfers
from {{ ref("int_calls_resolved") }} as calls
left join steps on calls.call_id = steps.call_id
where
    calls.direction = 'inbound'
    and (steps.queue_steps > 0 or calls.queue is not null)
    {{ only_touched("calls.call_id", "calls", "and") }}
