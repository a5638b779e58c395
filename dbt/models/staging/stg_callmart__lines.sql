select *
from {{ ref("stg_callmart__lines_versions") }}
where is_current
