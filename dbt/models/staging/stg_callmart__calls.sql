select *
from {{ ref("stg_callmart__calls_versions") }}
where is_current
