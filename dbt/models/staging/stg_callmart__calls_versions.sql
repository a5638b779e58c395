{{ entity_versions(
    "calls",
    key=["call_id"],
    columns=[
        "direction", "campaign_id", "customer_id", "agent_id", "line_id", "started_at",
        "ringing_at", "answered_at", "agent_joined_at", "ended_at", "disposition", "sip_code",
        "q850_cause", "hangup_by", "hold_seconds", "wrap_up_seconds", "queue", "list_id",
        "recording_key", "agent_extension", "billable_seconds"
    ],
    phones=["from_number", "to_number"],
    event_at="started_at"
) }}
