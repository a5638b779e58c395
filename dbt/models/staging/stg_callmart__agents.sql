select *
from {{ ref("stg_callmart__agents_versions") }}
where is_current
