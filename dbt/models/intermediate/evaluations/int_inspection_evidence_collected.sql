{{ config(materialized="view") }}
-- One row a component of evaluation 2 and connected call that says something about it. What phrases cost may change
-- with a verdict on a hit, so there it is one row a span of days; it weighs by the day of the call all the same. What
-- inspectors said of hits is shown beside it.
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
        ["number_connection_ratio", "call.number_connection_ratio", "call.answered_ms"],
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
),

hits as (
    select distinct
        hits.hit_id,
        hits.start_ms,
        inspections.call_id,
        inspections.customer_id,
        inspections.call_date
    from {{ ref("int_phrase_hits_judged") }} as hits
    inner join inspections on hits.call_id = inspections.call_id
    where hits.purpose = 'rule'
),

-- A verdict says something from its day until the next one's, within the window of the call.
verdicts as (
    select
        hits.*,
        reviews.verdict,
        reviews.verdict_number,
        greatest({{ business_date("reviews.known_from") }}, hits.call_date) as valid_from,
        least(
            coalesce({{ business_date("reviews.known_until") }}, date '9999-01-01'),
            hits.call_date + {{ evaluation_window_days() }}
        ) as valid_to
    from hits
    inner join {{ ref("int_phrase_reviews_sequenced") }} as reviews on hits.hit_id = reviews.hit_id
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

union all

select
    'inspection' as evaluation,
    measure.component,
    verdicts.customer_id,
    'review' as evidence_type,
    verdicts.hit_id || ' ' || verdicts.verdict_number as evidence_id,
    verdicts.valid_from,
    verdicts.valid_to,
    (verdicts.verdict = measure.verdict)::integer::numeric as raw_value,
    verdicts.call_id,
    verdicts.start_ms as place_ms,
    verdicts.call_date as evidence_date
from verdicts
cross join
    lateral (
        values
        ('confirmed_hit_share', 'confirmed'),
        ('rejected_hit_share', 'rejected'),
        ('appealed_hit_share', 'appealed')
    ) as measure (component, verdict)
where verdicts.valid_from < verdicts.valid_to
