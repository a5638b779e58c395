-- Every component has a curve of at least two knots with rising raw values and worth between 0 and 1, a prior
-- between 0 and 1, and names in both languages.
with knots as (
    select
        *,
        lag(raw_value) over (
            partition by evaluation, rule_version, component order by knot_number
        ) as previous_raw_value
    from {{ ref("int_evaluation_knots") }}
)

select
    weights.evaluation,
    weights.rule_version,
    weights.component
from {{ ref("int_evaluation_weights") }} as weights
left join {{ ref("evaluation_labels") }} as labels
    on weights.evaluation = labels.evaluation and weights.component = labels.component
left join knots
    on
        weights.evaluation = knots.evaluation
        and weights.rule_version = knots.rule_version
        and weights.component = knots.component
group by weights.evaluation, weights.rule_version, weights.component, weights.prior, labels.label_zh
having
    count(knots.knot_number) < 2
    or bool_or(knots.raw_value < knots.previous_raw_value)
    or min(knots.value) < 0
    or max(knots.value) > 1
    or weights.prior not between 0 and 1
    or labels.label_zh is null
