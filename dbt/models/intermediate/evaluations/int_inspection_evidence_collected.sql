-- One row a component of evaluation 2 and connected call that says something about it.
with inspections as (
    select * from {{ ref("int_inspections_measured") }}
)

{{ call_evidence("inspection", "inspections", [
    ["answer_to_first_word_seconds", "call.answer_to_first_word_seconds", "call.first_word_ms"],
    ["agent_response_seconds", "call.agent_response_seconds", "null"],
    ["number_connection_ratio", "call.number_connection_ratio", "null"],
    ["phrase_score", "call.phrase_score", "call.phrase_ms"],
    ["missing_phrase_points", "call.missing_phrase_points", "null"],
    ["agent_valence", "call.agent_valence", "call.first_word_ms"],
    ["agent_anger", "call.agent_anger", "call.first_word_ms"],
    ["critical_fail", "call.critical_fail", "call.critical_ms"],
]) }}
