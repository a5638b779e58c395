select *
from {{ ref("stg_callmart__complaints_versions") }}
where is_current
