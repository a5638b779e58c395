-- Agent × scheduled activity, disjoint: where two entries overlap the later start wins for good. A shift is
-- what stands together without a long gap.
with ordered as (
    select
        agent_id,
        activity,
        starts_at,
        ends_at,
        lead(starts_at) over (
            partition by agent_id
            order by starts_at, updated_at nulls first, _delivered_on, _object_key, _row_number
        ) as next_starts_at
    from {{ ref("stg_callmart__agent_schedules") }}
),

cut as (
    select
        agent_id,
        activity,
        starts_at,
        least(coalesce(ends_at, next_starts_at), coalesce(next_starts_at, ends_at)) as ends_at
    from ordered
),

numbered as (
    select
        *,
        coalesce(
            starts_at - lag(ends_at) over (partition by agent_id order by starts_at)
            > interval '{{ var("shift_gap_hours") }} hours',
            true
        ) as is_new_shift
    from cut
    where ends_at > starts_at
),

shifted as (
    select
        agent_id,
        activity,
        starts_at,
        ends_at,
        sum(is_new_shift::integer) over (partition by agent_id order by starts_at) as shift_number
    from numbered
)

select
    agent_id,
    activity,
    starts_at,
    ends_at,
    min(starts_at) over (partition by agent_id, shift_number) as shift_starts_at,
    max(ends_at) over (partition by agent_id, shift_number) as shift_ends_at
from shifted
