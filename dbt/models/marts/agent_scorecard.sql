with work as (
    select
        agent_id,
        work_date,
        {{ exact_sum("available_seconds") }} as available_seconds,
        {{ exact_sum("ringing_seconds") }} as ringing_seconds,
        {{ exact_sum("talking_seconds") }} as talking_seconds,
        {{ exact_sum("holding_seconds") }} as holding_seconds,
        {{ exact_sum("wrap_up_seconds") }} as wrap_up_seconds,
        {{ exact_sum("break_seconds") }} as break_seconds,
        {{ exact_sum("meal_seconds") }} as meal_seconds,
        {{ exact_sum("training_seconds") }} as training_seconds,
        {{ exact_sum("meeting_seconds") }} as meeting_seconds,
        {{ exact_sum("offline_seconds") }} as offline_seconds,
        {{ exact_sum("other_state_seconds") }} as other_state_seconds,
        {{ exact_sum("scheduled_seconds") }} as scheduled_seconds,
        {{ exact_sum("scheduled_work_seconds") }} as scheduled_work_seconds,
        {{ exact_sum("adherent_seconds") }} as adherent_seconds
    from {{ ref("int_agent_half_hours") }}
    group by agent_id, work_date
),

traffic as (
    select
        agent_id,
        call_date,
        {{ traffic_figures() }}
    from {{ ref("int_calls_measured") }}
    where agent_id is not null
    group by agent_id, call_date
),

-- Whole states, not cut at midnight, offline left out; the first of equally long ones.
longest as (
    select distinct on (agent_id, state_date)
        agent_id,
        state_date,
        state,
        started_at,
        state_seconds
    from {{ ref("int_agent_states_sessionised") }}
    where state <> 'offline'
    order by agent_id asc, state_date asc, state_seconds desc, started_at asc
),

pauses as (
    select
        agent_id,
        state_date,
        jsonb_object_agg(reason, seconds) as pause_seconds_by_reason
    from (
        -- Cut at midnight, as the seconds by state are.
        select
            states.agent_id,
            pause_days.state_date::date as state_date,
            states.state || coalesce(': ' || states.reason, '') as reason,
            sum(
                {{ seconds_between(
                    "greatest(states.started_at, pause_days.state_date at time zone " ~ business_time_zone() ~ ")",
                    "least(states.ended_at, (pause_days.state_date + interval '1 day') at time zone "
                    ~ business_time_zone() ~ ")"
                ) }}::numeric
            )::double precision as seconds
        from {{ ref("int_agent_states_sessionised") }} as states
        cross join
            lateral generate_series(
                states.state_date::timestamp,
                {{ business_date("states.ended_at - interval '1 microsecond'") }}::timestamp,
                interval '1 day'
            ) as pause_days (state_date)
        where states.activity is distinct from 'work' and states.state <> 'offline'
        group by
            states.agent_id, pause_days.state_date, states.state || coalesce(': ' || states.reason, '')
    ) as summed
    group by agent_id, state_date
),

open_states as (
    select
        agent_id,
        state_date,
        count(*)::integer as open_ended_states
    from {{ ref("int_agent_states_sessionised") }}
    where is_open_ended
    group by agent_id, state_date
),

violations as (
    select
        calls.agent_id,
        calls.call_date,
        count(*)::integer as rule_violations,
        count(*) filter (where violations.severity = 'critical')::integer as critical_rule_violations
    from {{ ref("int_rule_violations") }} as violations
    inner join {{ ref("int_calls_reconciled") }} as calls on violations.call_id = calls.call_id
    where calls.agent_id is not null
    group by calls.agent_id, calls.call_date
),

days as (
    select
        agent_id,
        work_date
    from work
    union
    select
        agent_id,
        call_date as work_date
    from traffic
)

select
    days.agent_id,
    {{ masked_name("agents.name") }} as agent_name,
    agents.team,
    agents.agent_id is not null as is_known_agent,
    days.work_date,
    coalesce(traffic.attempts, 0) as attempts,
    coalesce(traffic.answered, 0) as answered,
    coalesce(traffic.connected, 0) as connected,
    traffic.connection_ratio,
    coalesce(traffic.inbound_calls, 0) as inbound_calls,
    coalesce(traffic.handled, 0) as handled,
    coalesce(traffic.talk_seconds, 0) as talk_seconds,
    coalesce(traffic.talked_calls, 0) as talked_calls,
    traffic.average_talk_seconds,
    coalesce(traffic.handle_seconds, 0) as handle_seconds,
    traffic.average_handle_time_seconds,
    coalesce(work.available_seconds, 0) as available_seconds,
    coalesce(work.ringing_seconds, 0) as ringing_seconds,
    coalesce(work.talking_seconds, 0) as talking_seconds,
    coalesce(work.holding_seconds, 0) as holding_seconds,
    coalesce(work.wrap_up_seconds, 0) as wrap_up_seconds,
    coalesce(work.break_seconds, 0) as break_seconds,
    coalesce(work.meal_seconds, 0) as meal_seconds,
    coalesce(work.training_seconds, 0) as training_seconds,
    coalesce(work.meeting_seconds, 0) as meeting_seconds,
    coalesce(work.offline_seconds, 0) as offline_seconds,
    coalesce(work.other_state_seconds, 0) as other_state_seconds,
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
    coalesce(
        work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds
        + work.ringing_seconds,
        0
    ) as worked_seconds,
    coalesce(work.scheduled_work_seconds, 0) as scheduled_work_seconds,
    {{ ratio(
        "work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds
        + work.ringing_seconds",
        "work.scheduled_work_seconds"
    ) }} as conformance,
    {{ ratio(
        "3600 * (coalesce(traffic.attempts, 0) + coalesce(traffic.inbound_calls, 0))",
        "work.talking_seconds + work.holding_seconds + work.wrap_up_seconds + work.available_seconds
        + work.ringing_seconds"
    ) }} as calls_per_productive_hour,
    coalesce(pauses.pause_seconds_by_reason, '{}'::jsonb) as pause_seconds_by_reason,
    longest.state as longest_state,
    longest.started_at as longest_state_started_at,
    longest.state_seconds as longest_state_seconds,
    coalesce(open_states.open_ended_states, 0) as open_ended_states,
    coalesce(violations.rule_violations, 0) as rule_violations,
    coalesce(violations.critical_rule_violations, 0) as critical_rule_violations
from days
left join {{ ref("stg_callmart__agents") }} as agents on days.agent_id = agents.agent_id
left join work on days.agent_id = work.agent_id and days.work_date = work.work_date
left join traffic on days.agent_id = traffic.agent_id and days.work_date = traffic.call_date
left join longest on days.agent_id = longest.agent_id and days.work_date = longest.state_date
left join pauses on days.agent_id = pauses.agent_id and days.work_date = pauses.state_date
left join open_states on days.agent_id = open_states.agent_id and days.work_date = open_states.state_date
left join violations on days.agent_id = violations.agent_id and days.work_date = violations.call_date
order by days.work_date, days.agent_id
