-- The ledger of each customer's present score holds each piece of evidence in force on its day once, and no other.
with present as (
    {%- for evaluation in ["conversation", "inspection", "rules_and_lines"] %}
    select
        '{{ evaluation }}' as evaluation,
        customer_id,
        evaluation_date,
        rule_version
    from {{ ref("evaluation_" ~ evaluation) }}
    where is_current
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

collected as (
    select
        present.evaluation,
        present.customer_id,
        evidence.component,
        evidence.evidence_type,
        evidence.evidence_id,
        count(*) as pieces
    from present
    inner join {{ ref("int_evaluation_evidence_collected") }} as evidence
        on
            present.evaluation = evidence.evaluation
            and present.customer_id = evidence.customer_id
            and present.evaluation_date >= evidence.valid_from
            and present.evaluation_date < evidence.valid_to
    inner join {{ ref("int_evaluation_weights") }} as weights
        on
            evidence.evaluation = weights.evaluation
            and evidence.component = weights.component
            and present.rule_version = weights.rule_version
    group by
        present.evaluation, present.customer_id, evidence.component, evidence.evidence_type, evidence.evidence_id
),

entered as (
    select
        present.evaluation,
        present.customer_id,
        ledger.component,
        ledger.evidence_type,
        ledger.evidence_id,
        count(*) as pieces
    from present
    inner join {{ ref("evaluation_ledger") }} as ledger
        on
            present.evaluation = ledger.evaluation
            and present.customer_id = ledger.customer_id
            and present.evaluation_date = ledger.evaluation_date
            and present.rule_version = ledger.rule_version
    where not ledger.is_prior
    group by
        present.evaluation, present.customer_id, ledger.component, ledger.evidence_type, ledger.evidence_id
)

select
    coalesce(collected.evaluation, entered.evaluation) as evaluation,
    coalesce(collected.customer_id, entered.customer_id) as customer_id,
    coalesce(collected.component, entered.component) as component,
    coalesce(collected.evidence_id, entered.evidence_id) as evidence_id
from collected
full outer join entered
    on
        collected.evaluation = entered.evaluation
        and collected.customer_id = entered.customer_id
        and collected.component = entered.component
        and collected.evidence_type = entered.evidence_type
        and collected.evidence_id = entered.evidence_id
where collected.pieces is distinct from entered.pieces
