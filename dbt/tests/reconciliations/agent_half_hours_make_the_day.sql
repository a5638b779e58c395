-- The seconds of an agent's states are the same whole, by half hour and by day; no half hour has more than 1 800
-- of them; pauses by reason make up what was no work; handled calls are the same by half hour, day and in traffic.
with intervals as (
    select
        agent_id,
        sum(state_seconds::numeric) as seconds
    from {{ ref("int_agent_states_sessionised") }}
    group by agent_id
),

half_hours as (
    select
        agent_id,
        work_date,
        half_hour_at,
        handled,
        (
            available_seconds + ringing_seconds + talking_seconds + holding_seconds + wrap_up_seconds
            + break_seconds + meal_seconds + training_seconds + meeting_seconds + offline_seconds
            + other_state_seconds
        )::numeric as seconds
    from {{ ref("agent_work") }}
),

days as (
    select
        agent_id,
        work_date,
        handled,
        (break_seconds + meal_seconds + training_seconds + meeting_seconds + other_state_seconds)::numeric
            as paused_seconds,
        (
            available_seconds + ringing_seconds + talking_seconds + holding_seconds + wrap_up_seconds
            + break_seconds + meal_seconds + training_seconds + meeting_seconds + offline_seconds
            + other_state_seconds
        )::numeric as seconds,
        (
            select coalesce(sum(pauses.value::numeric), 0)
            from jsonb_each_text(scorecard.pause_seconds_by_reason) as pauses
        ) as seconds_by_reason
    from {{ ref("agent_scorecard") }} as scorecard
),

summed as (
    select
        agent_id,
        work_date,
        sum(seconds) as seconds,
        sum(handled) as handled
    from half_hours
    group by agent_id, work_date
)

select
    'half hour of ' || agent_id as disagreement,
    half_hour_at::text as place
from half_hours
where seconds > 1800.001

union all

select
    'day of ' || coalesce(days.agent_id, summed.agent_id) as disagreement,
    coalesce(days.work_date, summed.work_date)::text as place
from days
full outer join summed on days.agent_id = summed.agent_id and days.work_date = summed.work_date
where
    abs(coalesce(days.seconds, 0) - coalesce(summed.seconds, 0)) > 0.001
    or coalesce(days.handled, 0) <> coalesce(summed.handled, 0)
    or abs(days.paused_seconds - days.seconds_by_reason) > 0.001

union all

select
    'states of ' || coalesce(intervals.agent_id, whole.agent_id) as disagreement,
    null as place
from intervals
full outer join (
    select
        agent_id,
        sum(seconds) as seconds
    from half_hours
    group by agent_id
) as whole on intervals.agent_id = whole.agent_id
where abs(coalesce(intervals.seconds, 0) - coalesce(whole.seconds, 0)) > 0.001

union all

select
    'handled calls' as disagreement,
    null as place
where
    (select coalesce(sum(handled), 0) from half_hours)
    <> (
        select coalesce(sum(handled), 0) from {{ ref("traffic") }}
        where agent_id is not null
    )
