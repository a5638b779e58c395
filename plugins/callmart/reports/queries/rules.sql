-- Sales rules that were broken in the period; a campaign's ratio belongs to no call.
select
    violations.rule_id,
    violations.rule_type,
    violations.severity,
    count(*) as violations,
    count(distinct violations.customer_id) as customers,
    count(*) over () as found
from marts.rule_violations as violations
where violations.violation_date between %(start)s and %(end)s and (%(team)s::text is null or violations.agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
group by 1, 2, 3
order by array_position(array['critical', 'major', 'minor'], violations.severity), violations desc, 1
limit 15
