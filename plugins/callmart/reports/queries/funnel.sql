-- Demands by the stage in which they stood at the end of the period.
select history.stage, count(*) as demands
from marts.customer_demand_history as history
where
    history.source = 'crm'
    and (history.entered_at at time zone %(zone)s)::date <= %(end)s
    and (history.left_at is null or (history.left_at at time zone %(zone)s)::date > %(end)s)
group by history.stage
order by array_position(
    array['new', 'contacted', 'interested', 'quoted', 'negotiating', 'reopened', 'won', 'lost', 'dormant'],
    history.stage
)
