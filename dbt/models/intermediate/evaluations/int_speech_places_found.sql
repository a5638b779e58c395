-- One row a recording whose sides were told apart: where what was measured over all of it shows most. Seconds from its
-- start; null where it does not occur.
with turns as (
    select
        content_hash,
        side,
        start_seconds,
        end_seconds,
        turn_index,
        max(end_seconds) over earlier as heard_until,
        max(end_seconds) filter (where side = 'agent') over earlier as agent_until,
        max(end_seconds) filter (where side = 'customer') over earlier as customer_until
    from {{ ref("stg_callmart__speech_turns") }}
    where side in ('agent', 'customer')
    window earlier as (
        partition by content_hash
        order by start_seconds, turn_index
        rows between unbounded preceding and 1 preceding
    )
),

-- The pause before a turn, whether it begins inside one of the other side, and the other side's end it answers.
placed as (
    select
        *,
        start_seconds - heard_until as pause_seconds,
        start_seconds < case side when 'agent' then customer_until else agent_until end as is_overlapping,
        case
            when side = 'agent' and start_seconds >= customer_until and customer_until > coalesce(agent_until, 0)
                then start_seconds - customer_until
        end as agent_response_seconds
    from turns
)

select
    content_hash,
    (
        array_agg(heard_until order by pause_seconds desc, turn_index asc) filter (where pause_seconds > 0)
    )[1] as silence_at_seconds,
    (
        array_agg(heard_until order by pause_seconds desc, turn_index asc) filter (where pause_seconds > 3)
    )[1] as long_silence_at_seconds,
    min(start_seconds) filter (where is_overlapping) as overlap_at_seconds,
    (
        array_agg(customer_until order by agent_response_seconds desc, turn_index asc)
        filter (where agent_response_seconds is not null)
    )[1] as agent_response_at_seconds,
    max(start_seconds) filter (where side = 'customer') as customer_last_at_seconds
from placed
group by content_hash
