-- One row an inbound call that waited in a queue: how long, and whether it left for an agent. From the steps of
-- the call where there are any, else from the call's own queue, answer and join.
with steps as (
    select
        call_id,
        (array_agg(queue order by entered_at, step_no) filter (where step_type = 'queue'))[1] as first_queue,
        min(entered_at) filter (where step_type in ('queue', 'overflow')) as entered_at,
        max(left_at) filter (where step_type in ('queue', 'overflow')) as left_at,
        bool_or(step_type = 'agent') as has_agent_step,
        count(*) filter (where step_type in ('queue', 'overflow')) as queue_steps,
        count(*) filter (where step_type = 'overflow') as overflow_steps,
        greatest(count(*) filter (where step_type = 'agent') - 1, 0) as transfers
    from {{ ref("stg_callmart__call_routes") }}
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
    coalesce(steps.has_agent_step, false) or calls.agent_joined_at is not null as is_queue_answered,
    coalesce(steps.overflow_steps, 0)::integer as overflow_steps,
    coalesce(steps.transfers, 0)::integer as transfers
from {{ ref("int_calls_resolved") }} as calls
left join steps on calls.call_id = steps.call_id
where calls.direction = 'inbound' and (steps.queue_steps > 0 or calls.queue is not null)
