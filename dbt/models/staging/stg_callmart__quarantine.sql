select *
from {{ source("ops", "quarantine") }}
