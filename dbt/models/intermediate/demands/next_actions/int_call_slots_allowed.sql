-- One row a set of circumstances (campaign, region, country, zone) and half hour from the as-of moment on in which a
-- call may start: inside the calling hours of every rule that covers it, and on no public holiday that one of them
-- bars. Where no rule covers it, inside the hours of the seed next_action_settings.
with seen as (
    select as_of from {{ ref("int_as_of") }}
),

profiles as (
    select distinct
        campaign_id,
        region,
        country,
        time_zone
    from {{ ref("int_customers_contactable") }}
),

-- An hour that the clocks leave out in spring has no moment of its own.
zone_slots as (
    select
        zones.time_zone,
        slots.local_at,
        slots.local_at at time zone zones.time_zone as starts_at
    from (select distinct time_zone from profiles) as zones
    cross join seen
    cross join
        lateral generate_series(
            date_trunc('hour', seen.as_of at time zone zones.time_zone),
            date_trunc('hour', seen.as_of at time zone zones.time_zone)
            + interval '1 day' * {{ next_action_setting("horizon_days") }},
            interval '30 minutes'
        ) as slots (local_at)
    where
        slots.local_at at time zone zones.time_zone >= seen.as_of
        and (slots.local_at at time zone zones.time_zone) at time zone zones.time_zone = slots.local_at
),

holidays as (
    select distinct
        country,
        holiday_date
    from {{ ref("public_holidays") }}
),

slots as (
    select
        profiles.*,
        zone_slots.local_at,
        zone_slots.starts_at,
        holidays.holiday_date,
        {{ day_class("zone_slots.local_at", "holidays.holiday_date") }} as day_class,
        extract(hour from zone_slots.local_at)::integer as local_hour
    from profiles
    inner join zone_slots on profiles.time_zone = zone_slots.time_zone
    left join holidays
        on profiles.country = holidays.country and zone_slots.local_at::date = holidays.holiday_date
),

rules as (
    select
        *,
        {{ rule_windows("parameters") }} as allowed_windows
    from {{ ref("int_sales_rules_usable") }}
    where rule_type = 'calling_hours'
),

judged as (
    select
        slots.campaign_id,
        slots.region,
        slots.country,
        slots.time_zone,
        slots.local_at,
        slots.starts_at,
        slots.day_class,
        slots.local_hour,
        bool_and(
            not (rules.parameters -> 'holidays' = 'false'::jsonb and slots.holiday_date is not null)
            and exists (
                select 1
                from jsonb_array_elements(rules.allowed_windows) as windows (value)
                where {{ within_window("slots.local_at", "rules.parameters", "windows.value") }}
            )
        ) filter (where rules.rule_id is not null) as is_allowed
    from slots
    left join rules
        on
            slots.starts_at >= rules.in_force_from
            and slots.starts_at < rules.in_force_to
            and (rules.campaign_id is null or slots.campaign_id = rules.campaign_id)
            and (rules.region is null or slots.region = rules.region)
    group by
        slots.campaign_id,
        slots.region,
        slots.country,
        slots.time_zone,
        slots.local_at,
        slots.starts_at,
        slots.day_class,
        slots.local_hour
)

select
    campaign_id,
    region,
    country,
    time_zone,
    local_at,
    starts_at,
    day_class,
    local_hour
from judged
where
    coalesce(
        is_allowed,
        local_hour >= {{ next_action_setting("default_from_hour") }}
        and local_hour < {{ next_action_setting("default_to_hour") }}
    )
