-- Calls outside of the hours that a rule allows, the latest first.
select
    violations.rule_id, violations.call_id, violations.customer_id, violations.line_id, violations.campaign_id,
    violations.violated_at, count(*) over () as found
from marts.rule_violations as violations
where
    violations.rule_type = 'calling_hours'
    and violations.violation_date between %(start)s and %(end)s and (%(team)s::text is null or violations.agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
order by violations.violated_at desc, violations.call_id
limit 15
