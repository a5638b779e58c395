{{ entity_versions(
    "complaints",
    key=["complaint_id"],
    columns=["customer_id", "call_id", "category", "severity", "received_at", "resolved_at"],
    event_at="received_at"
) }}
