-- One row a component of evaluation 2 and connected call that says something about it. What phrases cost may change
-- with a verdict on a hit, so there it is one row a span of days; it weighs by the day of the call all the same.
with inspections as (
    select * from {{ ref("int_inspections_measured") }}
),

phrases as (
    select * from {{ ref("int_phrases_measured") }}
),

measured as (
    {{ call_evidence("inspection", "inspections", [
        ["answer_to_first_word_seconds", "call.answer_to_first_word_seconds", "call.first_word_ms"],
        ["agent_response_seconds", "call.agent_response_seconds", "call.agent_response_ms"],
        ["number_connection_ratio", "call.number_connection_ratio", "null"],
        ["agent_valence", "call.agent_valence", "call.first_word_ms"],
        ["agent_anger", "call.agent_anger", "call.first_word_ms"],
    ]) }}
),

said as (
    {{ call_evidence("inspection", "phrases", [
        ["phrase_score", "call.phrase_score", "call.phrase_ms"],
        ["missing_phrase_points", "call.missing_phrase_points", "null"],
        ["critical_fail", "call.critical_fail", "call.critical_ms"],
    ], "call.valid_from", "call.valid_to") }}
)

select
    *,
    valid_from as evidence_date
from measured

union all

select
    said.*,
    phrases.call_date as evidence_date
from said
inner join phrases on said.call_id = phrases.call_id and said.valid_from = phrases.valid_from
