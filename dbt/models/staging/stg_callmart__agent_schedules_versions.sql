{{ entity_versions(
    "agent_schedules",
    key=["agent_id", "starts_at"],
    columns=["activity", "ends_at"]
) }}
