-- Phrase rules that were broken, each with its latest quote; hits that an inspector rejected are left out.
select
    violations.rule_id,
    violations.rule_name_en,
    violations.rule_name_zh,
    violations.kind,
    violations.severity,
    count(*) as hits,
    (array_agg(violations.quoted_text order by calls.started_at desc, violations.start_ms))[1] as quote,
    (array_agg(violations.call_id order by calls.started_at desc, violations.start_ms))[1] as call_id,
    (array_agg(violations.start_ms order by calls.started_at desc, violations.start_ms))[1] as start_ms
from marts.phrase_violations as violations
inner join marts.calls as calls on violations.call_id = calls.call_id
where calls.call_date = %(day)s and violations.review_verdict is distinct from 'rejected'
group by 1, 2, 3, 4, 5
order by array_position(array['critical', 'major', 'minor'], violations.severity), hits desc, 1
limit 12
