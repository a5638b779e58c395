{{ entity_versions(
    "agent_states",
    key=["agent_id", "state", "started_at"],
    columns=["ended_at", "call_id", "reason"],
    event_at="started_at"
) }}
