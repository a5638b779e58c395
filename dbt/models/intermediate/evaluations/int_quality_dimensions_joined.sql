{{ config(
    materialized="incremental",
    unique_key=["customer_id", "quality_date", "dimension"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row a customer, day on which any of the scores changed, and dimension: the score as it stood that day.
with scores as (
    select * from {{ ref("int_evaluation_scores_rounded") }}
    {{ only_touched("customer_id", "customers") }}
),

as_of as (
    select as_of_date from {{ ref("int_as_of") }}
),

first_days as (
    select
        customer_id,
        min(evaluation_date) as first_date
    from scores
    group by customer_id
),

version_days as (
    select distinct effective_from from {{ ref("int_quality_versions") }}
),

days as (
    select
        customer_id,
        evaluation_date as quality_date
    from scores
    union
    select
        first_days.customer_id,
        greatest(first_days.first_date, version_days.effective_from) as quality_date
    from first_days
    cross join version_days
)

select
    days.customer_id,
    days.quality_date,
    weights.rule_version as quality_version,
    weights.dimension,
    weights.weight::numeric as weight,
    scores.rule_version,
    scores.score,
    scores.evidence_count,
    scores.confidence,
    scores.reason_1,
    scores.reason_1_points,
    scores.reason_1_en,
    scores.reason_1_zh,
    scores.reason_2,
    scores.reason_2_points,
    scores.reason_2_en,
    scores.reason_2_zh,
    scores.reason_3,
    scores.reason_3_points,
    scores.reason_3_en,
    scores.reason_3_zh
from days
inner join as_of on days.quality_date <= as_of.as_of_date
inner join {{ ref("int_quality_versions") }} as versions
    on
        versions.version_set = 'quality_weights'
        and days.quality_date >= versions.effective_from
        and days.quality_date < versions.effective_to
inner join {{ ref("quality_weights") }} as weights on versions.rule_version = weights.rule_version
inner join scores
    on
        days.customer_id = scores.customer_id
        and weights.dimension = scores.evaluation
        and days.quality_date >= scores.evaluation_date
        and days.quality_date < coalesce(scores.valid_to, date '9999-01-01')
