-- Of the latest analysis; the segments, which stand beside it as arrays, have a model of their own.
select
    measured.content_hash,
    measured.analyser_version,
    measured.side,
    measured.family,
    measured.model_version,
    measured.label,
    measured.probability_angry,
    measured.probability_happy,
    measured.probability_neutral,
    measured.probability_sad,
    measured.arousal,
    measured.valence,
    measured.emotion_index,
    measured.start_index,
    measured.end_index,
    measured.peak_index,
    measured.trend_per_minute,
    measured.speech_seconds
from {{ source("facts", "emotions") }} as measured
inner join {{ ref("stg_callmart__recording_facts") }} as latest
    on
        measured.content_hash = latest.content_hash
        and measured.analyser_version = latest.analyser_version
