-- One row a version of a demand: when it was known, and until when.
with versions as (
    select
        *,
        {{ business_date("coalesce(updated_at, created_at, _delivered_on::timestamp at time zone 'UTC')") }}
            as known_date,
        deleted_at is not null as is_deleted
    from {{ ref("stg_callmart__demands_versions") }}
)

select
    versions.*,
    coalesce(
        min(known_date) over (
            partition by demand_id order by version_number rows between 1 following and unbounded following
        ),
        date '9999-01-01'
    ) as next_known_date
from versions
