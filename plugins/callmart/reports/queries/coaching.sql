-- Moments to go through with an agent: what was said and should not be, or was missing; the gravest first.
select
    violations.agent_id,
    names.agent_name,
    violations.rule_id,
    violations.rule_name_en,
    violations.rule_name_zh,
    violations.kind,
    violations.severity,
    violations.quoted_text as quote,
    violations.context,
    violations.call_id,
    violations.start_ms,
    count(*) over () as found,
    count(*) filter (where violations.severity = 'critical') over () as found_critical
from marts.phrase_violations as violations
left join marts_pii.agent_names as names on violations.agent_id = names.agent_id
where
    violations.call_date between %(start)s and %(end)s and violations.review_verdict is distinct from 'rejected'
    and violations.role is distinct from 'customer' and (%(team)s::text is null or violations.agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
order by
    array_position(array['critical', 'major', 'minor'], violations.severity),
    violations.points desc, violations.started_at, violations.start_ms, violations.rule_id
limit 20
