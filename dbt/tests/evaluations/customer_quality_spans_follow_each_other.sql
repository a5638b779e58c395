-- One current row a customer; each span ends where the next begins; a span is never empty.
with spans as (
    select
        customer_id,
        valid_from,
        valid_to,
        is_current,
        lead(valid_from) over (partition by customer_id order by valid_from) as next_valid_from,
        count(*) filter (where is_current) over (partition by customer_id) as current_rows
    from {{ ref("customer_quality") }}
)

select
    customer_id,
    valid_from
from spans
where
    current_rows <> 1
    or valid_to is distinct from next_valid_from
    or valid_to <= valid_from
    or is_current <> (valid_to is null)
