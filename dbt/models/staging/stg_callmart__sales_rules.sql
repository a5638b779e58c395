select *
from {{ ref("stg_callmart__sales_rules_versions") }}
where is_current
