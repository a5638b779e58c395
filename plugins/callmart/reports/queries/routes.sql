-- The ways that callers took, the most trodden first.
select
    route,
    count(*) as callers,
    count(*) filter (where is_person_reached) as served,
    percentile_cont(0.5) within group (order by seconds_to_person) as seconds_to_person_median,
    count(*) filter (where fate = 'lost') as lost,
    count(*) over () as found
from marts.caller_routes
where call_date between %(start)s and %(end)s and (%(team)s::text is null or agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
group by 1
order by 2 desc, 1
limit 10
