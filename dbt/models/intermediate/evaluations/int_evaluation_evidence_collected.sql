{{ config(
    materialized="incremental",
    indexes=[{"columns": ["customer_id"]}],
    pre_hook=nestloop_off(),
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row a piece of evidence: for whom, for which component of which evaluation, from which day until which
-- (exclusive), what was measured, and the call and place it leads to. evidence_date: the day by which it weighs.
{%- for evaluation in ["conversation", "inspection", "rules_and_lines", "fit", "engagement"] %}
select
    evaluation,
    component,
    customer_id,
    evidence_type,
    evidence_id,
    valid_from,
    valid_to,
    raw_value,
    call_id,
    place_ms,
    {{ "evidence_date" if evaluation == "inspection" else "valid_from as evidence_date" }}
from {{ ref("int_" ~ evaluation ~ "_evidence_collected") }}
{{ only_touched("customer_id", "customers", through_view=true) }}
{% if not loop.last %}
union all
{% endif -%}
{%- endfor %}
