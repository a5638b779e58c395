{{ entity_versions(
    "call_routes",
    key=["call_id", "step_no"],
    columns=["step_type", "line_id", "queue", "choice", "entered_at", "left_at", "outcome"]
) }}
