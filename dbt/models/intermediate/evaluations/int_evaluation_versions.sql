-- One row an evaluation and span of days: the version of its weights and curves in force. What was decided last goes
-- before what was decided earlier, by promoting a proposed version or by pinning one to a past range, and before what
-- is shipped; an evaluation that a version says nothing of keeps its own.
with shipped as (
    select distinct
        evaluation,
        rule_version,
        effective_from,
        effective_to
    from {{ ref("evaluation_weights") }}
),

candidates as (
    select
        evaluation,
        rule_version,
        effective_from::date as effective_from,
        coalesce(effective_to::date, date '9999-01-01') as effective_to,
        {{ beginning_of_time() }} as decided_at,
        0 as pin_rank
    from shipped

    union all

    select
        evaluation,
        rule_version,
        effective_from,
        coalesce(effective_to, date '9999-01-01') as effective_to,
        decided_at,
        0 as pin_rank
    from {{ ref("stg_callmart__evaluation_versions") }}
    where status = 'promoted'

    union all

    select distinct
        weights.evaluation,
        weights.rule_version,
        pins.pinned_from as effective_from,
        pins.pinned_to as effective_to,
        pins.decided_at,
        pins.pin_rank
    from {{ ref("int_version_pins_collected") }} as pins
    inner join {{ ref("int_evaluation_weights") }} as weights on pins.version = weights.rule_version::text
    where pins.kind = 'weights'
),

{{ spans_in_force("evaluation", "rule_version") }}

select
    evaluation,
    rule_version,
    effective_from,
    effective_to
from spans
