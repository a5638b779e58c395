-- The spans of the rules that can be judged by: those whose parameters mean nothing are left out, and in their
-- span the rule judges nothing (data_issues reports them). What is null in the parameters counts as missing.
select
    rule_id,
    rule_type,
    campaign_id,
    region,
    severity,
    effective_from,
    rule_version,
    in_force_from,
    in_force_to,
    jsonb_strip_nulls(parameters) as parameters
from {{ ref("int_sales_rules_effective") }}
where not ({{ has_unusable_parameters() }})
