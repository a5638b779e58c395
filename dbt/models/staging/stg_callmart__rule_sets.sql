select
    rules_version,
    origin,
    phrase_rules,
    sales_rules
from {{ source("ops", "rule_sets") }}
