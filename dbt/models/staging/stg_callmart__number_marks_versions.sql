{{ entity_versions(
    "number_marks",
    key=["number", "observed_at"],
    columns=["marked_as", "marker", "number_delivered"],
    event_at="observed_at"
) }}
