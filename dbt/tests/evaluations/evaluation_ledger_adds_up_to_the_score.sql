-- The points of the ledger add up to each published score exactly, and no score is without its ledger.
with published as (
    {%- for evaluation in ["conversation", "inspection", "rules_and_lines"] %}
    select
        '{{ evaluation }}' as evaluation,
        customer_id,
        evaluation_date,
        rule_version,
        score
    from {{ ref("evaluation_" ~ evaluation) }}
    union all
    {%- endfor %}
    select
        evaluation,
        customer_id,
        evaluation_date,
        rule_version,
        score
    from {{ ref("int_evaluation_scores_rounded") }}
    where evaluation in ('fit', 'engagement')
),

sums as (
    select
        evaluation,
        customer_id,
        evaluation_date,
        rule_version,
        sum(points) as points
    from {{ ref("evaluation_ledger") }}
    group by evaluation, customer_id, evaluation_date, rule_version
)

select
    coalesce(published.evaluation, sums.evaluation) as evaluation,
    coalesce(published.customer_id, sums.customer_id) as customer_id,
    coalesce(published.evaluation_date, sums.evaluation_date) as evaluation_date,
    published.score,
    sums.points
from published
full outer join sums
    on
        published.evaluation = sums.evaluation
        and published.customer_id = sums.customer_id
        and published.evaluation_date = sums.evaluation_date
        and published.rule_version = sums.rule_version
where published.score is distinct from sums.points
