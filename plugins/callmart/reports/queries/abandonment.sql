-- Calls that a person answered and no agent joined, by campaign.
select
    coalesce(campaign_id, '–') as campaign_id,
    count(*) as attempts,
    count(*) filter (where is_answered) as answered,
    count(*) filter (where is_connected) as connected,
    count(*) filter (where is_abandoned) as abandoned,
    count(*) over () as found
from marts.calls
where call_date between %(start)s and %(end)s and direction = 'outbound' and (%(team)s::text is null or agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
group by 1
order by 5 desc, 4 desc, 1
limit 20
