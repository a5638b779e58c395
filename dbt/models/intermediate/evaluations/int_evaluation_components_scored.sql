{{ config(
    materialized="incremental",
    unique_key=["customer_id", "evaluation", "evaluation_date", "component"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row a customer, evaluated day and component: the mean by half-life, the value of the curve there, and the
-- points after little evidence was pulled towards the prior: (n f(x) + k prior) / (n + k).
with means as (
    select
        customer_id,
        evaluation,
        evaluation_date,
        rule_version,
        component,
        count(*) as evidence_count,
        round(sum(raw_value * recency_weight) / sum(recency_weight), 6) as mean_value
    from {{ ref("int_evaluation_evidence_weighted") }}
    {{ only_touched("customer_id", "customers") }}
    group by customer_id, evaluation, evaluation_date, rule_version, component
),

components as (
    select
        days.customer_id,
        days.evaluation,
        days.evaluation_date,
        days.rule_version,
        weights.component,
        weights.weight,
        weights.prior,
        weights.prior_strength,
        means.mean_value,
        coalesce(means.evidence_count, 0) as evidence_count
    from {{ ref("int_evaluation_days_selected") }} as days
    inner join {{ ref("int_evaluation_weights") }} as weights
        on days.evaluation = weights.evaluation and days.rule_version = weights.rule_version
    left join means
        on
            days.customer_id = means.customer_id
            and days.evaluation = means.evaluation
            and days.evaluation_date = means.evaluation_date
            and days.rule_version = means.rule_version
            and weights.component = means.component
    {{ only_touched("days.customer_id", "customers") }}
),

valued as (
    select
        components.*,
        case
            when knots.raw_from is null or knots.raw_to is null then knots.value_from
            else
                knots.value_from
                + (knots.value_to - knots.value_from)
                * (components.mean_value - knots.raw_from) / (knots.raw_to - knots.raw_from)
        end as curve_value
    from components
    left join {{ ref("int_evaluation_knots_joined") }} as knots
        on
            components.evaluation = knots.evaluation
            and components.rule_version = knots.rule_version
            and components.component = knots.component
            and (knots.raw_from is null or components.mean_value >= knots.raw_from)
            and (knots.raw_to is null or components.mean_value < knots.raw_to)
)

select
    valued.customer_id,
    valued.evaluation,
    valued.evaluation_date,
    valued.rule_version,
    valued.component,
    valued.weight,
    valued.prior,
    valued.prior_strength,
    valued.evidence_count,
    valued.mean_value,
    round(valued.curve_value, 10) as curve_value,
    case
        when valued.evidence_count = 0 then 0
        else round(valued.evidence_count / (valued.evidence_count + valued.prior_strength), 10)
    end as trust,
    round(
        valued.weight * case
            when valued.evidence_count = 0 then valued.prior
            else
                (valued.evidence_count * valued.curve_value + valued.prior_strength * valued.prior)
                / (valued.evidence_count + valued.prior_strength)
        end,
        10
    ) as points,
    round(valued.weight * valued.prior, 10) as prior_points
from valued
