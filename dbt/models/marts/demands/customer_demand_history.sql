-- The CRM's stays, and beside them what the customer's words showed while the CRM said otherwise.
with heard as (
    select * from {{ ref("int_demand_stages_heard") }}
),

-- The first time that speech showed a stage which the CRM entered later.
heard_before as (
    select distinct on (demand_id, stage, crm_entered_at)
        demand_id,
        stage,
        crm_entered_at,
        entered_at,
        call_id,
        start_ms,
        quote
    from heard
    where crm_entered_at is not null
    order by demand_id asc, stage asc, crm_entered_at asc, entered_at asc
)

select
    stages.demand_id,
    'crm' as source,
    stages.stage_number::integer as stage_number,
    stages.customer_id,
    stages.product,
    stages.stage,
    stages.entered_at,
    stages.left_at,
    {{ seconds_between("stages.entered_at", "stages.left_at") }} as stage_seconds,
    stages.next_stage,
    stages.is_current,
    stages.is_left_censored,
    stages.known_at,
    heard_before.entered_at as heard_at,
    heard_before.call_id,
    heard_before.start_ms::bigint as start_ms,
    heard_before.quote,
    stages.stage as crm_stage,
    stages.entered_at as crm_entered_at,
    {{ seconds_between("heard_before.entered_at", "stages.entered_at") }} as crm_lag_seconds,
    stages.version_number
from {{ ref("int_demand_stages_sessionised") }} as stages
left join heard_before
    on
        stages.demand_id = heard_before.demand_id
        and stages.stage = heard_before.stage
        and stages.entered_at = heard_before.crm_entered_at

union all

select
    heard.demand_id,
    'call' as source,
    heard.stage_number::integer as stage_number,
    heard.customer_id,
    heard.product,
    heard.stage,
    heard.entered_at,
    heard.left_at,
    {{ seconds_between("heard.entered_at", "heard.left_at") }} as stage_seconds,
    heard.next_stage,
    heard.is_current,
    false as is_left_censored,
    heard.entered_at as known_at,
    heard.entered_at as heard_at,
    heard.call_id,
    heard.start_ms::bigint as start_ms,
    heard.quote,
    heard.crm_stage,
    heard.crm_entered_at,
    {{ seconds_between("heard.entered_at", "heard.crm_entered_at") }} as crm_lag_seconds,
    null::integer as version_number
from heard
