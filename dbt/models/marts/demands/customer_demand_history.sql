select
    stages.demand_id,
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
    'crm' as source,
    stages.version_number
from {{ ref("int_demand_stages_sessionised") }} as stages
