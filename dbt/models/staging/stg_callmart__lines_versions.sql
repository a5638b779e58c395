{{ entity_versions(
    "lines",
    key=["line_id"],
    columns=["carrier", "line_group", "direction", "capacity", "region", "is_active"],
    phones=["number"]
) }}
