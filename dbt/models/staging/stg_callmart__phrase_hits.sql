select *
from {{ source("facts", "phrase_hits") }}
