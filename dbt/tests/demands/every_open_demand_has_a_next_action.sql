-- Each open demand of a customer who is there has its one next action, and the first of what is called for is it.
select demands.demand_id as disagreement
from {{ ref("customer_demands") }} as demands
inner join {{ ref("int_customers_located") }} as customers
    on
        demands.customer_id = customers.customer_id
        and customers.is_current
        and customers.deleted_at is null
        and customers.merged_into_customer_id is null
left join {{ ref("next_best_actions") }} as actions on demands.demand_id = actions.demand_id
where demands.stage not in ('won', 'lost', 'dormant') and actions.subject_id is null

union all

select actions.subject_id as disagreement
from {{ ref("next_best_actions") }} as actions
inner join {{ ref("next_actions") }} as others
    on actions.subject_id = others.subject_id and actions.priority > others.priority
