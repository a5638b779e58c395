-- Outbound attempts by line, campaign and hour: also run for the period before, to see what changed.
select
    dimensions.dimension,
    coalesce(dimensions.member, '–') as member,
    count(*) as attempts,
    count(*) filter (where calls.is_connected) as connected
from marts.calls as calls
cross join lateral (
    values
    ('line', calls.line_id),
    ('campaign', calls.campaign_id),
    ('hour', to_char(calls.started_at at time zone %(zone)s, 'HH24:00'))
) as dimensions (dimension, member)
where calls.call_date between %(start)s and %(end)s and calls.direction = 'outbound' and (%(team)s::text is null or calls.agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
group by 1, 2
