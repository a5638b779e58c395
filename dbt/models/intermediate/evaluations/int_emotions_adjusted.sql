-- One row a connected call and side: the emotion heard, and the same against what the speaker's earlier calls
-- (by started_at, so that the order of delivery cannot matter) let expect. Few earlier calls: the neutral 50.
with calls as (
    select
        call_id,
        customer_id,
        agent_id,
        started_at,
        call_date,
        content_hash,
        analyser_version
    from {{ ref("int_calls_reconciled") }}
    where is_connected
),

heard as (
    select
        calls.call_id,
        calls.customer_id,
        calls.started_at,
        calls.call_date,
        emotions.side,
        emotions.family,
        emotions.model_version,
        emotions.label,
        emotions.probability_angry,
        emotions.arousal,
        emotions.valence,
        emotions.emotion_index,
        emotions.start_index,
        emotions.end_index,
        emotions.trend_per_minute,
        case emotions.side
            when 'agent' then calls.agent_id
            when 'customer' then calls.customer_id
        end as speaker_id,
        row_number() over (
            partition by calls.call_id, emotions.side
            order by emotions.family = '{{ var("emotion_family") }}' desc, emotions.family
        ) as family_rank
    from calls
    inner join {{ ref("stg_callmart__emotions") }} as emotions
        on
            calls.content_hash = emotions.content_hash
            and calls.analyser_version = emotions.analyser_version
),

earlier as (
    select
        *,
        avg(emotion_index) over earlier_calls as earlier_index,
        count(*) over earlier_calls as earlier_calls
    from heard
    where family_rank = 1
    window earlier_calls as (
        partition by side, speaker_id, family
        order by started_at, call_id
        rows between unbounded preceding and 1 preceding
    )
),

settings as (
    select
        earlier.*,
        {{ evaluation_setting("baseline_strength", "earlier.call_date") }}::double precision as baseline_strength
    from earlier
),

baselines as (
    select
        *,
        case when speaker_id is null then 0 else earlier_calls end as baseline_calls,
        case
            when speaker_id is null then 50
            else
                (earlier_calls * coalesce(earlier_index, 50) + baseline_strength * 50)
                / (earlier_calls + baseline_strength)
        end as baseline_index
    from settings
)

select
    call_id,
    side,
    speaker_id,
    customer_id,
    started_at,
    call_date,
    family,
    model_version,
    label,
    probability_angry,
    arousal,
    valence,
    emotion_index,
    start_index,
    end_index,
    trend_per_minute,
    baseline_calls,
    baseline_index,
    least(100, greatest(0, 50 + emotion_index - baseline_index)) as adjusted_index
from baselines
