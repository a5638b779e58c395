-- One version of an evaluation is in force on any day.
with versions as (
    select * from {{ ref("int_evaluation_versions") }}
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
