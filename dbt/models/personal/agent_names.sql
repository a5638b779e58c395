select
    agent_id,
    name as agent_name,
    team
from {{ ref("stg_callmart__agents") }}
