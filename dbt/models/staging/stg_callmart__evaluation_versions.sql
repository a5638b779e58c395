select
    evaluation,
    rule_version,
    status,
    effective_from,
    effective_to,
    weights,
    knots,
    decided_at
from {{ source("ops", "evaluation_versions") }}
