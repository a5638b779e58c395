{{ entity_versions(
    "sales_rules",
    key=["rule_id", "effective_from"],
    columns=["rule_type", "campaign_id", "region", "parameters", "severity", "effective_to"]
) }}
