-- What demands that are open at the end of the period are worth, by the value the CRM holds now.
select
    demands.product,
    demands.currency,
    count(*) as demands,
    count(demands.expected_value) as valued,
    sum(demands.expected_value) as expected_value,
    count(*) over () as found
from marts.customer_demand_history as history
inner join marts.customer_demands as demands on history.demand_id = demands.demand_id
where
    history.source = 'crm' and history.stage not in ('won', 'lost')
    and (history.entered_at at time zone %(zone)s)::date <= %(end)s
    and (history.left_at is null or (history.left_at at time zone %(zone)s)::date > %(end)s)
group by 1, 2
order by 5 desc nulls last, 1, 2
limit 12
