{{ config(
    materialized="incremental",
    unique_key=["call_id", "side", "family"],
    meta={"touched": "all", "touches": [touch("calls", "call_id"), touch("customers", "customer_id")]}
) }}
-- One row a connected call, side and family of models: the emotion heard, and the same against how the speaker
-- sounded in earlier calls (by started_at, whatever order they were delivered in).
-- The judgement rests on the relative scores of the segments, which are facts: the mean of the speaker's earlier
-- segments, pulled to everybody's, is taken off (facts.emotion_baselines says how for each version of a model).
-- Without earlier calls, or a speaker, what was heard stands.
-- On days to which a person pinned a model, that model judges, and its family, where it heard the recording.
{%- set labels = ["angry", "happy", "neutral", "sad"] %}
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

judged as (
    select
        calls.*,
        pins.version as pinned_model
    from calls
    left join {{ ref("int_versions_pinned") }} as pins
        on
            pins.version_set = 'emotion_model'
            and calls.call_date >= pins.pinned_from
            and calls.call_date < pins.pinned_to
),

told as (
    select
        calls.call_id,
        calls.customer_id,
        calls.started_at,
        calls.call_date,
        calls.content_hash,
        emotions.analyser_version,
        emotions.side,
        emotions.family,
        emotions.model_version,
        emotions.label,
        {%- for label in labels %}
        emotions.probability_{{ label }},
        {%- endfor %}
        emotions.arousal,
        emotions.valence,
        emotions.emotion_index,
        emotions.start_index,
        emotions.end_index,
        emotions.peak_index,
        emotions.trend_per_minute,
        emotions.speech_seconds,
        case emotions.side
            when 'agent' then calls.agent_id
            when 'customer' then calls.customer_id
        end as speaker_id,
        coalesce(emotions.model_version = calls.pinned_model, false) as is_pinned,
        row_number() over (
            partition by calls.call_id, emotions.side, emotions.family
            order by
                emotions.model_version = calls.pinned_model desc nulls last,
                emotions.analyser_version = calls.analyser_version desc,
                emotions.analyser_version desc
        ) as place
    from judged as calls
    inner join {{ ref("stg_callmart__emotions") }} as emotions
        on
            calls.content_hash = emotions.content_hash
            and (
                calls.analyser_version = emotions.analyser_version
                or calls.pinned_model = emotions.model_version
            )
),

heard as (
    select
        *,
        row_number() over (
            partition by call_id, side
            order by is_pinned desc, family = '{{ var("emotion_family") }}' desc, family
        ) = 1 as is_selected
    from told
    where place = 1
),

segments as (
    select
        heard.call_id,
        stored.*
    from heard
    inner join {{ ref("stg_callmart__emotion_segments") }} as stored
        on
            heard.content_hash = stored.content_hash
            and heard.analyser_version = stored.analyser_version
            and heard.side = stored.side
            and heard.family = stored.family
),

sums as (
    select
        call_id,
        side,
        family,
        {%- for label in labels %}
        sum(relative_{{ label }}::double precision) as sum_{{ label }},
        {%- endfor %}
        count(relative_angry) as segments
    from segments
    group by call_id, side, family
),

-- Another version of a model is another ear: what it heard is no baseline for this one.
earlier as (
    select
        heard.*,
        {%- for label in labels %}
        sum(sums.sum_{{ label }}) over own_calls as own_{{ label }},
        {%- endfor %}
        sum(sums.segments) over own_calls as own_segments,
        avg(heard.emotion_index) over own_calls as own_index,
        count(*) filter (where sums.segments > 0) over own_calls as own_calls
    from heard
    left join sums on heard.call_id = sums.call_id and heard.side = sums.side and heard.family = sums.family
    window own_calls as (
        partition by heard.side, heard.speaker_id, heard.family, heard.model_version
        order by heard.started_at, heard.call_id
        rows between unbounded preceding and 1 preceding
    )
),

baselines as (
    select
        {%- for label in labels %}
        (earlier.own_{{ label }} + models.strength * models.population_{{ label }})
        / (earlier.own_segments + models.strength) - models.bias_{{ label }} as baseline_{{ label }},
        {%- endfor %}
        earlier.call_id,
        earlier.side,
        earlier.family,
        earlier.own_calls as baseline_calls,
        earlier.own_segments as baseline_segments,
        earlier.own_segments / (earlier.own_segments + models.strength) as baseline_weight,
        earlier.own_index as baseline_index,
        models.temperature
    from earlier
    inner join {{ ref("stg_callmart__emotion_baselines") }} as models on earlier.model_version = models.model_version
    where earlier.speaker_id is not null and earlier.own_segments > 0
),

scored as (
    select
        {%- for label in labels %}
        (segments.relative_{{ label }} - baselines.baseline_{{ label }}) / baselines.temperature as score_{{ label }},
        {%- endfor %}
        segments.call_id,
        segments.side,
        segments.family,
        segments.segment_index,
        segments.speech_seconds::double precision as speech_seconds,
        (segments.start_seconds + segments.end_seconds)::double precision / 2 as middle_seconds
    from segments
    inner join baselines
        on
            segments.call_id = baselines.call_id
            and segments.side = baselines.side
            and segments.family = baselines.family
    where segments.relative_angry is not null
),

raised as (
    select
        {%- for label in labels %}
        exp(score_{{ label }} - greatest(score_angry, score_happy, score_neutral, score_sad)) as odds_{{ label }},
        {%- endfor %}
        *,
        sum(speech_seconds * middle_seconds) over sides / sum(speech_seconds) over sides as mean_middle_seconds
    from scored
    window sides as (partition by call_id, side, family)
),

segment_shares as (
    select
        {%- for label in labels %}
        odds_{{ label }} / (odds_angry + odds_happy + odds_neutral + odds_sad) as share_{{ label }},
        {%- endfor %}
        *
    from raised
),

planes as (
    select
        {%- for label in labels %}
        max(arousal) filter (where label = '{{ label }}') as arousal_{{ label }},
        max(valence) filter (where label = '{{ label }}') as valence_{{ label }},
        {%- endfor %}
        count(*) as labels
    from {{ ref("emotion_plane") }}
),

placed as (
    select
        segment_shares.*,
        50 * (1 + {{ plane_mean("valence", "segment_shares", "planes") }}) as placed_index
    from segment_shares
    cross join planes
),

-- A side is the mean of its segments by their speech, as when it was heard.
shares as (
    select
        {%- for label in labels %}
        sum(share_{{ label }} * speech_seconds) / sum(speech_seconds) as share_{{ label }},
        {%- endfor %}
        call_id,
        side,
        family,
        (array_agg(placed_index order by segment_index))[1] as start_index,
        (array_agg(placed_index order by segment_index desc))[1] as end_index,
        (array_agg(placed_index order by abs(placed_index - 50) desc, segment_index))[1] as peak_index,
        case
            when count(*) > 1
                then 60 * {{ ratio(
                    "sum(speech_seconds * (middle_seconds - mean_middle_seconds) * placed_index)",
                    "sum(speech_seconds * (middle_seconds - mean_middle_seconds) ^ 2)"
                ) }}
        end as trend_per_minute
    from placed
    group by call_id, side, family
),

adjusted as (
    select
        shares.*,
        {{ plane_mean("arousal", "shares", "planes") }} as arousal,
        {{ plane_mean("valence", "shares", "planes") }} as valence,
        case
            when shares.share_angry >= greatest(shares.share_happy, shares.share_neutral, shares.share_sad) then 'angry'
            when shares.share_happy >= greatest(shares.share_neutral, shares.share_sad) then 'happy'
            when shares.share_neutral >= shares.share_sad then 'neutral'
            else 'sad'
        end as label
    from shares
    cross join planes
)

select
    heard.call_id,
    heard.side,
    heard.family,
    heard.is_selected,
    heard.model_version,
    heard.speaker_id,
    heard.customer_id,
    heard.started_at,
    heard.call_date,
    heard.speech_seconds,
    heard.label,
    {%- for label in labels %}
    heard.probability_{{ label }},
    {%- endfor %}
    heard.arousal,
    heard.valence,
    heard.emotion_index,
    heard.start_index,
    heard.end_index,
    heard.peak_index,
    heard.trend_per_minute,
    adjusted.call_id is not null as is_baseline_used,
    case when adjusted.call_id is not null then baselines.baseline_calls else 0 end as baseline_calls,
    case when adjusted.call_id is not null then baselines.baseline_segments::bigint else 0 end as baseline_segments,
    case when adjusted.call_id is not null then baselines.baseline_weight::double precision else 0 end
        as baseline_weight,
    case when adjusted.call_id is not null then baselines.baseline_index end as baseline_index,
    coalesce(adjusted.label, heard.label) as adjusted_label,
    {%- for label in labels %}
    coalesce(adjusted.share_{{ label }}, heard.probability_{{ label }}) as adjusted_probability_{{ label }},
    {%- endfor %}
    coalesce(adjusted.arousal, heard.arousal) as adjusted_arousal,
    coalesce(adjusted.valence, heard.valence) as adjusted_valence,
    coalesce(50 * (1 + adjusted.valence), heard.emotion_index) as adjusted_index,
    coalesce(adjusted.start_index, heard.start_index) as adjusted_start_index,
    coalesce(adjusted.end_index, heard.end_index) as adjusted_end_index,
    coalesce(adjusted.peak_index, heard.peak_index) as adjusted_peak_index,
    coalesce(adjusted.trend_per_minute, heard.trend_per_minute) as adjusted_trend_per_minute
from heard
left join baselines
    on
        heard.call_id = baselines.call_id
        and heard.side = baselines.side
        and heard.family = baselines.family
left join adjusted
    on
        heard.call_id = adjusted.call_id
        and heard.side = adjusted.side
        and heard.family = adjusted.family
