{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["customer_id"]}, {"columns": ["call_id"], "unique": true}],
    meta={"touched": ["customer_id", "customers"], "in_order": ["started_at", "call_id"]}
) }}
-- One row a call with a known customer: what evaluation 3 rests on, and the rolling counts the others share.
with calls as (
    select
        call_id,
        direction,
        campaign_id,
        customer_id,
        agent_id,
        line_id,
        started_at,
        call_date,
        is_connected,
        is_abandoned,
        hangup_by,
        answered_seconds,
        talk_seconds
    from {{ ref("int_calls_reconciled") }}
    where
        customer_id is not null
        {{ only_touched("customer_id", "customers", "and") }}
),

rolling as (
    select
        *,
        count(*) filter (where direction = 'outbound') over one_day as attempts_24h,
        count(*) filter (where direction = 'outbound') over whole_window as attempts_in_window,
        count(*) filter (where direction = 'outbound' and is_connected) over whole_window
            as connected_attempts_in_window,
        count(*) filter (where is_connected) over whole_window as connected_in_window,
        max(started_at) filter (where direction = 'outbound') over before as previous_attempt_at,
        max(call_date) filter (where is_connected) over before as previous_connected_date,
        min(call_date) filter (where is_connected) over after as next_connected_date
    from calls
    window
        -- (t - 24 h, t]: the end of the interval that is left out is one microsecond away
        one_day as (
            partition by customer_id
            order by started_at
            range between interval '23:59:59.999999' preceding and current row
        ),
        whole_window as (
            partition by customer_id
            order by started_at
            range between interval '{{ evaluation_window_days() }} days' preceding and current row
        ),
        before as (
            partition by customer_id
            order by started_at, call_id
            rows between unbounded preceding and 1 preceding
        ),
        after as (
            partition by customer_id
            order by started_at, call_id
            rows between 1 following and unbounded following
        )
),

lines as (
    select
        calls.call_id,
        count(distinct earlier.line_id) as distinct_lines_in_window
    from calls
    inner join calls as earlier
        on
            calls.customer_id = earlier.customer_id
            and earlier.direction = 'outbound'
            and calls.started_at >= earlier.started_at
            and earlier.started_at >= calls.started_at - interval '{{ evaluation_window_days() }} days'
    group by calls.call_id
),

repeats as (
    select
        calls.call_id,
        count(earlier.call_id) filter (where earlier.is_connected) as connected_before
    from calls
    inner join calls as earlier
        on
            calls.customer_id = earlier.customer_id
            and calls.started_at > earlier.started_at
            and earlier.started_at
            > calls.started_at - interval '1 day' * {{ evaluation_setting("repeat_contact_days", "calls.call_date") }}
    group by calls.call_id
)

select
    rolling.call_id,
    rolling.direction,
    rolling.campaign_id,
    rolling.customer_id,
    rolling.agent_id,
    rolling.line_id,
    rolling.started_at,
    rolling.call_date,
    rolling.is_connected,
    rolling.is_abandoned,
    rolling.hangup_by,
    rolling.answered_seconds,
    rolling.talk_seconds,
    rolling.attempts_24h,
    rolling.attempts_in_window,
    rolling.connected_attempts_in_window,
    rolling.connected_in_window,
    rolling.previous_attempt_at,
    rolling.previous_connected_date,
    rolling.next_connected_date,
    coalesce(lines.distinct_lines_in_window, 0) as distinct_lines_in_window,
    coalesce(repeats.connected_before, 0) as repeat_contacts,
    {{ seconds_between("rolling.previous_attempt_at", "rolling.started_at") }} / 3600 as hours_since_attempt
from rolling
left join lines on rolling.call_id = lines.call_id
left join repeats on rolling.call_id = repeats.call_id
