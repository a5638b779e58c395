-- Dealing out cents moves no component by more than a cent a row, and no row below 0 or above its weight.
with dealt as (
    select
        customer_id,
        evaluation,
        evaluation_date,
        rule_version,
        component,
        sum(points) as points,
        count(*) as contributions,
        bool_or(points < 0 or points > weight + 0.01) as is_out_of_range
    from {{ ref("evaluation_ledger") }}
    group by customer_id, evaluation, evaluation_date, rule_version, component
)

select
    dealt.customer_id,
    dealt.evaluation,
    dealt.evaluation_date,
    dealt.component,
    dealt.points,
    components.points as exact_points
from dealt
inner join {{ ref("int_evaluation_components_scored") }} as components
    on
        dealt.customer_id = components.customer_id
        and dealt.evaluation = components.evaluation
        and dealt.evaluation_date = components.evaluation_date
        and dealt.rule_version = components.rule_version
        and dealt.component = components.component
where dealt.is_out_of_range or abs(dealt.points - components.points) > 0.01 * dealt.contributions
