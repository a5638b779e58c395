{{ config(
    materialized="incremental",
    unique_key=["agent_id", "half_hour_at"],
    indexes=[{"columns": ["agent_id", "half_hour_at"], "unique": true}],
    meta={"touched": "all", "touches": [touch("half_hours", "half_hour_at"), touch_customers_of_half_hours()]}
) }}
-- Agent × half hour: seconds in each state and scheduled seconds, intervals cut at the half hour.
with states as (
    select
        states.agent_id,
        states.state,
        states.activity,
        states.is_known_state,
        half_hours.half_hour_at,
        greatest(states.started_at, half_hours.half_hour_at) as started_at,
        least(states.ended_at, half_hours.half_hour_at + interval '30 minutes') as ended_at
    from {{ ref("int_agent_states_sessionised") }} as states
    cross join lateral generate_series(
        {{ half_hour("states.started_at") }}, states.ended_at - interval '1 microsecond', interval '30 minutes'
    ) as half_hours (half_hour_at)
),

state_seconds as (
    select
        agent_id,
        half_hour_at,
        {%- for state in [
            "available", "ringing", "talking", "holding", "wrap_up", "break", "meal", "training", "meeting", "offline"
        ] %}
        coalesce(
            {{ exact_sum(seconds_between("started_at", "ended_at"), "state = '" ~ state ~ "'") }}, 0
        ) as {{ state }}_seconds,
        {%- endfor %}
        coalesce({{ exact_sum(seconds_between("started_at", "ended_at"), "not is_known_state") }}, 0)
            as other_state_seconds
    from states
    group by agent_id, half_hour_at
),

scheduled as (
    select
        schedules.agent_id,
        schedules.activity,
        half_hours.half_hour_at,
        greatest(schedules.starts_at, half_hours.half_hour_at) as starts_at,
        least(schedules.ends_at, half_hours.half_hour_at + interval '30 minutes') as ends_at
    from {{ ref("int_agent_schedules_sessionised") }} as schedules
    cross join lateral generate_series(
        {{ half_hour("schedules.starts_at") }}, schedules.ends_at - interval '1 microsecond', interval '30 minutes'
    ) as half_hours (half_hour_at)
),

scheduled_seconds as (
    select
        agent_id,
        half_hour_at,
        {{ exact_sum(seconds_between("starts_at", "ends_at")) }} as scheduled_seconds,
        coalesce({{ exact_sum(seconds_between("starts_at", "ends_at"), "activity = 'work'") }}, 0)
            as scheduled_work_seconds
    from scheduled
    group by agent_id, half_hour_at
),

-- Seconds in which the agent did what the schedule says.
adherent_seconds as (
    select
        scheduled.agent_id,
        scheduled.half_hour_at,
        {{ exact_sum(
            seconds_between(
                "greatest(states.started_at, scheduled.starts_at)", "least(states.ended_at, scheduled.ends_at)"
            )
        ) }} as adherent_seconds
    from scheduled
    inner join states
        on
            scheduled.agent_id = states.agent_id
            and scheduled.half_hour_at = states.half_hour_at
            and scheduled.activity = states.activity
            and scheduled.ends_at > states.started_at
            and scheduled.starts_at < states.ended_at
    group by scheduled.agent_id, scheduled.half_hour_at
)

select
    coalesce(state_seconds.agent_id, scheduled_seconds.agent_id) as agent_id,
    coalesce(state_seconds.half_hour_at, scheduled_seconds.half_hour_at) as half_hour_at,
    {{ business_date("coalesce(state_seconds.half_hour_at, scheduled_seconds.half_hour_at)") }} as work_date,
    {%- for state in [
        "available", "ringing", "talking", "holding", "wrap_up", "break", "meal", "training", "meeting", "offline",
        "other_state"
    ] %}
    coalesce(state_seconds.{{ state }}_seconds, 0) as {{ state }}_seconds,
    {%- endfor %}
    coalesce(scheduled_seconds.scheduled_seconds, 0) as scheduled_seconds,
    coalesce(scheduled_seconds.scheduled_work_seconds, 0) as scheduled_work_seconds,
    coalesce(adherent_seconds.adherent_seconds, 0) as adherent_seconds
from state_seconds
full join scheduled_seconds
    on
        state_seconds.agent_id = scheduled_seconds.agent_id
        and state_seconds.half_hour_at = scheduled_seconds.half_hour_at
left join adherent_seconds
    on
        scheduled_seconds.agent_id = adherent_seconds.agent_id
        and scheduled_seconds.half_hour_at = adherent_seconds.half_hour_at
