{{ config(
    materialized="incremental",
    unique_key=["customer_id", "evaluation_date"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"], "in_order": ["evaluation_date", "customer_id"]}
) }}
with evaluated as (
    {{ evaluation_table("inspection", [
        "answer_to_first_word_seconds",
        "agent_response_seconds",
        "number_connection_ratio",
        "phrase_score",
        "missing_phrase_points",
        "agent_valence",
        "agent_anger",
        "critical_fail",
        "confirmed_hit_share",
        "rejected_hit_share",
        "appealed_hit_share",
    ]) }}
)

select
    *,
    critical_fail > 0 as is_critical_fail
from evaluated
