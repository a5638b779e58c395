{{ config(
    materialized="incremental",
    unique_key="customer_id",
    meta={"touched": "all", "touches": [
        touch_calls_of_merges(), touch("customers", "customer_id"), touch("customers", "surviving_customer_id")
    ]}
) }}
-- Customers that the CRM merged into another, however many steps it took. In a circle of merges the smallest
-- id survives, so that no order of delivery decides.
with recursive steps as (
    select
        customer_id,
        merged_into_customer_id
    from {{ ref("stg_callmart__customers") }}
    where merged_into_customer_id is not null and merged_into_customer_id <> customer_id
),

walked as (
    select
        customer_id,
        merged_into_customer_id as reached_id,
        array[customer_id, merged_into_customer_id] as path,
        false as is_circle
    from steps
    union all
    select
        walked.customer_id,
        steps.merged_into_customer_id as reached_id,
        walked.path || steps.merged_into_customer_id as path,
        steps.merged_into_customer_id = any(walked.path) as is_circle
    from walked
    inner join steps on walked.reached_id = steps.customer_id
    where not walked.is_circle
),

ends as (
    select distinct on (customer_id)
        customer_id,
        reached_id,
        path,
        is_circle
    from walked
    order by customer_id asc, cardinality(path) desc
)

select
    ends.customer_id,
    case
        when ends.is_circle
            then (
                select min(member.customer_id)
                from unnest(ends.path[array_position(ends.path, ends.reached_id):]) as member (customer_id)
            )
        else ends.reached_id
    end as surviving_customer_id
from ends
