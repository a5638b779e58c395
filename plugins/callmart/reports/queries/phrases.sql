-- Phrase rules that were broken, each with its latest quote; hits that an inspector rejected are left out.
select
    violations.rule_id,
    violations.rule_name_en,
    violations.rule_name_zh,
    violations.kind,
    violations.severity,
    count(*) as hits,
    (array_agg(violations.quoted_text order by violations.started_at desc, violations.start_ms))[1] as quote,
    (array_agg(violations.call_id order by violations.started_at desc, violations.start_ms))[1] as call_id,
    (array_agg(violations.start_ms order by violations.started_at desc, violations.start_ms))[1] as start_ms,
    count(*) over () as found
from marts.phrase_violations as violations
where violations.call_date between %(start)s and %(end)s and violations.review_verdict is distinct from 'rejected' and (%(team)s::text is null or violations.agent_id in (select agent_id from marts_pii.agent_names where team = %(team)s))
group by 1, 2, 3, 4, 5
order by array_position(array['critical', 'major', 'minor'], violations.severity), hits desc, 1
limit 15
