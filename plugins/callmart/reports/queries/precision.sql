-- How often each phrase rule is right, by all reviews so far; the ratio rests on random picks alone.
select
    rule_id, rule_version, language, rule_name_en, rule_name_zh, severity, hits, unreviewed_hits, decided_hits,
    random_decided_hits, random_precision_ratio, random_precision_lower, random_precision_upper,
    count(*) over () as found
from marts.phrase_rule_precision
order by
    decided_hits desc, hits desc, array_position(array['critical', 'major', 'minor'], severity), rule_id,
    rule_version, language
limit 20
