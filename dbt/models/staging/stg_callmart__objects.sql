select
    object_id,
    object_key,
    kind,
    source,
    entities[1] as first_entity,
    delivered_on,
    status,
    message,
    discovered_at,
    finished_at
from {{ source("ops", "objects") }}
