{{ entity_versions(
    "campaigns",
    key=["campaign_id"],
    columns=["name", "dial_mode", "line_mode", "product", "starts_on", "ends_on"]
) }}
