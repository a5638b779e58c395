select
    calls.customer_key,
    max(calls.customer_id) as customer_id,
    calls.call_date,
    count(*)::integer as attempts,
    count(*) filter (where calls.is_answered)::integer as answered,
    count(*) filter (where calls.is_connected)::integer as connected,
    count(distinct calls.line_id)::integer as distinct_lines,
    max(counted.attempts_in_24_hours) as most_attempts_in_24_hours,
    max(counted.attempts_on_local_date) as most_attempts_on_local_date
from {{ ref("int_calls_reconciled") }} as calls
inner join {{ ref("int_call_attempts_counted") }} as counted on calls.call_id = counted.call_id
group by calls.customer_key, calls.call_date
order by calls.call_date, calls.customer_key
