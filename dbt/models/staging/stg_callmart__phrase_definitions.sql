select *
from {{ source("facts", "phrase_rules") }}
