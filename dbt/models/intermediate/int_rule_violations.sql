{{ config(
    materialized="incremental",
    meta={
        "touched": "all",
        "touches": [
            touch("calls", "call_id"),
            touch("customers", "customer_id"),
            touch("days", business_date("violated_at")),
            touch_customers_of_campaigns()
        ]
    }
) }}
-- One row a violation of a sales rule. A new rule type is one more model in rules/ and its name here and in the
-- seed rule_types.
{% set rule_types = [
    "calling_hours", "max_attempts", "min_interval", "do_not_call", "consent_required", "line_assignment",
    "line_mode", "max_abandon_ratio", "answer_to_agent", "min_ring", "inbound_routing", "required_follow_up"
] -%}
{% for rule_type in rule_types -%}
{% if not loop.first %}union all
{% endif -%}
select
    rule_id,
    rule_type,
    rule_version,
    effective_from,
    severity,
    call_id,
    customer_id,
    campaign_id,
    violated_at,
    detail
from {{ ref("int_" ~ rule_type ~ "_violated") }}
{% endfor %}
