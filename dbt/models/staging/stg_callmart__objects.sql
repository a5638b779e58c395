select *
from {{ source("ops", "objects") }}
