{{ entity_versions(
    "phrase_reviews",
    key=["hit_id", "reviewer"],
    columns=["verdict", "reviewed_at", "comment", "selection", "call_id", "rule_id"],
    event_at="coalesce(updated_at, reviewed_at)"
) }}
