select
    source,
    disposition,
    lower(trim(disposition)) as disposition_folded,
    lower(outcome) as outcome
from {{ source("ops", "disposition_words") }}
