{{ config(materialized="view") }}
-- One row a decision that a version judges a range of days (pinned_to exclusive): those that were promoted, and
-- behind them those that the variable trial_pins tries out.
select
    kind,
    version,
    from_date as pinned_from,
    to_date + 1 as pinned_to,
    decided_at,
    pin_id as pin_rank
from {{ ref("stg_callmart__version_pins") }}
{%- for pin in var("trial_pins", []) %}

union all

select
    '{{ pin.kind }}' as kind,
    '{{ pin.version }}' as version,
    date '{{ pin.from }}' as pinned_from,
    date '{{ pin.to }}' + 1 as pinned_to,
    {{ end_of_time() }} as decided_at,
    {{ loop.index }} as pin_rank
{%- endfor %}
