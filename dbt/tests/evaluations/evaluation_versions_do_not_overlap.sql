-- One version of an evaluation is in force on any day, and all its components share its time in force.
with versions as (
    select distinct
        evaluation,
        rule_version,
        effective_from,
        coalesce(effective_to, date '9999-01-01') as effective_to
    from {{ ref("evaluation_weights") }}
)

select
    one.evaluation,
    one.rule_version,
    another.rule_version as other_version
from versions as one
inner join versions as another
    on
        one.evaluation = another.evaluation
        and (one.rule_version, one.effective_from) < (another.rule_version, another.effective_from)
        and one.effective_from < another.effective_to
        and one.effective_to > another.effective_from
