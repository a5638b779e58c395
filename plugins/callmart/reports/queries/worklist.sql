-- Hits of the period that no inspector has decided on, the gravest first.
select
    violations.rule_id,
    violations.rule_name_en,
    violations.rule_name_zh,
    violations.kind,
    violations.severity,
    violations.points,
    violations.quoted_text as quote,
    violations.call_id,
    violations.start_ms,
    violations.started_at,
    count(*) over () as found,
    count(*) filter (where violations.severity = 'critical') over () as found_critical
from marts.phrase_violations as violations
where
    violations.call_date between %(start)s and %(end)s
    and (violations.review_verdict is null or violations.review_verdict = 'appealed') and (%(team)s::text is null or violations.agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
order by
    array_position(array['critical', 'major', 'minor'], violations.severity),
    violations.points desc, violations.started_at, violations.start_ms, violations.rule_id
limit 20
