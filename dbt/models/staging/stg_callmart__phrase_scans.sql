select *
from {{ source("facts", "phrase_scans") }}
