{{ config(
    materialized="incremental",
    unique_key=["customer_id", "evaluation", "evaluation_date"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row a customer, evaluation and day on which the score may change: evidence begins or leaves, a version of
-- the weights comes into force, the customer is first seen. Between two such days nothing moves, for within the
-- window the weights by half-life keep their proportions. Days after the as-of day are not evaluated.
with as_of as (
    select as_of_date from {{ ref("int_as_of") }}
),

evidence as (
    select * from {{ ref("int_evaluation_evidence_collected") }}
    {{ only_touched("customer_id", "customers") }}
),

first_days as (
    select
        customer_id,
        min(valid_from) as first_date
    from evidence
    group by customer_id
),

versions as (
    select * from {{ ref("int_evaluation_versions") }}
),

days as (
    select
        customer_id,
        evaluation,
        valid_from as evaluation_date
    from evidence
    union
    select
        customer_id,
        evaluation,
        valid_to as evaluation_date
    from evidence
    union
    select
        first_days.customer_id,
        versions.evaluation,
        greatest(first_days.first_date, versions.effective_from) as evaluation_date
    from first_days
    cross join versions
)

select
    days.customer_id,
    days.evaluation,
    days.evaluation_date,
    versions.rule_version
from days
inner join as_of on days.evaluation_date <= as_of.as_of_date
inner join versions
    on
        days.evaluation = versions.evaluation
        and days.evaluation_date >= versions.effective_from
        and days.evaluation_date < versions.effective_to
