-- The call's recording is the one delivered last: greatest (delivered_on, object_key).
select
    call_id,
    content_hash,
    object_key,
    delivered_on,
    agent_object_id,
    customer_object_id,
    object_id,
    linked_at,
    row_number() over (partition by call_id order by delivered_on desc, object_key desc) = 1 as is_current
from {{ source("facts", "call_recordings") }}
