with handled as (
    select
        agent_id,
        half_hour_at,
        count(*) filter (where is_handled)::integer as handled,
        count(*)::integer as calls,
        coalesce(
            sum(coalesce(talk_seconds, 0) + coalesce(hold_seconds, 0) + coalesce(wrap_up_seconds, 0))
            filter (where is_handled),
            0
        ) as handle_seconds
    from {{ ref("int_calls_reconciled") }}
    where agent_id is not null
    group by agent_id, half_hour_at
)

select
    work.agent_id,
    work.half_hour_at,
    work.work_date,
    work.available_seconds,
    work.ringing_seconds,
    work.talking_seconds,
    work.holding_seconds,
    work.wrap_up_seconds,
    work.break_seconds,
    work.meal_seconds,
    work.training_seconds,
    work.meeting_seconds,
    work.offline_seconds,
    work.other_state_seconds,
    work.talking_seconds + work.holding_seconds + work.wrap_up_seconds as occupied_seconds,
    work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds as staffed_seconds,
    {{ ratio(
        "work.talking_seconds + work.holding_seconds + work.wrap_up_seconds",
        "work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds"
    ) }} as occupancy,
    work.scheduled_seconds,
    {{ ratio(
        "work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds",
        "work.scheduled_seconds"
    ) }} as utilisation,
    work.adherent_seconds,
    {{ ratio("work.adherent_seconds", "work.scheduled_seconds") }} as adherence,
    coalesce(handled.calls, 0) as calls,
    coalesce(handled.handled, 0) as handled,
    coalesce(handled.handle_seconds, 0) as handle_seconds,
    {{ ratio("handled.handle_seconds", "handled.handled") }} as average_handle_time_seconds
from {{ ref("int_agent_half_hours") }} as work
left join handled on work.agent_id = handled.agent_id and work.half_hour_at = handled.half_hour_at
order by work.half_hour_at, work.agent_id
