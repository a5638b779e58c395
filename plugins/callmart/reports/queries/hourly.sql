-- Outbound attempts by hour of the business day.
select
    extract(hour from started_at at time zone %(zone)s)::int as hour,
    count(*) as attempts,
    count(*) filter (where is_answered) as answered,
    count(*) filter (where is_connected) as connected
from marts.calls
where call_date = %(day)s and direction = 'outbound'
group by 1
order by 1
