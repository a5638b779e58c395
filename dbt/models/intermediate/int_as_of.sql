{{ config(materialized="incremental", meta={"touched": "all", "touches": [touch_customers_of_days()]}) }}
-- The moment up to which everything is seen: `as_of` where it is named; otherwise the last business date on
-- which a call started counts to its end.
with newest as (
    select {{ business_date("max(started_at)") }} as newest_date
    from {{ ref("int_calls_attributed") }}
),

moments as (
    select
        coalesce(
            {{ named_as_of() or "null" }},
            (newest_date + 1)::timestamp at time zone {{ business_time_zone() }}
        ) as as_of
    from newest
)

select
    as_of,
    {{ business_date("as_of - interval '1 microsecond'") }} as as_of_date
from moments
