-- Agent × state interval without overlaps: a state that begins during another ends it, and what is left of
-- that one is dropped. One delivered without an end is closed by the agent's next state, or else by the shift
-- it began in or shortly before (who logs in early), or else by the limit open_state_limit_hours.
with ordered as (
    select
        agent_id,
        state,
        started_at,
        ended_at,
        call_id,
        reason,
        lead(started_at) over (
            partition by agent_id
            order by started_at, updated_at nulls first, _delivered_on, _object_key, _row_number, _row_part
        ) as next_started_at
    from {{ ref("stg_callmart__agent_states") }}
),

shifts as (
    select distinct
        agent_id,
        shift_starts_at,
        shift_ends_at
    from {{ ref("int_agent_schedules_sessionised") }}
),

closed as (
    select
        ordered.agent_id,
        ordered.state,
        ordered.started_at,
        ordered.call_id,
        ordered.reason,
        ordered.ended_at as delivered_ended_at,
        ordered.ended_at is null as is_open_ended,
        coalesce(ordered.ended_at > ordered.next_started_at, false) as is_cut_by_next,
        least(
            coalesce(
                ordered.ended_at,
                ordered.next_started_at,
                shifts.shift_ends_at,
                ordered.started_at + interval '{{ var("open_state_limit_hours") }} hours'
            ),
            ordered.next_started_at
        ) as ended_at
    from ordered
    left join lateral (
        select shifts.shift_ends_at
        from shifts
        where
            shifts.agent_id = ordered.agent_id
            and shifts.shift_ends_at > ordered.started_at
            and shifts.shift_starts_at <= ordered.started_at + interval '{{ var("shift_gap_hours") }} hours'
        order by shifts.shift_starts_at
        limit 1
    ) as shifts on true
)

select
    closed.agent_id,
    closed.state,
    activities.activity,
    closed.started_at,
    closed.ended_at,
    closed.delivered_ended_at,
    closed.call_id,
    closed.reason,
    closed.is_open_ended,
    closed.is_cut_by_next,
    activities.state is not null as is_known_state,
    {{ seconds_between("closed.started_at", "closed.ended_at") }} as state_seconds,
    {{ business_date("closed.started_at") }} as state_date
from closed
left join {{ ref("agent_state_activities") }} as activities on closed.state = activities.state
where closed.ended_at > closed.started_at
