-- One row a connected call with a known customer: what evaluation 2 rests on, with the place in the recording.
with calls as (
    select
        call_id,
        customer_id,
        agent_id,
        started_at,
        call_date,
        content_hash,
        transcript_sha256
    from {{ ref("int_calls_reconciled") }}
    where is_connected and customer_id is not null
),

searched as (
    select distinct transcript_sha256
    from {{ ref("stg_callmart__phrase_scans") }}
),

-- Every occurrence is a hit; the score takes the points once a rule and call.
rules_broken as (
    select
        call_id,
        kind,
        rule_id,
        max(points) as points,
        bool_or(severity = 'critical') as is_critical,
        min(start_ms) as first_ms,
        count(*) as hits
    from {{ ref("int_phrase_hits_judged") }}
    where purpose = 'rule'
    group by call_id, kind, rule_id
),

phrases as (
    select
        call_id,
        sum(points) filter (where kind = 'prohibited') as prohibited_points,
        sum(points) filter (where kind = 'missing') as missing_points,
        sum(hits) filter (where kind = 'prohibited') as prohibited_hits,
        sum(hits) filter (where kind = 'missing') as missing_phrases,
        bool_or(is_critical) as has_critical,
        min(first_ms) filter (where points > 0) as first_ms,
        min(first_ms) filter (where is_critical) as critical_ms
    from rules_broken
    group by call_id
)

select
    calls.call_id,
    calls.customer_id,
    calls.agent_id,
    calls.started_at,
    calls.call_date,
    case
        when spoken.agent_first_speech_seconds is not null
            then greatest(spoken.agent_first_speech_seconds - coalesce(spoken.answered_at_seconds, 0), 0)
    end as answer_to_first_word_seconds,
    {{ place_ms("spoken.agent_first_speech_seconds") }} as first_word_ms,
    spoken.agent_response_seconds_median as agent_response_seconds,
    attempts.connected_attempts_in_window,
    attempts.attempts_in_window,
    {{ ratio("attempts.connected_attempts_in_window", "attempts.attempts_in_window") }} as number_connection_ratio,
    searched.transcript_sha256 is not null as is_searched,
    coalesce(phrases.prohibited_hits, 0) as prohibited_hits,
    coalesce(phrases.missing_phrases, 0) as missing_phrases,
    case
        when searched.transcript_sha256 is not null
            then greatest(100 - coalesce(phrases.prohibited_points, 0), 0)
    end as phrase_score,
    case when searched.transcript_sha256 is not null then coalesce(phrases.missing_points, 0) end
        as missing_phrase_points,
    case when searched.transcript_sha256 is not null then coalesce(phrases.has_critical, false)::integer end
        as critical_fail,
    phrases.first_ms as phrase_ms,
    phrases.critical_ms,
    emotions.adjusted_valence as agent_valence,
    emotions.adjusted_probability_angry as agent_anger
from calls
left join {{ ref("int_recordings_spoken") }} as spoken on calls.content_hash = spoken.content_hash
left join searched on calls.transcript_sha256 = searched.transcript_sha256
left join phrases on calls.call_id = phrases.call_id
left join {{ ref("int_emotions_adjusted") }} as emotions
    on calls.call_id = emotions.call_id and emotions.side = 'agent' and emotions.is_selected
left join {{ ref("int_attempts_measured") }} as attempts on calls.call_id = attempts.call_id
