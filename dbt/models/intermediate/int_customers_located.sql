{{ config(
    materialized="incremental",
    unique_key=["customer_id", "version_number"],
    indexes=[{"columns": ["customer_id"]}, {"columns": ["phone"]}],
    pre_hook=nestloop_off(),
    meta={"touched": ["customer_id", "customer_rows"], "touches": [touch_calls_of_customers(), touch_survivors()]}
) }}
-- Every version of a customer with the zone in which the customer lives: their own, else the region's by the
-- seed of regions, else the number's, else the site's.
with customers as (
    select *
    from {{ ref("stg_callmart__customers_versions") }}
    {{ only_touched("customer_id", "customer_rows", through_view=true) }}
),

zones as (
    select name from pg_catalog.pg_timezone_names
),

numbers as (
    {{ numbers_located("select distinct phone as number from customers") | indent(4) }}
)

select
    customers.customer_id,
    customers.version_number,
    customers.valid_from,
    customers.valid_to,
    customers.is_current,
    customers.phone,
    customers.region,
    customers.segment,
    customers.consent_status,
    customers.do_not_call,
    customers.merged_into_customer_id,
    customers.deleted_at,
    customers.created_at,
    {{ business_date(
        "coalesce(customers.updated_at, customers.created_at, customers._delivered_on::timestamp at time zone 'UTC')"
    ) }} as known_date,
    coalesce(regions.country, numbers.country, {{ business_country() }}) as country,
    coalesce(zones.name, regions.time_zone, numbers.time_zone, {{ business_time_zone() }}) as time_zone,
    case
        when zones.name is not null then 'own'
        when regions.time_zone is not null then 'region'
        when numbers.time_zone is not null then 'number'
        else 'site'
    end as time_zone_origin,
    customers.time_zone is not null and zones.name is null as has_unknown_time_zone
from customers
left join zones on lower(customers.time_zone) = lower(zones.name)
left join {{ ref("regions") }} as regions on customers.region = regions.region
left join numbers on customers.phone = numbers.number
