-- Points are dealt out in cents by largest remainder, so that they add up to the rounded score exactly.
with scores as (
    select
        customer_id,
        evaluation,
        evaluation_date,
        rule_version,
        score
    from {{ ref("int_evaluation_scores_rounded") }}
),

components as (
    select
        scores.score,
        components.*
    from scores
    inner join {{ ref("int_evaluation_components_scored") }} as components
        on
            scores.customer_id = components.customer_id
            and scores.evaluation = components.evaluation
            and scores.evaluation_date = components.evaluation_date
            and scores.rule_version = components.rule_version
),

contributions as (
    select
        components.customer_id,
        components.evaluation,
        components.evaluation_date,
        components.rule_version,
        components.score,
        components.component,
        components.weight,
        components.evidence_count,
        components.curve_value as component_value,
        false as is_prior,
        evidence.evidence_type,
        evidence.evidence_id,
        evidence.evidence_date,
        evidence.raw_value,
        evidence.call_id,
        evidence.place_ms,
        components.weight * components.trust * components.curve_value
        * evidence.recency_weight / sum(evidence.recency_weight) over (
            partition by
                components.customer_id,
                components.evaluation,
                components.evaluation_date,
                components.rule_version,
                components.component
        ) as exact_points
    from components
    inner join {{ ref("int_evaluation_evidence_weighted") }} as evidence
        on
            components.customer_id = evidence.customer_id
            and components.evaluation = evidence.evaluation
            and components.evaluation_date = evidence.evaluation_date
            and components.rule_version = evidence.rule_version
            and components.component = evidence.component

    union all

    select
        customer_id,
        evaluation,
        evaluation_date,
        rule_version,
        score,
        component,
        weight,
        evidence_count,
        prior as component_value,
        true as is_prior,
        'prior' as evidence_type,
        component as evidence_id,
        null::date as evidence_date,
        null::numeric as raw_value,
        null::text as call_id,
        null::bigint as place_ms,
        components.weight * (1 - components.trust) * components.prior as exact_points
    from components
    where evidence_count = 0 or prior_strength > 0
),

floored as (
    select
        *,
        floor(round(exact_points * 100, 8)) as cents,
        round(exact_points * 100, 8) - floor(round(exact_points * 100, 8)) as remainder
    from contributions
),

dealt as (
    select
        *,
        round(score * 100) - sum(cents) over whole as cents_left,
        row_number() over (
            partition by customer_id, evaluation, evaluation_date, rule_version
            order by remainder desc, component asc, is_prior asc, evidence_type asc, evidence_id asc
        ) as turn
    from floored
    window whole as (partition by customer_id, evaluation, evaluation_date, rule_version)
)

select
    md5(
        concat_ws(
            '|', evaluation, customer_id, evaluation_date, rule_version, component, evidence_type, evidence_id
        )
    ) as contribution_id,
    evaluation::text as evaluation,
    customer_id,
    evaluation_date,
    rule_version,
    component,
    is_prior,
    evidence_type,
    evidence_id,
    evidence_date,
    evidence_count::integer as evidence_count,
    raw_value::double precision as raw_value,
    component_value::double precision as component_value,
    weight::numeric(6, 2) as weight,
    ((cents + case when turn <= cents_left then 1 else 0 end) / 100)::numeric(6, 2) as points,
    call_id,
    place_ms
from dealt
