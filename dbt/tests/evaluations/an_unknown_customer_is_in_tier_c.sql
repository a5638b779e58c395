-- The total of the priors, which a customer of whom nothing is known gets, lies in tier C: neither to be called now nor
-- to be left alone. Each version of the dimensions is judged on its first day.
with priors as (
    select
        versions.evaluation,
        versions.effective_from,
        versions.effective_to,
        sum(weights.weight * weights.prior) as score
    from {{ ref("int_evaluation_versions") }} as versions
    inner join {{ ref("evaluation_weights") }} as weights
        on versions.evaluation = weights.evaluation and versions.rule_version = weights.rule_version
    group by versions.evaluation, versions.effective_from, versions.effective_to
),

totals as (
    select
        quality.rule_version,
        quality.effective_from,
        sum(quality.weight * priors.score) / 100 as score,
        sum(quality.weight) as weight
    from {{ ref("quality_weights") }} as quality
    inner join priors
        on
            quality.dimension = priors.evaluation
            and quality.effective_from >= priors.effective_from
            and quality.effective_from < priors.effective_to
    group by quality.rule_version, quality.effective_from
)

select
    totals.rule_version,
    totals.score,
    max(tiers.tier) filter (where tiers.minimum_score <= totals.score) as lowest
from totals
inner join {{ ref("quality_tiers") }} as tiers
    on
        totals.effective_from >= tiers.effective_from
        and totals.effective_from < coalesce(tiers.effective_to, date '9999-01-01')
where totals.weight = 100
group by totals.rule_version, totals.score
having
    max(tiers.minimum_score) filter (where tiers.tier = 'C') > totals.score
    or min(tiers.minimum_score) filter (where tiers.tier = 'B') <= totals.score
