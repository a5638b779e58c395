select
    calls.call_id,
    calls.agent_id,
    calls.from_number,
    calls.to_number,
    calls.customer_number,
    calls.extra
from {{ ref("int_calls_reconciled") }} as calls
order by calls.call_date, calls.call_id
