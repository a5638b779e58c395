{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["call_id"], "unique": true}],
    meta={
        "touched": ["customer_key", "customer_keys"],
        "touches": [touch("calls", "call_id"), touch("days", "call_date")]
    }
) }}
-- One row an attempt with how many attempts its customer had by then: in any 24 hours (t - 24 h, t], on the
-- business day, and on the day of the customer's own zone.
select
    call_id,
    customer_key,
    call_date,
    count(*) over (
        partition by customer_key
        order by started_at
        range between interval '23:59:59.999999' preceding and current row
    )::integer as attempts_in_24_hours,
    count(*) over (partition by customer_key, call_date)::integer as attempts_on_date,
    count(*) over (partition by customer_key, customer_local_started_at::date)::integer as attempts_on_local_date
from {{ ref("int_calls_reconciled") }}
where
    direction = 'outbound' and customer_key is not null
    {{ only_touched("customer_key", "customer_keys", "and") }}
