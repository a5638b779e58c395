-- Nobody can be reached on a call that nothing answered, nor abandoned who was not reached.
select call_id
from {{ ref("calls") }}
where (is_connected and not is_answered) or (is_abandoned and is_connected is not true)
