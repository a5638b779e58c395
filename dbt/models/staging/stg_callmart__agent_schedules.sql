select *
from {{ ref("stg_callmart__agent_schedules_versions") }}
where is_current
