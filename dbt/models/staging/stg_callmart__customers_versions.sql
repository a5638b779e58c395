{{ entity_versions(
    "customers",
    key=["customer_id"],
    columns=[
        "name", "region", "time_zone", "language", "segment", "source", "owner_agent_id",
        "consent_status", "do_not_call", "created_at", "merged_into_customer_id", "deleted_at"
    ],
    phones=["phone"]
) }}
