{{ config(
    materialized="incremental",
    unique_key=["customer_id", "valid_from"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
with spans as (
    select * from {{ ref("int_quality_spans_compared") }}
    {{ only_touched("customer_id", "customers") }}
),

-- The dimensions that moved the total, the strongest first; what rounds to nothing is not told, unless nothing else
-- moved.
moves as (
    select
        changes.*,
        row_number() over (
            partition by changes.customer_id, changes.quality_date, changes.quality_version
            order by abs(changes.change) desc, changes.dimension asc
        ) as strength,
        lower(left(labels.label_en, 1)) || substr(labels.label_en, 2) as dimension_en,
        labels.label_zh as dimension_zh,
        case when changes.change < 0 then '−' else '+' end
        || to_char(
            abs(changes.change), case when abs(changes.change) < 0.05 then 'FM990.00' else 'FM990.0' end
        ) as points
    from {{ ref("int_quality_changes_worded") }} as changes
    inner join {{ ref("evaluation_labels") }} as labels
        on changes.dimension = labels.evaluation and labels.component is null
    {{ only_touched("changes.customer_id", "customers") }}
),

sentences as (
    select
        customer_id,
        quality_date,
        quality_version,
        string_agg(
            dimension_en || ' ' || points || coalesce(' (' || why_en || ')', ''), ', ' order by strength
        ) as moves_en,
        string_agg(
            dimension_zh || ' ' || points || coalesce('（' || why_zh || '）', ''), '，' order by strength
        ) as moves_zh,
        max(call_id) filter (where strength = 1) as change_call_id,
        max(place_ms) filter (where strength = 1) as change_place_ms
    from moves
    where strength = 1 or (strength <= 3 and abs(change) >= 0.05)
    group by customer_id, quality_date, quality_version
),

model_versions as (
    select
        spans.customer_id,
        spans.quality_date,
        string_agg(distinct conversations.emotion_model_version, ', ') as model_versions
    from spans
    inner join {{ ref("int_conversations_measured") }} as conversations
        on spans.customer_id = conversations.customer_id and spans.quality_date >= conversations.call_date
    group by spans.customer_id, spans.quality_date
)

select
    spans.customer_id,
    spans.quality_date as valid_from,
    spans.valid_to,
    spans.valid_to is null as is_current,
    spans.tier,
    tiers.label_en as tier_en,
    tiers.label_zh as tier_zh,
    spans.total_score::numeric(5, 2) as total_score,
    spans.fit_score::numeric(5, 2) as fit_score,
    spans.engagement_score::numeric(5, 2) as engagement_score,
    spans.conversation_score::numeric(5, 2) as conversation_score,
    spans.inspection_score::numeric(5, 2) as inspection_score,
    spans.rules_and_lines_score::numeric(5, 2) as rules_and_lines_score,
    spans.evidence_count::integer as evidence_count,
    spans.confidence::numeric(5, 4) as confidence,
    spans.previous_tier,
    spans.previous_total_score::numeric(5, 2) as previous_total_score,
    (spans.total_score - spans.previous_total_score)::numeric(6, 2) as total_score_change,
    {%- for dimension in ["fit", "engagement", "conversation", "inspection", "rules_and_lines"] %}
    round(spans.{{ dimension }}_change, 2)::numeric(6, 2) as {{ dimension }}_change,
    {%- endfor %}
    case
        when spans.previous_tier is null then null
        when spans.previous_tier <> spans.tier then 'Tier ' || spans.previous_tier || ' → ' || spans.tier
        when spans.previous_total_score <> spans.total_score
            then
                'Total ' || to_char(spans.previous_total_score, 'FM990.0') || ' → '
                || to_char(spans.total_score, 'FM990.0') || ', tier ' || spans.tier
        else 'Total ' || to_char(spans.total_score, 'FM990.0') || ' as before, tier ' || spans.tier
    end
    || coalesce(': ' || sentences.moves_en, case when spans.is_of_other_versions then '' else ': other reasons' end)
    || case when spans.is_of_other_versions then '; other versions of weights or tiers' else '' end as change_reason_en,
    case
        when spans.previous_tier is null then null
        when spans.previous_tier > spans.tier then '等级由 ' || spans.previous_tier || ' 升至 ' || spans.tier
        when spans.previous_tier < spans.tier then '等级由 ' || spans.previous_tier || ' 降至 ' || spans.tier
        when spans.previous_total_score <> spans.total_score
            then
                '总分由 ' || to_char(spans.previous_total_score, 'FM990.0')
                || case when spans.previous_total_score < spans.total_score then ' 升至 ' else ' 降至 ' end
                || to_char(spans.total_score, 'FM990.0') || '（等级仍为 ' || spans.tier || '）'
        else '总分仍为 ' || to_char(spans.total_score, 'FM990.0') || '（等级 ' || spans.tier || '）'
    end
    || coalesce('：' || sentences.moves_zh, case when spans.is_of_other_versions then '' else '：主要理由有变' end)
    || case when spans.is_of_other_versions then '；权重或分级版本已更新' else '' end as change_reason_zh,
    sentences.change_call_id,
    sentences.change_place_ms,
    spans.reason_1,
    spans.reason_1_en,
    spans.reason_1_zh,
    spans.reason_2,
    spans.reason_2_en,
    spans.reason_2_zh,
    spans.reason_3,
    spans.reason_3_en,
    spans.reason_3_zh,
    spans.quality_version,
    spans.tier_version,
    spans.evaluation_versions,
    model_versions.model_versions
from spans
left join sentences
    on
        spans.customer_id = sentences.customer_id
        and spans.quality_date = sentences.quality_date
        and spans.quality_version = sentences.quality_version
left join model_versions
    on spans.customer_id = model_versions.customer_id and spans.quality_date = model_versions.quality_date
left join {{ ref("quality_tiers") }} as tiers
    on spans.tier = tiers.tier and spans.tier_version = tiers.rule_version
