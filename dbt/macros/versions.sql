{#-
Disjoint spans of which candidate is in force, as the last of the CTEs of a model: the relation `candidates` must hold
the key, the version, effective_from, effective_to (dates, exclusive), decided_at and pin_rank. On a day the one
decided last goes first. Neighbours of one version are one span, so that an edge is always a change.
-#}
{% macro spans_in_force(key, version) -%}
edges as (
    select
        {{ key }},
        effective_from as edge
    from candidates
    union
    select
        {{ key }},
        effective_to as edge
    from candidates
),

pieces as (
    select
        {{ key }},
        edge as effective_from,
        lead(edge) over (partition by {{ key }} order by edge) as effective_to
    from edges
),

chosen as (
    select distinct on (pieces.{{ key }}, pieces.effective_from)
        pieces.{{ key }},
        pieces.effective_from,
        pieces.effective_to,
        candidates.{{ version }}
    from pieces
    inner join candidates
        on
            pieces.{{ key }} = candidates.{{ key }}
            and pieces.effective_from >= candidates.effective_from
            and pieces.effective_to <= candidates.effective_to
    order by
        pieces.{{ key }} asc,
        pieces.effective_from asc,
        candidates.decided_at desc,
        candidates.pin_rank desc,
        candidates.effective_from desc,
        candidates.{{ version }} desc
),

compared as (
    select
        *,
        coalesce(
            {{ version }} <> lag({{ version }}) over spans or effective_from <> lag(effective_to) over spans, true
        ) as begins
    from chosen
    window spans as (partition by {{ key }} order by effective_from)
),

grouped as (
    select
        *,
        count(*) filter (where begins) over (partition by {{ key }} order by effective_from) as span
    from compared
),

spans as (
    select
        {{ key }},
        {{ version }},
        min(effective_from) as effective_from,
        max(effective_to) as effective_to
    from grouped
    group by {{ key }}, {{ version }}, span
)
{%- endmacro %}
