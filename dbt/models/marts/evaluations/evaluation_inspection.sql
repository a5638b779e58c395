{{ evaluation_table("inspection", [
    "answer_to_first_word_seconds",
    "agent_response_seconds",
    "number_connection_ratio",
    "phrase_score",
    "missing_phrase_points",
    "agent_valence",
    "agent_anger",
    "critical_fail",
]) }}
