-- Of every analysis: a call is judged by the latest, or by the one that a person pinned to its day. The segments,
-- which stand beside it as arrays, have a model of their own.
select
    content_hash,
    analyser_version,
    side,
    family,
    model_version,
    label,
    probability_angry,
    probability_happy,
    probability_neutral,
    probability_sad,
    arousal,
    valence,
    emotion_index,
    start_index,
    end_index,
    peak_index,
    trend_per_minute,
    speech_seconds
from {{ source("facts", "emotions") }}
