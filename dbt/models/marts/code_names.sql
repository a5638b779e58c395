-- Tiers are named by their newest version.
with named as (
    select
        attribute,
        code,
        label_en,
        label_zh
    from {{ ref("code_labels") }}

    union all

    select
        'outcome' as attribute,
        outcome as code,
        name_en as label_en,
        name_zh as label_zh
    from {{ ref("outcomes") }}

    union all

    select
        'decision_reason' as attribute,
        decision_reason as code,
        name_en as label_en,
        name_zh as label_zh
    from {{ ref("decision_reasons") }}

    union all

    select
        'rule_type' as attribute,
        rule_type as code,
        name_en as label_en,
        name_zh as label_zh
    from {{ ref("rule_types") }}

    union all

    select
        'agent_state' as attribute,
        state as code,
        name_en as label_en,
        name_zh as label_zh
    from {{ ref("agent_state_activities") }}

    union all

    select
        'action_code' as attribute,
        action_code as code,
        label_en,
        label_zh
    from {{ ref("next_action_rules") }}

    union all

    select
        case
            when coalesce(component, '') = '' then 'evaluation'
            else concat_ws('.', nullif(evaluation, ''), 'component')
        end as attribute,
        coalesce(nullif(component, ''), evaluation) as code,
        label_en,
        label_zh
    from {{ ref("evaluation_labels") }}

    union all

    (
        select distinct on (tier)
            'tier' as attribute,
            tier as code,
            label_en,
            label_zh
        from {{ ref("quality_tiers") }}
        order by tier asc, rule_version desc, effective_from desc
    )
)

select
    attribute,
    code,
    label_en,
    label_zh
from named
