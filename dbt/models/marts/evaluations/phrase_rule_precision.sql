-- What inspectors hold of each rule's hits. A hit's verdict is the latest one, an appealed hit is open. Random picks
-- alone give a precision without bias: the worst first are not as often right or wrong as the rest.
with hits as (
    select
        hits.hit_id,
        hits.rule_id,
        hits.rule_version,
        hits.origin,
        hits.name_en,
        hits.name_zh,
        hits.severity,
        coalesce(nullif(lower(split_part(replace(hits.language, '_', '-'), '-', 1)), ''), 'unknown') as language
    from {{ ref("int_phrase_hits_judged") }} as hits
    where hits.purpose = 'rule'
),

-- By the pick that first led to a verdict: who looks again at a random pick does not take it out of the sample.
picked as (
    select
        hit_id,
        bool_or(selection = 'random') as is_random
    from {{ ref("int_phrase_reviews_sequenced") }}
    group by hit_id
),

-- What each inspector holds of a hit in the end, where two or more decided.
agreements as (
    select
        hit_id,
        count(distinct verdict) = 1 as is_agreed
    from {{ ref("int_phrase_reviews_sequenced") }}
    where is_reviewers_last and verdict in ('confirmed', 'rejected')
    group by hit_id
    having count(*) > 1
),

counted as (
    select
        hits.rule_id,
        hits.origin as rule_origin,
        hits.rule_version,
        hits.language,
        max(hits.name_en) as name_en,
        max(hits.name_zh) as name_zh,
        max(hits.severity) as severity,
        count(*) as hits,
        count(*) filter (where reviews.verdict = 'confirmed') as confirmed_hits,
        count(*) filter (where reviews.verdict = 'rejected') as rejected_hits,
        count(*) filter (where reviews.verdict = 'appealed') as appealed_hits,
        count(*) filter (where reviews.verdict is null) as unreviewed_hits,
        count(*) filter (where reviews.verdict in ('confirmed', 'rejected')) as decided_hits,
        count(*) filter (where reviews.verdict = 'confirmed' and picked.is_random) as random_confirmed_hits,
        count(*) filter (where reviews.verdict in ('confirmed', 'rejected') and picked.is_random)
            as random_decided_hits,
        count(agreements.hit_id) as twice_decided_hits,
        count(*) filter (where agreements.is_agreed) as agreed_hits
    from hits
    left join {{ ref("int_phrase_reviews_sequenced") }} as reviews
        on hits.hit_id = reviews.hit_id and reviews.is_current
    left join picked on hits.hit_id = picked.hit_id
    left join agreements on hits.hit_id = agreements.hit_id
    group by hits.rule_id, hits.origin, hits.rule_version, hits.language
)

select
    md5(jsonb_build_array(rule_id, rule_origin, rule_version, language)::text) as phrase_rule_precision_id,
    rule_id,
    rule_origin,
    rule_version::integer as rule_version,
    language,
    coalesce(name_en, rule_id) as rule_name_en,
    coalesce(name_zh, name_en, rule_id) as rule_name_zh,
    severity,
    hits::integer as hits,
    unreviewed_hits::integer as unreviewed_hits,
    appealed_hits::integer as appealed_hits,
    rejected_hits::integer as rejected_hits,
    confirmed_hits::integer as confirmed_hits,
    decided_hits::integer as decided_hits,
    {{ ratio("confirmed_hits", "decided_hits") }} as precision_ratio,
    random_confirmed_hits::integer as random_confirmed_hits,
    random_decided_hits::integer as random_decided_hits,
    {{ ratio("random_confirmed_hits", "random_decided_hits") }} as random_precision_ratio,
    {{ wilson("random_confirmed_hits", "random_decided_hits", "lower") }} as random_precision_lower,
    {{ wilson("random_confirmed_hits", "random_decided_hits", "upper") }} as random_precision_upper,
    agreed_hits::integer as agreed_hits,
    twice_decided_hits::integer as twice_decided_hits,
    {{ ratio("agreed_hits", "twice_decided_hits") }} as agreement_ratio
from counted
