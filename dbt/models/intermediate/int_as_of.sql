-- The moment up to which everything is seen: `as_of` where it is named, else the end of the newest business
-- day that holds a call.
with newest as (
    select max({{ business_date("started_at") }}) as newest_date
    from {{ ref("stg_callmart__calls") }}
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
