select
    pin_id,
    kind,
    version,
    from_date,
    to_date,
    decided_at
from {{ source("ops", "version_pins") }}
