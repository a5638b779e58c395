select *
from {{ ref("stg_callmart__phrase_rules_versions") }}
where is_current
