{{ config(
    materialized="incremental",
    unique_key="content_hash",
    indexes=[{"columns": ["content_hash"], "unique": true}],
    pre_hook=nestloop_off(),
    meta={"touched": ["content_hash", "recordings"]}
) }}
-- One row a recording that could be heard: who spoke how much, how long, when and over whom. Sides are null where
-- one channel holds both and was not parted, or not with enough confidence.
with recordings as (
    select
        *,
        nullif(greatest(duration_seconds - coalesce(answered_at_seconds, 0), 0), 0) as heard_seconds,
        not coalesce(is_separated, false)
        or coalesce(separation_confidence, 0) >= {{ var("separation_minimum_confidence") }} as are_sides_told
    from {{ ref("stg_callmart__recording_facts") }}
    where
        outcome <> 'unreadable'
        {{ only_touched("content_hash", "recordings", "and", through_view=true) }}
),

sides as (
    select
        content_hash,
        {%- for side in ["agent", "customer"] %}
        max(talk_seconds) filter (where side = '{{ side }}') as {{ side }}_talk_seconds,
        max(turns) filter (where side = '{{ side }}') as {{ side }}_turns,
        max(longest_turn_seconds) filter (where side = '{{ side }}') as {{ side }}_longest_monologue_seconds,
        max(first_speech_seconds) filter (where side = '{{ side }}') as {{ side }}_first_speech_seconds,
        {%- endfor %}
        max(talk_seconds) filter (where side = 'mixed') as mixed_talk_seconds,
        min(first_speech_seconds) as first_speech_seconds
    from {{ ref("stg_callmart__speech_sides") }}
    {{ only_touched("content_hash", "recordings", through_view=true) }}
    group by content_hash
),

monologues as (
    select
        content_hash,
        (
            array_agg(start_seconds order by end_seconds - start_seconds desc, turn_index)
            filter (where side = 'agent')
        )[1] as agent_monologue_at_seconds,
        (
            array_agg(start_seconds order by end_seconds - start_seconds desc, turn_index)
            filter (where side = 'customer')
        )[1] as customer_monologue_at_seconds
    from {{ ref("stg_callmart__speech_turns") }}
    {{ only_touched("content_hash", "recordings", through_view=true) }}
    group by content_hash
),

told as (
    select
        recordings.content_hash,
        recordings.analyser_version,
        recordings.heard_seconds,
        recordings.answered_at_seconds,
        recordings.silence_seconds,
        recordings.mutual_silence_over_3s_seconds,
        recordings.is_separated,
        recordings.separation_confidence,
        sides.mixed_talk_seconds,
        sides.first_speech_seconds,
        {%- for side in ["agent", "customer"] %}
        case when recordings.are_sides_told then sides.{{ side }}_talk_seconds end as {{ side }}_talk_seconds,
        case when recordings.are_sides_told then sides.{{ side }}_turns end as {{ side }}_turns,
        case when recordings.are_sides_told then sides.{{ side }}_longest_monologue_seconds end
            as {{ side }}_longest_monologue_seconds,
        case when recordings.are_sides_told then monologues.{{ side }}_monologue_at_seconds end
            as {{ side }}_monologue_at_seconds,
        case when recordings.are_sides_told then sides.{{ side }}_first_speech_seconds end
            as {{ side }}_first_speech_seconds,
        case when recordings.are_sides_told then recordings.interruptions_by_{{ side }} end
            as interruptions_by_{{ side }},
        case when recordings.are_sides_told then recordings.{{ side }}_response_seconds_median end
            as {{ side }}_response_seconds_median,
        {%- endfor %}
        case when recordings.are_sides_told then recordings.interruptions end as interruptions,
        case when recordings.are_sides_told then recordings.overlap_seconds end as overlap_seconds
    from recordings
    left join sides on recordings.content_hash = sides.content_hash
    left join monologues on recordings.content_hash = monologues.content_hash
)

select
    *,
    agent_talk_seconds + customer_talk_seconds as both_talk_seconds,
    {{ ratio("agent_talk_seconds", "agent_talk_seconds + customer_talk_seconds") }} as agent_share_of_speech,
    {{ ratio("customer_talk_seconds", "agent_talk_seconds + customer_talk_seconds") }} as customer_share_of_speech,
    {{ share("agent_talk_seconds", "heard_seconds") }} as agent_share_of_call,
    {{ share("customer_talk_seconds", "heard_seconds") }} as customer_share_of_call
from told
