-- Attempts outside every window of the rule in the customer's own zone, or on a public holiday it bars.
with holidays as (
    select
        country,
        holiday_date,
        string_agg(name, ', ' order by name) as name
    from {{ ref("public_holidays") }}
    group by country, holiday_date
),

judged as (
    select
        rules.rule_id,
        rules.rule_type,
        rules.rule_version,
        rules.effective_from,
        rules.severity,
        rules.parameters,
        calls.call_id,
        calls.customer_id,
        calls.campaign_id,
        calls.started_at,
        calls.customer_local_started_at,
        calls.customer_time_zone,
        calls.customer_time_zone_origin,
        holidays.name as holiday_name,
        {{ rule_windows("rules.parameters") }} as allowed_windows
    from {{ ref("int_sales_rules_usable") }} as rules
    inner join {{ ref("int_calls_reconciled") }} as calls
        on {{ rule_covers_call("rules", "calls") }}
    left join holidays
        on
            calls.customer_country = holidays.country
            and calls.customer_local_started_at::date = holidays.holiday_date
    where rules.rule_type = 'calling_hours' and calls.direction = 'outbound'
),

windows as (
    select
        judged.rule_id,
        judged.call_id,
        bool_or(
            {{ within_window("judged.customer_local_started_at", "judged.parameters", "windows.value") }}
        ) as is_inside
    from judged
    cross join lateral jsonb_array_elements(judged.allowed_windows) as windows (value)
    group by judged.rule_id, judged.call_id
)

select
    judged.rule_id,
    judged.rule_type,
    judged.rule_version,
    judged.effective_from,
    judged.severity,
    judged.call_id,
    judged.customer_id,
    judged.campaign_id,
    judged.started_at as violated_at,
    jsonb_strip_nulls(jsonb_build_object(
        'local_started_at', judged.customer_local_started_at,
        'time_zone', judged.customer_time_zone,
        'time_zone_origin', judged.customer_time_zone_origin,
        'holiday', case when judged.parameters -> 'holidays' = 'false'::jsonb then judged.holiday_name end,
        'is_inside_window', windows.is_inside
    )) as detail
from judged
left join windows on judged.rule_id = windows.rule_id and judged.call_id = windows.call_id
where
    windows.is_inside is not true
    or (judged.parameters -> 'holidays' = 'false'::jsonb and judged.holiday_name is not null)
