-- The call's transcript is the one delivered last: greatest (delivered_on, object_key).
select
    *,
    row_number() over (partition by call_id order by delivered_on desc, object_key desc) = 1 as is_current
from {{ source("raw", "transcripts") }}
