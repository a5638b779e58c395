{{ config(
    materialized="incremental",
    unique_key=["customer_key", "call_date"],
    indexes=[{"columns": ["call_date"]}],
    meta={"touched": ["call_date", "days"], "in_order": ["call_date", "customer_key"]}
) }}
with attempts as (
    select
        calls.*,
        -- A number that is no known customer's is personal data: it stays apart from others without being shown.
        case
            when calls.customer_id is not null then calls.customer_key else {{ pseudonym("calls.customer_key") }}
        end as shown_key,
        counted.attempts_in_24_hours,
        counted.attempts_on_local_date
    from {{ ref("int_calls_reconciled") }} as calls
    inner join {{ ref("int_call_attempts_counted") }} as counted on calls.call_id = counted.call_id
    {{ only_touched("calls.call_date", "days") }}
)

select
    shown_key as customer_key,
    max(customer_id) as customer_id,
    call_date,
    count(*)::integer as attempts,
    count(*) filter (where is_answered)::integer as answered,
    count(*) filter (where is_connected)::integer as connected,
    count(distinct line_id)::integer as distinct_lines,
    max(attempts_in_24_hours) as most_attempts_in_24_hours,
    max(attempts_on_local_date) as most_attempts_on_local_date
from attempts
group by shown_key, call_date
order by call_date, shown_key
