{{ config(
    materialized="incremental",
    unique_key=["demand_id", "version_number"],
    meta={"touched": "all", "touches": [touch_customers_of_demands()]}
) }}
-- One row a version of a demand: whose it is today (merged customers are their survivor), when the version was
-- known, and until when.
with versions as (
    select
        versions.*,
        coalesce(merged.surviving_customer_id, versions.customer_id) as surviving_customer_id,
        -- A version without updated_at was there before the next one at the latest.
        min(
            coalesce(
                versions.updated_at,
                versions.created_at,
                versions._delivered_on::timestamp at time zone {{ business_time_zone() }}
            )
        ) over (
            partition by versions.demand_id
            order by versions.version_number
            rows between current row and unbounded following
        ) as known_at
    from {{ ref("stg_callmart__demands_versions") }} as versions
    left join {{ ref("int_customers_merged") }} as merged on versions.customer_id = merged.customer_id
),

dated as (
    select
        *,
        {{ business_date("known_at") }} as known_date
    from versions
)

select
    demand_id,
    version_number,
    surviving_customer_id as customer_id,
    customer_id as delivered_customer_id,
    product,
    stage,
    expected_value,
    currency,
    budget,
    decision_role,
    need_by_date,
    next_action,
    next_action_due_at,
    owner_agent_id,
    created_at,
    closed_at,
    close_reason,
    deleted_at,
    updated_at,
    is_current,
    known_at,
    known_date,
    _extra,
    _delivered_on,
    deleted_at is not null as is_deleted,
    coalesce(
        min(known_date) over (
            partition by demand_id order by version_number rows between 1 following and unbounded following
        ),
        date '9999-01-01'
    ) as next_known_date
from dated
