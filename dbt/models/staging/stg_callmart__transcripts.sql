-- The call's transcript is the one delivered last: greatest (delivered_on, object_key). What was recognised of its
-- recording counts where none was delivered.
select
    *,
    row_number() over (
        partition by call_id
        order by (transcript_source = 'delivered') desc, delivered_on desc, object_key desc, object_id asc
    ) = 1 as is_current
from {{ source("facts", "transcripts") }}
