select
    customers.customer_id,
    coalesce(merged.surviving_customer_id, customers.customer_id) as surviving_customer_id,
    customers.owner_agent_id as agent_id,
    customers.name as customer_name,
    customers.phone
from {{ ref("stg_callmart__customers") }} as customers
left join {{ ref("int_customers_merged") }} as merged on customers.customer_id = merged.customer_id
where not customers.is_deleted
