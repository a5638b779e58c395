{{ config(materialized="view") }}
-- One row a component of a customer's fit and version of a demand or customer that says something about it:
-- a state, which counts from the day it was known until the next version of the same row.
with demands as (
    select
        demand_id,
        customer_id,
        known_date,
        next_known_date,
        version_number,
        stage,
        decision_role,
        {{ ratio("budget", "expected_value") }} as budget_coverage,
        need_by_date - known_date as need_horizon_days
    from {{ ref("int_demand_versions_ordered") }}
    where not is_deleted
),

-- A merged customer is its survivor; a deleted one says nothing any more.
customer_versions as (
    select
        versions.customer_id,
        versions.version_number,
        versions.consent_status,
        versions.do_not_call,
        versions.segment,
        versions.deleted_at,
        {{ business_date(
            "coalesce(versions.updated_at, versions.created_at, versions._delivered_on::timestamp at time zone 'UTC')"
        ) }} as known_date
    from {{ ref("stg_callmart__customers_versions") }} as versions
    left join {{ ref("int_customers_merged") }} as merged on versions.customer_id = merged.customer_id
    where merged.customer_id is null
),

customers as (
    select
        *,
        coalesce(
            min(known_date) over (
                partition by customer_id order by version_number rows between 1 following and unbounded following
            ),
            date '9999-01-01'
        ) as next_known_date
    from customer_versions
),

code_values as (
    select
        attribute,
        lower(code) as code,
        value
    from {{ ref("evaluation_code_values") }}
),

states as (
    select
        measure.component,
        demands.customer_id,
        'demand' as evidence_type,
        demands.demand_id as evidence_id,
        demands.known_date as valid_from,
        demands.next_known_date as valid_to,
        measure.raw_value
    from demands
    left join code_values as stages on stages.attribute = 'stage' and lower(demands.stage) = stages.code
    left join code_values as roles on roles.attribute = 'decision_role' and lower(demands.decision_role) = roles.code
    cross join
        lateral (
            values
            ('demand_stage', stages.value::numeric),
            ('decision_role', roles.value::numeric),
            ('budget_coverage', demands.budget_coverage::numeric),
            ('need_horizon_days', demands.need_horizon_days::numeric)
        ) as measure (component, raw_value)

    union all

    select
        measure.component,
        customers.customer_id,
        'customer' as evidence_type,
        customers.customer_id as evidence_id,
        customers.known_date as valid_from,
        customers.next_known_date as valid_to,
        measure.raw_value
    from customers
    left join code_values as consents
        on consents.attribute = 'consent_status' and customers.consent_status = consents.code
    left join code_values as segments
        on segments.attribute = 'segment' and lower(customers.segment) = segments.code
    cross join
        lateral (
            values
            ('consent', consents.value::numeric),
            ('callable', (not customers.do_not_call)::integer::numeric),
            ('segment', segments.value::numeric)
        ) as measure (component, raw_value)
    where customers.deleted_at is null
)

select
    'fit' as evaluation,
    component,
    customer_id,
    evidence_type,
    evidence_id,
    valid_from,
    valid_to,
    round(raw_value, 6) as raw_value,
    null::text as call_id,
    null::bigint as place_ms
from states
where raw_value is not null and valid_from < valid_to
