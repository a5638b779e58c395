-- How outbound attempts ended.
select coalesce(outcome, 'unknown') as outcome, count(*) as calls
from marts.calls
where call_date between %(start)s and %(end)s and direction = 'outbound' and (%(team)s::text is null or agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
group by 1
order by 2 desc, 1
