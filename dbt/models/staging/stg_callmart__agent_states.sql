select *
from {{ ref("stg_callmart__agent_states_versions") }}
where is_current
