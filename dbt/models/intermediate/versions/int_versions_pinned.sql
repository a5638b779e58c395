-- One row a set and span of days that a person's decision judges by another version than the dates in force say:
-- sales_rules and phrase_rules (version: of ops.rule_sets; a set that says nothing of sales rules leaves them as they
-- are) and emotion_model (a version of a model). Weights are with what the seeds say of them.
with candidates as (
    select
        pins.version,
        pins.pinned_from as effective_from,
        pins.pinned_to as effective_to,
        pins.decided_at,
        pins.pin_rank,
        parts.version_set
    from {{ ref("int_version_pins_collected") }} as pins
    left join {{ ref("stg_callmart__rule_sets") }} as rule_sets
        on pins.kind = 'rules' and pins.version = rule_sets.rules_version::text
    cross join
        lateral (
            values
            ('phrase_rules', pins.kind = 'rules'),
            ('sales_rules', pins.kind = 'rules' and rule_sets.sales_rules is not null),
            ('emotion_model', pins.kind = 'model')
        ) as parts (version_set, is_said)
    where parts.is_said
),

{{ spans_in_force("version_set", "version") }}

select
    version_set,
    version,
    effective_from as pinned_from,
    effective_to as pinned_to,
    effective_from::timestamp at time zone {{ business_time_zone() }} as pinned_from_at,
    effective_to::timestamp at time zone {{ business_time_zone() }} as pinned_to_at
from spans
