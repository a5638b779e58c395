-- A half hour stands here if a state, a schedule or a call of the agent lies in it.
with handled as (
    select
        agent_id,
        half_hour_at,
        count(*) filter (where is_handled)::integer as handled,
        count(*)::integer as calls,
        coalesce(
            {{ exact_sum(
                "coalesce(talk_seconds, 0) + coalesce(hold_seconds, 0) + coalesce(wrap_up_seconds, 0)", "is_handled"
            ) }},
            0
        ) as handle_seconds
    from {{ ref("int_calls_reconciled") }}
    where agent_id is not null
    group by agent_id, half_hour_at
)

select
    coalesce(work.agent_id, handled.agent_id) as agent_id,
    coalesce(work.half_hour_at, handled.half_hour_at) as half_hour_at,
    {{ business_date("coalesce(work.half_hour_at, handled.half_hour_at)") }} as work_date,
    {%- for state in [
        "available", "ringing", "talking", "holding", "wrap_up", "break", "meal", "training", "meeting", "offline",
        "other_state"
    ] %}
    coalesce(work.{{ state }}_seconds, 0) as {{ state }}_seconds,
    {%- endfor %}
    coalesce(work.talking_seconds + work.holding_seconds + work.wrap_up_seconds, 0) as occupied_seconds,
    coalesce(work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds, 0)
        as staffed_seconds,
    {{ ratio(
        "work.talking_seconds + work.holding_seconds + work.wrap_up_seconds",
        "work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds"
    ) }} as occupancy,
    coalesce(work.scheduled_seconds, 0) as scheduled_seconds,
    {{ ratio(
        "work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds",
        "work.scheduled_seconds"
    ) }} as utilisation,
    coalesce(work.adherent_seconds, 0) as adherent_seconds,
    {{ ratio("work.adherent_seconds", "work.scheduled_seconds") }} as adherence,
    coalesce(handled.calls, 0) as calls,
    coalesce(handled.handled, 0) as handled,
    coalesce(handled.handle_seconds, 0) as handle_seconds,
    {{ ratio("handled.handle_seconds", "handled.handled") }} as average_handle_time_seconds
from {{ ref("int_agent_half_hours") }} as work
full join handled on work.agent_id = handled.agent_id and work.half_hour_at = handled.half_hour_at
order by half_hour_at, agent_id
