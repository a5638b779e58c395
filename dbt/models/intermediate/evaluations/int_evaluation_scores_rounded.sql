{{ config(
    materialized="incremental",
    unique_key=["customer_id", "evaluation", "evaluation_date"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row a customer, evaluation, rule version and day on which the rounded score or a reason changed.
with components as (
    select
        *,
        points - prior_points as effect
    from {{ ref("int_evaluation_components_scored") }}
    {{ only_touched("customer_id", "customers") }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, evaluation, evaluation_date, rule_version
            order by evidence_count > 0 and weight > 0 desc, abs(effect) desc, component asc
        ) as strength
    from components
),

evidence as (
    select
        customer_id,
        evaluation,
        evaluation_date,
        rule_version,
        count(distinct evidence_type || '|' || evidence_id) as evidence_count
    from {{ ref("int_evaluation_evidence_weighted") }}
    {{ only_touched("customer_id", "customers") }}
    group by customer_id, evaluation, evaluation_date, rule_version
),

totals as (
    select
        customer_id,
        evaluation,
        evaluation_date,
        rule_version,
        round(sum(points), 2) as score,
        round(sum(weight * trust) / nullif(sum(weight), 0), 4) as confidence,
    {%- for place in [1, 2, 3] %}
    max(component) filter (
        where strength = {{ place }} and evidence_count > 0 and weight > 0
    ) as component_{{ place }},
    max(round(effect, 2)) filter (
        where strength = {{ place }} and evidence_count > 0 and weight > 0
    ) as effect_{{ place }}{{ "," if not loop.last }}
    {%- endfor %}
    from ranked
    group by customer_id, evaluation, evaluation_date, rule_version
),

described as (
    select
        *,
        row(
            rule_version,
            score,
            component_1, sign(effect_1),
            component_2, sign(effect_2),
            component_3, sign(effect_3)
        )::text as content
    from totals
),

compared as (
    select
        *,
        lag(content) over (partition by customer_id, evaluation order by evaluation_date) as previous_content
    from described
),

changed as (
    select
        *,
        lead(evaluation_date) over (partition by customer_id, evaluation order by evaluation_date) as valid_to
    from compared
    where previous_content is null or content <> previous_content
)

select
    changed.customer_id,
    changed.evaluation,
    changed.evaluation_date,
    changed.rule_version,
    changed.score,
    coalesce(evidence.evidence_count, 0) as evidence_count,
    changed.confidence,
    {%- for place in [1, 2, 3] %}
    {%- set fallback = "'no_evidence'" if place == 1 else "null" %}
    coalesce(changed.component_{{ place }}, {{ fallback }}) as reason_{{ place }},
    changed.effect_{{ place }} as reason_{{ place }}_points,
    {%- for language in ["en", "zh"] %}
    case
        when changed.component_{{ place }} is not null
            then
                label_{{ place }}.label_{{ language }} || ' '
                || to_char(changed.effect_{{ place }}, 'FMSG990.00')
        {%- if place == 1 %}
        else no_evidence.label_{{ language }}
        {%- endif %}
    end as reason_{{ place }}_{{ language }},
    {%- endfor %}
    {%- endfor %}
    coalesce(changed.confidence, 0)
    < {{ evaluation_setting("shrunk_below_confidence", "changed.evaluation_date") }} as is_shrunk,
    {%- for language in ["en", "zh"] %}
    case
        when coalesce(evidence.evidence_count, 0) = 0 then no_evidence.label_{{ language }}
        when changed.confidence < {{ evaluation_setting("shrunk_below_confidence", "changed.evaluation_date") }}
            then shrunk.label_{{ language }} || ' ' || to_char(100 * (1 - changed.confidence), 'FM990') || ' %'
    end as evidence_note_{{ language }},
    {%- endfor %}
    changed.valid_to,
    changed.valid_to is null as is_current
from changed
left join evidence
    on
        changed.customer_id = evidence.customer_id
        and changed.evaluation = evidence.evaluation
        and changed.evaluation_date = evidence.evaluation_date
        and changed.rule_version = evidence.rule_version
{%- for place in [1, 2, 3] %}
left join {{ ref("evaluation_labels") }} as label_{{ place }}
    on changed.evaluation = label_{{ place }}.evaluation and changed.component_{{ place }} = label_{{ place }}.component
{%- endfor %}
left join {{ ref("evaluation_labels") }} as no_evidence on no_evidence.component = 'no_evidence'
left join {{ ref("evaluation_labels") }} as shrunk on shrunk.component = 'shrunk'
