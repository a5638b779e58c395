select
    md5(concat_ws(
        '|', violations.rule_id, coalesce(violations.call_id, ''), coalesce(violations.campaign_id, ''),
        coalesce(violations.customer_id, ''), coalesce(violations.detail ->> 'demand_id', ''),
        extract(epoch from violations.violated_at)::text
    )) as rule_violation_id,
    violations.rule_id,
    violations.rule_type,
    types.name_en as rule_type_name_en,
    types.name_zh as rule_type_name_zh,
    violations.rule_version,
    violations.effective_from,
    violations.severity,
    violations.call_id,
    violations.customer_id,
    violations.campaign_id,
    calls.agent_id,
    calls.line_id,
    violations.violated_at,
    {{ business_date("violations.violated_at") }} as violation_date,
    violations.detail
from {{ ref("int_rule_violations") }} as violations
left join {{ ref("rule_types") }} as types on violations.rule_type = types.rule_type
left join {{ ref("int_calls_reconciled") }} as calls on violations.call_id = calls.call_id
order by violations.violated_at, violations.rule_id, violations.call_id
