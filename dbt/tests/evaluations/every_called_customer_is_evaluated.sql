-- Each customer with a call has all three evaluations and a current row of quality.
with called as (
    select distinct customer_id
    from {{ ref("int_calls_reconciled") }}
    where customer_id is not null
)

select called.customer_id
from called
where
    not exists (
        select 1 from {{ ref("customer_quality") }} as quality
        where quality.customer_id = called.customer_id and quality.is_current
    )
    {%- for evaluation in ["conversation", "inspection", "rules_and_lines"] %}
    or not exists (
        select 1 from {{ ref("evaluation_" ~ evaluation) }} as evaluated
        where evaluated.customer_id = called.customer_id and evaluated.is_current
    )
    {%- endfor %}
