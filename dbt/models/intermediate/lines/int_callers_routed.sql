-- One row an inbound call: the route it took, the step that led it to a person and how long that took, or where it
-- was lost. From the steps where there are any, else from the call's own line, queue and agent. An agent's phone
-- that the caller rang off from (an abandon right behind it, nobody joined) is no person.
with steps as (
    select
        call_id,
        step_no,
        step_type,
        line_id,
        queue,
        choice,
        entered_at,
        coalesce(left_at, lead(entered_at) over in_order) as left_at,
        lead(step_type) over in_order as next_step_type
    from {{ ref("stg_callmart__call_routes") }}
    window in_order as (partition by call_id order by step_no)
),

calls as (
    select
        call_id,
        customer_id,
        customer_key,
        line_id,
        queue,
        agent_id,
        started_at,
        answered_at,
        agent_joined_at,
        ended_at,
        call_date
    from {{ ref("int_calls_reconciled") }}
    where direction = 'inbound'
),

placed as (
    select
        steps.*,
        min(steps.step_no) filter (
            where
            steps.step_type = 'agent'
            and (calls.agent_joined_at is not null or steps.next_step_type is distinct from 'abandon')
        ) over (partition by steps.call_id) as person_no
    from steps
    inner join calls on steps.call_id = calls.call_id
),

routes as (
    select
        call_id,
        array_agg(concat_ws(
            ' ',
            step_type,
            case step_type when 'line' then line_id when 'ivr' then choice when 'agent' then null else queue end
        ) order by step_no) as route_steps,
        count(*) filter (where step_type = 'ivr') as ivr_steps,
        count(*) filter (where step_type = 'queue') as queue_steps,
        count(*) filter (where step_type = 'overflow') as overflow_steps,
        count(*) filter (where step_type = 'agent' and step_no >= person_no) as persons,
        sum({{ seconds_between("entered_at", "left_at") }}) filter (where step_type = 'ivr') as ivr_seconds,
        min(entered_at) filter (where step_no = person_no) as person_at,
        bool_or(step_type = 'voicemail') as has_voicemail,
        bool_or(step_type = 'callback') as has_callback,
        max(person_no) is not null as has_person,
        (array_agg(step_type order by step_no desc) filter (
            where step_type in ('line', 'ivr', 'queue', 'overflow') and step_no < coalesce(person_no, 2147483647)
        ))[1] as led_by,
        (array_agg(line_id order by step_no desc) filter (
            where step_type = 'line' and line_id is not null and step_no < coalesce(person_no, 2147483647)
        ))[1] as led_by_line_id,
        (array_agg(queue order by step_no desc) filter (
            where
            step_type in ('queue', 'overflow') and queue is not null and step_no < coalesce(person_no, 2147483647)
        ))[1] as led_by_queue,
        (array_agg(step_type order by step_no desc) filter (
            where step_type in ('line', 'ivr', 'queue', 'overflow', 'agent')
        ))[1] as last_step_type
    from placed
    group by call_id
),

met as (
    select
        calls.*,
        routes.has_person is true or calls.agent_joined_at is not null as is_person_reached,
        routes.call_id is not null as has_steps,
        coalesce(routes.has_voicemail, false) as has_voicemail,
        coalesce(routes.has_callback, false) as has_callback,
        coalesce(calls.agent_joined_at, routes.person_at) as person_at,
        coalesce(
            routes.route_steps,
            array_remove(
                array[
                    case when calls.line_id is not null then 'line ' || calls.line_id end,
                    case when calls.queue is not null then 'queue ' || calls.queue end,
                    case when calls.agent_joined_at is not null then 'agent' end
                ],
                null
            )
        ) as route_steps,
        coalesce(routes.ivr_steps, 0)::integer as ivr_steps,
        coalesce(routes.queue_steps, (calls.queue is not null)::integer)::integer as queue_steps,
        coalesce(routes.overflow_steps, 0)::integer as overflow_steps,
        greatest(coalesce(routes.persons, 0) - 1, 0)::integer as transfers,
        routes.ivr_seconds,
        coalesce(routes.led_by, case when calls.queue is null then 'line' else 'queue' end) as led_by,
        coalesce(routes.led_by_line_id, calls.line_id) as led_by_line_id,
        coalesce(routes.led_by_queue, calls.queue) as led_by_queue,
        -- Nobody and nothing picked up: it was lost while it rang.
        case
            when calls.answered_at is null and coalesce(routes.last_step_type, 'line') = 'line' and calls.queue is null
                then 'ringing'
            else coalesce(routes.last_step_type, case when calls.queue is null then 'line' else 'queue' end)
        end as last_step_type
    from calls
    left join routes on calls.call_id = routes.call_id
),

fated as (
    select
        *,
        case
            when is_person_reached then 'person'
            when has_voicemail then 'voicemail'
            when has_callback then 'callback'
            else 'lost'
        end as fate
    from met
),

attempts as (
    select
        call_id,
        customer_key,
        line_id,
        started_at,
        is_connected
    from {{ ref("int_calls_reconciled") }}
    where direction = 'outbound' and customer_key is not null
),

-- Our attempt before the call, and the one that came after it.
attempts_before as (
    select distinct on (calls.call_id)
        calls.call_id,
        attempts.call_id as attempt_call_id,
        attempts.line_id,
        attempts.started_at
    from calls
    inner join attempts on calls.customer_key = attempts.customer_key and calls.started_at > attempts.started_at
    order by calls.call_id asc, attempts.started_at desc, attempts.call_id desc
),

attempts_after as (
    select distinct on (calls.call_id)
        calls.call_id,
        attempts.call_id as attempt_call_id,
        attempts.started_at,
        attempts.is_connected
    from calls
    inner join attempts on calls.customer_key = attempts.customer_key and calls.started_at < attempts.started_at
    order by calls.call_id asc, attempts.started_at asc, attempts.call_id asc
)

select
    fated.call_id,
    fated.customer_id,
    fated.call_date,
    fated.started_at,
    fated.has_steps,
    fated.ivr_steps,
    fated.queue_steps,
    fated.overflow_steps,
    fated.transfers,
    fated.ivr_seconds,
    fated.fate,
    fated.is_person_reached,
    fated.person_at,
    queued.queue_wait_seconds,
    attempts_before.attempt_call_id as previous_attempt_call_id,
    attempts_before.line_id as previous_attempt_line_id,
    to_jsonb(fated.route_steps) as route_steps,
    array_to_string(fated.route_steps, ' > ') as route,
    case when fated.is_person_reached then fated.led_by end as led_by,
    case when fated.is_person_reached then fated.led_by_line_id end as led_by_line_id,
    case when fated.is_person_reached then fated.led_by_queue end as led_by_queue,
    case when fated.is_person_reached then {{ seconds_between("fated.started_at", "fated.person_at") }} end
        as seconds_to_person,
    case when fated.fate = 'lost' then fated.last_step_type end as lost_at,
    case when fated.fate = 'lost' then {{ seconds_between("fated.started_at", "fated.ended_at") }} end
        as lost_after_seconds,
    coalesce(
        fated.fate = 'lost'
        and fated.last_step_type in ('queue', 'overflow')
        and queued.queue_wait_seconds <= {{ var("short_abandon_seconds", 5) }},
        false
    ) as is_short_abandon,
    {{ seconds_between("attempts_before.started_at", "fated.started_at") }} / 3600 as hours_since_attempt,
    coalesce(
        fated.started_at - attempts_before.started_at
        <= interval '1 day' * {{ evaluation_setting("callback_days", "fated.call_date") }},
        false
    ) as is_callback,
    case when not fated.is_person_reached then attempts_after.attempt_call_id end as called_back_call_id,
    case when not fated.is_person_reached then attempts_after.started_at end as called_back_at,
    case
        when not fated.is_person_reached
            then {{ seconds_between("coalesce(fated.ended_at, fated.started_at)", "attempts_after.started_at") }}
    end as called_back_after_seconds,
    case when not fated.is_person_reached then attempts_after.is_connected end as is_called_back_connected
from fated
left join {{ ref("int_calls_queued") }} as queued on fated.call_id = queued.call_id
left join attempts_before on fated.call_id = attempts_before.call_id
left join attempts_after on fated.call_id = attempts_after.call_id
