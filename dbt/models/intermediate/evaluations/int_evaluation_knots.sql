-- One row a knot of a component's curve and version, shipped or proposed.
select
    evaluation,
    rule_version,
    component,
    knot_number,
    raw_value::numeric as raw_value,
    value::numeric as value
from {{ ref("evaluation_knots") }}

union all

select
    versions.evaluation,
    versions.rule_version,
    knot.component,
    knot.knot_number,
    knot.raw_value,
    knot.value
from {{ ref("stg_callmart__evaluation_versions") }} as versions
cross join
    lateral jsonb_to_recordset(versions.knots) as knot (
        component text, knot_number integer, raw_value numeric, value numeric
    )
