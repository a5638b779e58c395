-- How outbound attempts ended.
select coalesce(outcome, 'unknown') as outcome, count(*) as calls
from marts.calls
where call_date = %(day)s and direction = 'outbound'
group by 1
order by 2 desc, 1
