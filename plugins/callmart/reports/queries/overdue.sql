-- Demands whose next action is due and was not taken up, the most valuable first.
select
    demand_id, customer_id, product, stage, next_action, next_action_due_at, expected_value, currency,
    count(*) over () as found
from marts.customer_demands
where is_overdue and (next_action_due_at at time zone %(zone)s)::date <= %(end)s
order by expected_value desc nulls last, demand_id
limit 12
