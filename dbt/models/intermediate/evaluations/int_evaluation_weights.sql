-- One row a component of an evaluation and version of its rules, whether in force or not: those that are shipped and
-- those that were proposed.
select
    shipped.evaluation,
    shipped.rule_version,
    shipped.component,
    shipped.weight::numeric as weight,
    shipped.half_life_days::numeric as half_life_days,
    shipped.prior::numeric as prior,
    shipped.prior_strength::numeric as prior_strength
from {{ ref("evaluation_weights") }} as shipped

union all

select
    versions.evaluation,
    versions.rule_version,
    part.component,
    part.weight,
    part.half_life_days,
    part.prior,
    part.prior_strength
from {{ ref("stg_callmart__evaluation_versions") }} as versions
cross join
    lateral jsonb_to_recordset(versions.weights) as part (
        component text, weight numeric, half_life_days numeric, prior numeric, prior_strength numeric
    )
