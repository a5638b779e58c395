-- Sales rules that were broken.
select
    violations.rule_id,
    violations.rule_type,
    violations.severity,
    count(*) as violations,
    count(distinct violations.customer_id) as customers
from marts.rule_violations as violations
inner join marts.calls as calls on violations.call_id = calls.call_id
where calls.call_date = %(day)s
group by 1, 2, 3
order by array_position(array['critical', 'major', 'minor'], violations.severity), violations desc, 1
limit 15
