-- Outbound attempts by hour of the business day.
select
    extract(hour from started_at at time zone %(zone)s)::int as hour,
    count(*) as attempts,
    count(*) filter (where is_answered) as answered,
    count(*) filter (where is_connected) as connected
from marts.calls
where call_date between %(start)s and %(end)s and direction = 'outbound' and (%(team)s::text is null or agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
group by 1
order by 1
