select *
from {{ ref("stg_callmart__call_routes_versions") }}
where is_current
