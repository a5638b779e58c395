-- One row an evaluation and span of days: the version of its weights and curves in force. What was promoted last goes
-- before what was promoted earlier and what is shipped; the variable weights_version goes before all, so that a past
-- range can be computed under another version without promoting it.
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
        {{ beginning_of_time() }} as decided_at
    from shipped

    union all

    select
        evaluation,
        rule_version,
        effective_from,
        coalesce(effective_to, date '9999-01-01') as effective_to,
        decided_at
    from {{ ref("stg_callmart__evaluation_versions") }}
    where status = 'promoted'

    union all

    select distinct
        evaluation,
        rule_version,
        date '{{ var("weights_from", "1900-01-01") }}' as effective_from,
        date '{{ var("weights_to", "9998-12-31") }}' + 1 as effective_to,
        {{ end_of_time() }} as decided_at
    from {{ ref("int_evaluation_weights") }}
    where rule_version = {{ var("weights_version", 0) | int }}
),

edges as (
    select
        evaluation,
        effective_from as edge
    from candidates
    union
    select
        evaluation,
        effective_to as edge
    from candidates
),

pieces as (
    select
        evaluation,
        edge as effective_from,
        lead(edge) over (partition by evaluation order by edge) as effective_to
    from edges
),

-- The version of each piece, and whether it is another one than that of the piece before.
chosen as (
    select distinct on (pieces.evaluation, pieces.effective_from)
        pieces.evaluation,
        pieces.effective_from,
        pieces.effective_to,
        candidates.rule_version
    from pieces
    inner join candidates
        on
            pieces.evaluation = candidates.evaluation
            and pieces.effective_from >= candidates.effective_from
            and pieces.effective_to <= candidates.effective_to
    order by
        pieces.evaluation asc,
        pieces.effective_from asc,
        candidates.decided_at desc,
        candidates.effective_from desc,
        candidates.rule_version desc
),

compared as (
    select
        *,
        coalesce(
            rule_version <> lag(rule_version) over spans or effective_from <> lag(effective_to) over spans, true
        ) as begins
    from chosen
    window spans as (partition by evaluation order by effective_from)
),

grouped as (
    select
        *,
        count(*) filter (where begins) over (partition by evaluation order by effective_from) as span
    from compared
)

select
    evaluation,
    rule_version,
    min(effective_from) as effective_from,
    max(effective_to) as effective_to
from grouped
group by evaluation, rule_version, span
