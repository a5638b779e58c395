{{ entity_versions(
    "phrase_rules",
    key=["rule_id", "effective_from"],
    columns=["definition", "effective_to"]
) }}
