-- One row a set (quality_weights, quality_tiers) and span of days: the version in force, by the dates of the seeds
-- unless a version of weights was pinned to those days.
with shipped as (
    select distinct
        'quality_weights' as version_set,
        rule_version,
        effective_from,
        effective_to
    from {{ ref("quality_weights") }}
    union all
    select distinct
        'quality_tiers' as version_set,
        rule_version,
        effective_from,
        effective_to
    from {{ ref("quality_tiers") }}
),

candidates as (
    select
        version_set,
        rule_version,
        effective_from::date as effective_from,
        coalesce(effective_to::date, date '9999-01-01') as effective_to,
        {{ beginning_of_time() }} as decided_at,
        0 as pin_rank
    from shipped

    union all

    select distinct
        shipped.version_set,
        shipped.rule_version,
        pins.pinned_from as effective_from,
        pins.pinned_to as effective_to,
        pins.decided_at,
        pins.pin_rank
    from {{ ref("int_version_pins_collected") }} as pins
    inner join shipped on pins.version = shipped.rule_version::text
    where pins.kind = 'weights'
),

{{ spans_in_force("version_set", "rule_version") }}

select
    version_set,
    rule_version,
    effective_from,
    effective_to
from spans
