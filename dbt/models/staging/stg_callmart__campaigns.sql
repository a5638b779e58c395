select *
from {{ ref("stg_callmart__campaigns_versions") }}
where is_current
