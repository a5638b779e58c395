{{ config(
    materialized="incremental",
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row an evaluated day and piece of evidence in its window, with its weight by half-life.
select
    days.customer_id,
    days.evaluation,
    days.evaluation_date,
    days.rule_version,
    evidence.component,
    evidence.evidence_type,
    evidence.evidence_id,
    evidence.raw_value,
    evidence.call_id,
    evidence.place_ms,
    evidence.evidence_date,
    case
        when weights.half_life_days is null then 1::numeric
        else
            round(
                power(
                    0.5::numeric,
                    (days.evaluation_date - evidence.evidence_date)::numeric / weights.half_life_days
                ),
                12
            )
    end as recency_weight
from {{ ref("int_evaluation_days_selected") }} as days
inner join {{ ref("int_evaluation_evidence_collected") }} as evidence
    on
        days.customer_id = evidence.customer_id
        and days.evaluation = evidence.evaluation
        and days.evaluation_date >= evidence.valid_from
        and days.evaluation_date < evidence.valid_to
inner join {{ ref("int_evaluation_weights") }} as weights
    on
        days.evaluation = weights.evaluation
        and days.rule_version = weights.rule_version
        and evidence.component = weights.component
{{ only_touched("days.customer_id", "customers") }}
