-- One row a segment, side and family: its place, probabilities and the parameters that the family extracted.
select
    measured.content_hash,
    measured.analyser_version,
    measured.side,
    measured.family,
    measured.model_version,
    segments.segment_index,
    measured.segment_start_seconds[segments.segment_index] as start_seconds,
    measured.segment_end_seconds[segments.segment_index] as end_seconds,
    measured.segment_speech_seconds[segments.segment_index] as speech_seconds,
    measured.segment_probabilities[segments.segment_index][1] as probability_angry,
    measured.segment_probabilities[segments.segment_index][2] as probability_happy,
    measured.segment_probabilities[segments.segment_index][3] as probability_neutral,
    measured.segment_probabilities[segments.segment_index][4] as probability_sad,
    measured.segment_relative_scores[segments.segment_index][1] as relative_angry,
    measured.segment_relative_scores[segments.segment_index][2] as relative_happy,
    measured.segment_relative_scores[segments.segment_index][3] as relative_neutral,
    measured.segment_relative_scores[segments.segment_index][4] as relative_sad,
    to_jsonb(measured.segment_parameters[segments.segment_index:segments.segment_index]) -> 0 as parameters
from {{ source("facts", "emotions") }} as measured
cross join lateral generate_subscripts(measured.segment_start_seconds, 1) as segments (segment_index)
