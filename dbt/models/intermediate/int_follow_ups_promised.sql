-- One row a promise of another call: a call-back step, a call-back heard, the CRM's next action turning into one,
-- or a demand that entered interested or quoted.
with callback_steps as (
    select
        calls.customer_id,
        calls.campaign_id,
        calls.call_id,
        null::text as demand_id,
        'callback_step' as origin,
        coalesce(routes.left_at, routes.entered_at, calls.ended_at, calls.started_at) as promised_at
    from {{ ref("stg_callmart__call_routes") }} as routes
    inner join {{ ref("int_calls_reconciled") }} as calls on routes.call_id = calls.call_id
    where routes.step_type = 'callback'
),

callback_signals as (
    select distinct on (calls.call_id)
        calls.customer_id,
        calls.campaign_id,
        calls.call_id,
        null::text as demand_id,
        'heard_signal' as origin,
        coalesce(calls.ended_at, calls.started_at) as promised_at
    from {{ ref("stg_callmart__phrase_hits") }} as hits
    inner join {{ ref("stg_callmart__phrase_definitions") }} as definitions
        on hits.rule_hash = definitions.rule_hash and definitions.purpose = 'signal'
    inner join {{ ref("int_calls_reconciled") }} as calls on hits.transcript_sha256 = calls.transcript_sha256
    where hits.rule_id ilike '%callback%' or hits.rule_id ilike '%call\_back%'
    order by calls.call_id
),

callback_actions as (
    select distinct demands.next_action
    from {{ ref("stg_callmart__demands_versions") }} as demands
    inner join {{ ref("callback_words") }} as words on strpos(lower(demands.next_action), words.word) > 0
),

demand_versions as (
    select
        demands.*,
        callback_actions.next_action is not null as has_callback,
        lag(demands.stage) over versions as previous_stage,
        lag(demands.next_action) over versions as previous_next_action,
        lag(demands.next_action_due_at) over versions as previous_next_action_due_at
    from {{ ref("stg_callmart__demands_versions") }} as demands
    left join callback_actions on demands.next_action = callback_actions.next_action
    window versions as (partition by demands.demand_id order by demands.version_number)
),

demand_promises as (
    select
        customer_id,
        null::text as campaign_id,
        null::text as call_id,
        demand_id,
        'next_action' as origin,
        coalesce(updated_at, created_at) as promised_at
    from demand_versions
    where
        has_callback
        and stage not in ('won', 'lost')
        and (next_action, next_action_due_at) is distinct from (previous_next_action, previous_next_action_due_at)
    union all
    select
        customer_id,
        null::text as campaign_id,
        null::text as call_id,
        demand_id,
        'stage_' || stage as origin,
        coalesce(updated_at, created_at) as promised_at
    from demand_versions
    where stage in ('interested', 'quoted') and stage is distinct from previous_stage
),

promises as (
    select * from callback_steps
    union all
    select * from callback_signals
    union all
    select * from demand_promises
)

select
    coalesce(merged.surviving_customer_id, promises.customer_id) as customer_id,
    promises.campaign_id,
    promises.call_id,
    promises.demand_id,
    promises.promised_at,
    string_agg(promises.origin, ', ' order by promises.origin) as origin
from promises
left join {{ ref("int_customers_merged") }} as merged on promises.customer_id = merged.customer_id
where promises.promised_at is not null and promises.customer_id is not null
group by
    coalesce(merged.surviving_customer_id, promises.customer_id), promises.campaign_id, promises.call_id,
    promises.demand_id, promises.promised_at
