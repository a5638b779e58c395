select
    evaluation,
    rule_version,
    sum(weight) as total_weight
from {{ ref("int_evaluation_weights") }}
group by evaluation, rule_version
having sum(weight) <> 100
union all
select
    'quality' as evaluation,
    rule_version,
    sum(weight) as total_weight
from {{ ref("quality_weights") }}
group by rule_version
having sum(weight) <> 100
