{{ config(
    materialized="incremental",
    unique_key=["customer_id", "quality_date", "quality_version"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row a customer and day on which total, tier, reasons or versions changed: the scores, and what each dimension
-- added or took away since the row before.
with dimensions as (
    select * from {{ ref("int_quality_dimensions_joined") }}
    {{ only_touched("customer_id", "customers") }}
),

-- The reasons of all dimensions, each as strong as its points times the weight of the dimension.
reasons as (
    select
        dimensions.customer_id,
        dimensions.quality_date,
        dimensions.quality_version,
        dimensions.dimension || '.' || reason.component as component,
        reason.label_en,
        reason.label_zh,
        reason.points * dimensions.weight / 100 as effect,
        row_number() over (
            partition by dimensions.customer_id, dimensions.quality_date, dimensions.quality_version
            order by
                abs(reason.points * dimensions.weight) desc nulls last,
                dimensions.dimension asc,
                reason.component asc
        ) as strength
    from dimensions
    cross join
        lateral (
            values
            {%- for place in [1, 2, 3] %}
            (
                dimensions.reason_{{ place }},
                dimensions.reason_{{ place }}_points,
                dimensions.reason_{{ place }}_en,
                dimensions.reason_{{ place }}_zh
            ){{ "," if not loop.last }}
            {%- endfor %}
        ) as reason (component, points, label_en, label_zh)
    where reason.points is not null
),

strongest as (
    select
        customer_id,
        quality_date,
        {%- for place in [1, 2, 3] %}
        max(component) filter (where strength = {{ place }}) as reason_{{ place }},
        max(label_en) filter (where strength = {{ place }}) as reason_{{ place }}_en,
        max(label_zh) filter (where strength = {{ place }}) as reason_{{ place }}_zh,
        max(sign(effect)) filter (where strength = {{ place }}) as direction_{{ place }},
        {%- endfor %}
        quality_version
    from reasons
    group by customer_id, quality_date, quality_version
),

totals as (
    select
        customer_id,
        quality_date,
        quality_version,
        {%- for dimension in ["conversation", "inspection", "rules_and_lines", "fit", "engagement"] %}
        max(score) filter (where dimension = '{{ dimension }}') as {{ dimension }}_score,
        max(weight * score / 100) filter (where dimension = '{{ dimension }}') as {{ dimension }}_part,
        {%- endfor %}
        string_agg(dimension || ' ' || rule_version, ', ' order by dimension) as evaluation_versions,
        sum(evidence_count) as evidence_count,
        round(sum(weight * confidence) / nullif(sum(weight), 0), 4) as confidence,
        round(sum(weight * score) / nullif(sum(weight), 0), 2) as total_score
    from dimensions
    group by customer_id, quality_date, quality_version
),

tiered as (
    select distinct on (totals.customer_id, totals.quality_date, totals.quality_version)
        totals.*,
        tiers.rule_version as tier_version,
        tiers.tier,
        strongest.reason_1,
        strongest.reason_1_en,
        strongest.reason_1_zh,
        strongest.reason_2,
        strongest.reason_2_en,
        strongest.reason_2_zh,
        strongest.reason_3,
        strongest.reason_3_en,
        strongest.reason_3_zh,
        row(
            totals.total_score,
            tiers.tier,
            strongest.reason_1, strongest.direction_1,
            strongest.reason_2, strongest.direction_2,
            strongest.reason_3, strongest.direction_3,
            totals.evaluation_versions
        )::text as content
    from totals
    inner join {{ ref("int_quality_versions") }} as versions
        on
            versions.version_set = 'quality_tiers'
            and totals.quality_date >= versions.effective_from
            and totals.quality_date < versions.effective_to
    inner join {{ ref("quality_tiers") }} as tiers
        on versions.rule_version = tiers.rule_version and totals.total_score >= tiers.minimum_score::numeric
    left join strongest
        on
            totals.customer_id = strongest.customer_id
            and totals.quality_date = strongest.quality_date
            and totals.quality_version = strongest.quality_version
    order by
        totals.customer_id asc,
        totals.quality_date asc,
        totals.quality_version asc,
        tiers.minimum_score desc
),

compared as (
    select
        *,
        lag(content) over (partition by customer_id order by quality_date, quality_version) as previous_content
    from tiered
),

changes as (
    select
        *,
        lag(total_score) over history as previous_total_score,
        lag(tier) over history as previous_tier,
        lag(quality_date) over history as previous_quality_date,
        (quality_version, tier_version, evaluation_versions)
        <> (
            lag(quality_version) over history,
            lag(tier_version) over history,
            lag(evaluation_versions) over history
        ) as is_of_other_versions,
        {%- for dimension in ["conversation", "inspection", "rules_and_lines", "fit", "engagement"] %}
        round({{ dimension }}_part - lag({{ dimension }}_part) over history, 6) as {{ dimension }}_change,
        {%- endfor %}
        lead(quality_date) over history as valid_to
    from compared
    where previous_content is null or content <> previous_content
    window history as (partition by customer_id order by quality_date, quality_version)
)

select * from changes
