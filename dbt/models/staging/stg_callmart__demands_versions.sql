{{ entity_versions(
    "demands",
    key=["demand_id"],
    columns=[
        "customer_id", "product", "stage", "expected_value", "currency", "budget", "decision_role",
        "need_by_date", "next_action", "next_action_due_at", "owner_agent_id", "created_at",
        "closed_at", "close_reason", "deleted_at"
    ]
) }}
