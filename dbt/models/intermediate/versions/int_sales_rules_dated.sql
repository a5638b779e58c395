-- When which row of a rule of the CRM was in force: disjoint spans of one rule. A row counts from effective_from to
-- effective_to, and as its version stood at that moment; of two rows in force the later effective_from wins.
with versions as (
    select
        *,
        greatest(valid_from, effective_from) as span_from,
        least(valid_to, coalesce(effective_to, {{ end_of_time() }})) as span_to
    from {{ ref("stg_callmart__sales_rules_versions") }}
),

counted as (
    select * from versions
    where span_from < span_to
),

edges as (
    select
        rule_id,
        span_from as edge
    from counted
    union
    select
        rule_id,
        span_to as edge
    from counted
),

pieces as (
    select
        rule_id,
        edge as in_force_from,
        lead(edge) over (partition by rule_id order by edge) as in_force_to
    from edges
),

chosen as (
    select distinct on (pieces.rule_id, pieces.in_force_from)
        pieces.in_force_from,
        pieces.in_force_to,
        counted.*
    from pieces
    inner join counted
        on
            pieces.rule_id = counted.rule_id
            and pieces.in_force_from >= counted.span_from
            and pieces.in_force_to <= counted.span_to
    order by pieces.rule_id asc, pieces.in_force_from asc, counted.effective_from desc
)

select
    rule_id,
    rule_type,
    campaign_id,
    region,
    coalesce(parameters, '{}'::jsonb) as parameters,
    coalesce(severity, 'major') as severity,
    effective_from,
    version_number as rule_version,
    in_force_from,
    in_force_to
from chosen
