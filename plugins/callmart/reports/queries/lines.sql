-- Lines that were dialled out on, with the last verdict on them and how they compare with their group.
select
    line_id,
    max(line_group) as line_group,
    sum(attempts) as attempts,
    sum(connected) as connected,
    sum(connected)::numeric / nullif(sum(attempts), 0) as connection_ratio,
    sum(group_expected_connected)::numeric / nullif(sum(group_compared_attempts), 0) as group_ratio,
    count(*) filter (where is_suspected_flagged) as flagged_days,
    (array_agg(verdict order by call_date desc))[1] as verdict,
    bool_or(is_suspected_flagged) as is_suspected_flagged,
    sum(complaints_about_calls) as complaints,
    count(*) over () as found
from marts.line_health
where call_date between %(start)s and %(end)s
group by line_id
order by bool_or(is_suspected_flagged) desc, sum(attempts) desc, line_id
limit 40
