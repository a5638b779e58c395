-- One row a piece of a component's curve: from one knot to the next, constant outside of the outer knots.
with knots as (
    select
        evaluation,
        rule_version,
        component,
        raw_value,
        value,
        lead(raw_value) over curve as next_raw_value,
        lead(value) over curve as next_value,
        row_number() over curve as place
    from {{ ref("int_evaluation_knots") }}
    window curve as (partition by evaluation, rule_version, component order by knot_number)
)

select
    evaluation,
    rule_version,
    component,
    null::numeric as raw_from,
    raw_value as raw_to,
    value as value_from,
    value as value_to
from knots
where place = 1

union all

select
    evaluation,
    rule_version,
    component,
    raw_value as raw_from,
    next_raw_value as raw_to,
    value as value_from,
    coalesce(next_value, value) as value_to
from knots
