-- Inbound callers whom the rule names (by region or segment) and whom it promises a queue and a longest wait:
-- who met any other queue on the way, or waited longer.
with steps as (
    select
        call_id,
        array_agg(queue order by entered_at, step_no) filter (where queue is not null) as queues
    from {{ ref("stg_callmart__call_routes") }}
    where step_type in ('queue', 'overflow')
    group by call_id
),

judged as (
    select
        rules.rule_id,
        rules.rule_type,
        rules.rule_version,
        rules.effective_from,
        rules.severity,
        calls.call_id,
        calls.customer_id,
        calls.campaign_id,
        calls.started_at,
        coalesce(steps.queues, array[queued.queue]) as queues,
        queued.queue_wait_seconds,
        rules.parameters ->> 'queue' as wanted_queue,
        {{ rule_number("rules.parameters ->> 'max_wait_seconds'") }} as max_wait_seconds
    from {{ ref("int_sales_rules_usable") }} as rules
    inner join {{ ref("int_calls_reconciled") }} as calls
        on
            {{ rule_covers_call("rules", "calls") }}
            and (
                rules.parameters ->> 'segment' is null
                or rules.parameters ->> 'segment' = calls.customer_segment
            )
    inner join {{ ref("int_calls_queued") }} as queued on calls.call_id = queued.call_id
    left join steps on calls.call_id = steps.call_id
    where rules.rule_type = 'inbound_routing' and calls.direction = 'inbound'
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_strip_nulls(jsonb_build_object(
        'queue', queues[1],
        'queues', queues,
        'wanted_queue', wanted_queue,
        'wait_seconds', queue_wait_seconds,
        'max_wait_seconds', max_wait_seconds
    )) as detail
from judged
where wanted_queue <> any(queues) or queue_wait_seconds > max_wait_seconds
