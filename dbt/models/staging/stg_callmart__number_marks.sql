select *
from {{ ref("stg_callmart__number_marks_versions") }}
where is_current
