-- One row a promise of another call: a call-back step or a call-back heard in a conversation (one promise a
-- call), the CRM's next action turning into one, or a demand that entered interested or quoted. A stage that the
-- first version of a demand already shows was entered nobody knows when, and starts no clock; a next action
-- that it shows is still to come, and does.
with callback_steps as (
    select
        calls.call_id,
        calls.customer_id,
        calls.customer_key,
        calls.campaign_id,
        'callback_step' as origin,
        coalesce(routes.left_at, routes.entered_at, calls.ended_at, calls.started_at) as promised_at,
        null::bigint as heard_ms
    from {{ ref("stg_callmart__call_routes") }} as routes
    inner join {{ ref("int_calls_reconciled") }} as calls on routes.call_id = calls.call_id
    where routes.step_type = 'callback'
),

callback_signals as (
    select
        calls.call_id,
        calls.customer_id,
        calls.customer_key,
        calls.campaign_id,
        'heard_signal' as origin,
        coalesce(calls.ended_at, calls.started_at) as promised_at,
        hits.start_ms::bigint as heard_ms
    from {{ ref("int_phrase_hits_judged") }} as hits
    inner join {{ ref("int_calls_reconciled") }} as calls on hits.call_id = calls.call_id
    where
        hits.purpose = 'signal'
        and calls.is_connected
        and (hits.rule_id ilike '%callback%' or hits.rule_id ilike '%call\_back%')
),

call_promises as (
    select
        call_id,
        customer_id,
        customer_key,
        campaign_id,
        null::text as demand_id,
        string_agg(distinct origin, ', ' order by origin) as origin,
        max(promised_at) as promised_at,
        min(heard_ms) as heard_ms
    from (
        select * from callback_steps
        union all
        select * from callback_signals
    ) as agreed
    where customer_key is not null
    group by call_id, customer_id, customer_key, campaign_id
),

callback_actions as (
    select distinct demands.next_action
    from {{ ref("int_demand_versions_ordered") }} as demands
    inner join {{ ref("callback_words") }} as words on strpos(lower(demands.next_action), words.word) > 0
),

demand_versions as (
    select
        demands.demand_id,
        demands.version_number,
        demands.customer_id,
        demands.is_deleted,
        demands.known_at,
        demands.next_action,
        demands.next_action_due_at,
        callback_actions.next_action is not null as has_callback,
        lag(demands.next_action) over versions as previous_next_action,
        lag(demands.next_action_due_at) over versions as previous_next_action_due_at
    from {{ ref("int_demand_versions_ordered") }} as demands
    left join callback_actions on demands.next_action = callback_actions.next_action
    window versions as (partition by demands.demand_id order by demands.version_number)
),

demand_promises as (
    select
        demand_id,
        customer_id,
        'next_action' as origin,
        known_at as promised_at
    from demand_versions
    where
        has_callback
        and not is_deleted
        and (next_action, next_action_due_at) is distinct from (previous_next_action, previous_next_action_due_at)
    union all
    select
        stages.demand_id,
        versions.customer_id,
        'stage_' || stages.stage as origin,
        stages.entered_at as promised_at
    from {{ ref("int_demand_stages_sessionised") }} as stages
    inner join {{ ref("int_demand_versions_ordered") }} as versions
        on stages.demand_id = versions.demand_id and stages.version_number = versions.version_number
    where stages.stage in ('interested', 'quoted') and not stages.is_left_censored
)

select
    call_id as promise_id,
    call_id,
    customer_id,
    customer_key,
    campaign_id,
    demand_id,
    origin,
    promised_at,
    heard_ms
from call_promises
union all
select
    demand_id || ' ' || extract(epoch from promised_at) as promise_id,
    null::text as call_id,
    customer_id,
    customer_id as customer_key,
    null::text as campaign_id,
    demand_id,
    string_agg(origin, ', ' order by origin) as origin,
    promised_at,
    null::bigint as heard_ms
from demand_promises
where promised_at is not null
group by demand_id, customer_id, promised_at
