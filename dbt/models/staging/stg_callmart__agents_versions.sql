{{ entity_versions(
    "agents",
    key=["agent_id"],
    columns=["name", "team", "skills", "hired_on", "extension"]
) }}
