-- Sales rules that were broken on the day; a campaign's ratio belongs to no call.
select
    violations.rule_id,
    violations.rule_type,
    violations.severity,
    count(*) as violations,
    count(distinct violations.customer_id) as customers
from marts.rule_violations as violations
where violations.violation_date = %(day)s
group by 1, 2, 3
order by array_position(array['critical', 'major', 'minor'], violations.severity), violations desc, 1
limit 15
