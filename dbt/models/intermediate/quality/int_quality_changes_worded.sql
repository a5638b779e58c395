{{ config(
    materialized="incremental",
    unique_key=["customer_id", "quality_date", "quality_version", "dimension"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row a change of a customer's quality and dimension that moved: by how many points of the total, and what moved
-- it most, in words: the component that went farthest the same way, by the newest evidence that came for it, or, where
-- none came, by the oldest that went.
with moves as (
    select
        spans.customer_id,
        spans.quality_date,
        spans.quality_version,
        spans.previous_quality_date,
        move.dimension,
        move.change
    from {{ ref("int_quality_spans_compared") }} as spans
    cross join
        lateral (
            values
            {%- for dimension in ["conversation", "inspection", "rules_and_lines", "fit", "engagement"] %}
            ('{{ dimension }}', spans.{{ dimension }}_change){{ "," if not loop.last }}
            {%- endfor %}
        ) as move (dimension, change)
    where
        move.change <> 0
        {{ only_touched("spans.customer_id", "customers", "and") }}
),

scored as (
    select
        moves.*,
        later.evaluation_date as later_date,
        later.rule_version as later_version,
        earlier.evaluation_date as earlier_date,
        earlier.rule_version as earlier_version
    from moves
    inner join {{ ref("int_evaluation_scores_rounded") }} as later
        on
            moves.customer_id = later.customer_id
            and moves.dimension = later.evaluation
            and moves.quality_date >= later.evaluation_date
            and moves.quality_date < coalesce(later.valid_to, date '9999-01-01')
    inner join {{ ref("int_evaluation_scores_rounded") }} as earlier
        on
            moves.customer_id = earlier.customer_id
            and moves.dimension = earlier.evaluation
            and moves.previous_quality_date >= earlier.evaluation_date
            and moves.previous_quality_date < coalesce(earlier.valid_to, date '9999-01-01')
),

component_moves as (
    select distinct on (scored.customer_id, scored.quality_date, scored.quality_version, scored.dimension)
        scored.*,
        later.component,
        (later.points - earlier.points) * sign(scored.change) as effect
    from scored
    inner join {{ ref("int_evaluation_components_scored") }} as later
        on
            scored.customer_id = later.customer_id
            and scored.dimension = later.evaluation
            and scored.later_date = later.evaluation_date
            and scored.later_version = later.rule_version
    inner join {{ ref("int_evaluation_components_scored") }} as earlier
        on
            scored.customer_id = earlier.customer_id
            and scored.dimension = earlier.evaluation
            and scored.earlier_date = earlier.evaluation_date
            and scored.earlier_version = earlier.rule_version
            and later.component = earlier.component
    where (later.points - earlier.points) * sign(scored.change) > 0
    order by
        scored.customer_id asc,
        scored.quality_date asc,
        scored.quality_version asc,
        scored.dimension asc,
        (later.points - earlier.points) * sign(scored.change) desc,
        later.component asc
),

evidence as (
    select * from {{ ref("int_evaluation_evidence_collected") }}
),

came as (
    select distinct on (moved.customer_id, moved.quality_date, moved.quality_version, moved.dimension)
        moved.customer_id,
        moved.quality_date,
        moved.quality_version,
        moved.dimension,
        evidence.evidence_type,
        evidence.evidence_id,
        evidence.raw_value,
        evidence.call_id,
        evidence.place_ms,
        evidence.valid_from as began_on
    from component_moves as moved
    inner join evidence
        on
            moved.customer_id = evidence.customer_id
            and moved.dimension = evidence.evaluation
            and moved.component = evidence.component
            and moved.earlier_date < evidence.valid_from
            and moved.later_date >= evidence.valid_from
            and moved.later_date < evidence.valid_to
    order by
        moved.customer_id asc,
        moved.quality_date asc,
        moved.quality_version asc,
        moved.dimension asc,
        evidence.valid_from desc,
        evidence.evidence_id desc
),

went as (
    select distinct on (moved.customer_id, moved.quality_date, moved.quality_version, moved.dimension)
        moved.customer_id,
        moved.quality_date,
        moved.quality_version,
        moved.dimension,
        evidence.call_id,
        evidence.place_ms,
        evidence.valid_from as began_on
    from component_moves as moved
    inner join evidence
        on
            moved.customer_id = evidence.customer_id
            and moved.dimension = evidence.evaluation
            and moved.component = evidence.component
            and moved.earlier_date < evidence.valid_to
            and moved.later_date >= evidence.valid_to
    order by
        moved.customer_id asc,
        moved.quality_date asc,
        moved.quality_version asc,
        moved.dimension asc,
        evidence.valid_from asc,
        evidence.evidence_id asc
),

-- In which stage a demand stood by the last version of a day.
stages as (
    select distinct on (versions.demand_id, versions.known_date)
        versions.demand_id,
        versions.known_date,
        coalesce(labels.label_en, versions.stage) as stage_en,
        coalesce(labels.label_zh, versions.stage) as stage_zh
    from {{ ref("int_demand_versions_ordered") }} as versions
    left join {{ ref("code_labels") }} as labels on versions.stage = labels.code and labels.attribute = 'stage'
    order by versions.demand_id asc, versions.known_date asc, versions.version_number desc
),

-- A recency step speaks of the conversation that it counts from.
explained as (
    select
        scored.customer_id,
        scored.quality_date,
        scored.quality_version,
        scored.dimension,
        scored.change,
        scored.later_version,
        scored.earlier_version,
        moved.component,
        came.evidence_id,
        came.raw_value,
        stages.stage_en,
        stages.stage_zh,
        labels.label_en,
        labels.label_zh,
        labels.unit,
        case
            when came.evidence_id is not null then 'came'
            when went.began_on is not null then 'went'
        end as how,
        coalesce(came.call_id, went.call_id) as call_id,
        coalesce(came.place_ms, went.place_ms) as place_ms,
        case
            when came.evidence_id is null then went.began_on
            when moved.component = 'recency_days' then came.began_on - came.raw_value::integer
            else came.began_on
        end as evidence_date,
        case when scored.change > 0 then 'up' else 'down' end as direction
    from scored
    left join component_moves as moved
        on
            scored.customer_id = moved.customer_id
            and scored.quality_date = moved.quality_date
            and scored.quality_version = moved.quality_version
            and scored.dimension = moved.dimension
    left join came
        on
            scored.customer_id = came.customer_id
            and scored.quality_date = came.quality_date
            and scored.quality_version = came.quality_version
            and scored.dimension = came.dimension
    left join went
        on
            scored.customer_id = went.customer_id
            and scored.quality_date = went.quality_date
            and scored.quality_version = went.quality_version
            and scored.dimension = went.dimension
    left join stages
        on
            came.evidence_type = 'demand'
            and came.evidence_id = stages.demand_id
            and came.began_on = stages.known_date
    left join {{ ref("evaluation_labels") }} as labels
        on scored.dimension = labels.evaluation and moved.component = labels.component
),

-- Of the wordings of a component and direction the one for the narrowest range of values.
worded as (
    select distinct on (explained.customer_id, explained.quality_date, explained.quality_version, explained.dimension)
        explained.*,
        words.words_en,
        words.words_zh,
        case
            when explained.unit = 'ratio' then to_char(100 * explained.raw_value, 'FM999990') || ' %'
            when abs(explained.raw_value) >= 10 then to_char(explained.raw_value, 'FM999999990')
            else rtrim(to_char(explained.raw_value, 'FM990.9'), '.')
        end as value_in_words
    from explained
    left join {{ ref("quality_change_words") }} as words
        on
            explained.how = 'came'
            and explained.component = words.component
            and explained.direction = words.direction
            and explained.raw_value <= coalesce(words.value_to, 'Infinity'::numeric)
    order by
        explained.customer_id asc,
        explained.quality_date asc,
        explained.quality_version asc,
        explained.dimension asc,
        words.value_to asc nulls last
)

select
    customer_id,
    quality_date,
    quality_version,
    dimension,
    change,
    component,
    how,
    call_id,
    place_ms,
    evidence_date,
    case
        when earlier_version <> later_version
            then 'weights version ' || earlier_version || ' to ' || later_version
        when how = 'came' and words_en is not null
            then {{ filled_words("words_en", [
                ["date", day_in_words("evidence_date", "en")],
                ["value", "value_in_words"],
                ["evidence", "evidence_id"],
                ["stage", "coalesce(stage_en, '')"],
            ]) }}
        when how = 'went'
            then
                'what was known of ' || {{ day_in_words("evidence_date", "en") }} || ' no longer counts: '
                || lower(left(label_en, 1)) || substr(label_en, 2)
        else lower(left(label_en, 1)) || substr(label_en, 2)
    end as why_en,
    case
        when earlier_version <> later_version
            then '权重由第 ' || earlier_version || ' 版改为第 ' || later_version || ' 版'
        when how = 'came' and words_zh is not null
            then {{ filled_words("words_zh", [
                ["date", day_in_words("evidence_date", "zh")],
                ["value", "value_in_words"],
                ["evidence", "evidence_id"],
                ["stage", "coalesce(stage_zh, '')"],
            ]) }}
        when how = 'went' then {{ day_in_words("evidence_date", "zh") }} || '的“' || label_zh || '”不再计入'
        else label_zh
    end as why_zh
from worded
