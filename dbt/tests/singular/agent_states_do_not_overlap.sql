with followed as (
    select
        agent_id,
        started_at,
        ended_at,
        lead(started_at) over (partition by agent_id order by started_at) as next_started_at
    from {{ ref("int_agent_states_sessionised") }}
)

select
    agent_id,
    started_at,
    ended_at,
    next_started_at
from followed
where ended_at <= started_at or ended_at > next_started_at
