-- Agent × scheduled activity, disjoint: of entries laid over each other the one that starts last says what is
-- scheduled, and the earlier one goes on behind it (a meal laid over a shift leaves both its ends). A shift is
-- what stands together without a long gap.
with entries as (
    select
        agent_id,
        activity,
        starts_at,
        coalesce(
            ends_at,
            lead(starts_at) over (partition by agent_id order by starts_at)
        ) as ends_at
    from {{ ref("stg_callmart__agent_schedules") }}
),

moments as (
    select
        agent_id,
        starts_at as moment
    from entries
    union
    select
        agent_id,
        ends_at as moment
    from entries
    where ends_at is not null
),

pieces as (
    select
        agent_id,
        moment as starts_at,
        lead(moment) over (partition by agent_id order by moment) as ends_at
    from moments
),

cut as (
    select distinct on (pieces.agent_id, pieces.starts_at)
        pieces.agent_id,
        entries.activity,
        pieces.starts_at,
        pieces.ends_at
    from pieces
    inner join entries
        on
            pieces.agent_id = entries.agent_id
            and pieces.starts_at >= entries.starts_at
            and pieces.ends_at <= entries.ends_at
    order by pieces.agent_id asc, pieces.starts_at asc, entries.starts_at desc
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
