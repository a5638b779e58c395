select
    delivered.call_id,
    marts.call_id as mart_call_id
from {{ ref("stg_callmart__calls") }} as delivered
full join {{ ref("calls") }} as marts on delivered.call_id = marts.call_id
where delivered.call_id is null or marts.call_id is null
