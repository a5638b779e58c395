-- Two years before the first call or demand, two years after the as-of day: reports look back and plan ahead.
{%- set moved = "substituted from ([0-9]{2}/[0-9]{2}/[0-9]{4})" %}
with edges as (
    select
        least(
            (select min(call_date) from {{ ref("int_calls_reconciled") }}),
            (select {{ business_date("min(created_at)") }} from {{ ref("int_demand_versions_ordered") }})
        ) as first_date,
        (select as_of_date from {{ ref("int_as_of") }}) as last_date
),

days as (
    select day::date as calendar_date
    from edges
    cross join
        lateral generate_series(
            (least(first_date, last_date) - interval '2 years')::timestamp,
            (greatest(first_date, last_date) + interval '2 years')::timestamp,
            interval '1 day'
        ) as series (day)
),

holidays as (
    select
        holiday_date,
        name as delivered_name,
        name like 'Alternative holiday for %' or name like '%(observed)' or name ~ '{{ moved }}' as is_moved,
        -- One day can be two holidays: "Buddha's Birthday; Children's Day".
        string_to_array(
            regexp_replace(
                replace(name, 'Alternative holiday for ', ''), ' \((observed|substituted from [^)]*)\)', '', 'g'
            ),
            '; '
        ) as names
    from {{ ref("public_holidays") }}
    where country = {{ business_country() }}
),

named as (
    select
        holidays.holiday_date,
        bool_or(holidays.is_moved) as is_moved,
        string_agg(distinct holidays.delivered_name, '; ') as holiday_name_en,
        string_agg(coalesce(labels.name_zh, parts.name_en), '、' order by parts.place, parts.name_en)
        || case
            when bool_or(holidays.is_moved) and not 'Day off' = any(array_agg(parts.name_en)) then '（补休）' else ''
        end as holiday_name_zh
    from holidays
    cross join lateral unnest(holidays.names) with ordinality as parts (name_en, place)
    left join {{ ref("holiday_labels") }} as labels on parts.name_en = labels.name_en
    group by holidays.holiday_date
),

-- The law gives a day off between holiday and weekend and takes a day of another weekend for it.
make_up_days as (
    select distinct to_date(substring(delivered_name from '{{ moved }}'), 'MM/DD/YYYY') as worked_date
    from holidays
    where delivered_name ~ '{{ moved }}'
),

known_years as (
    select distinct extract(year from holiday_date) as holiday_year
    from holidays
),

classified as (
    select
        days.calendar_date,
        extract(isodow from days.calendar_date)::integer as iso_weekday,
        known_years.holiday_year is not null as are_holidays_known,
        case when known_years.holiday_year is not null then named.holiday_date is not null end as is_public_holiday,
        coalesce(named.is_moved, false) as is_moved_holiday,
        make_up_days.worked_date is not null as is_make_up_workday,
        named.holiday_name_en,
        named.holiday_name_zh,
        make_up_days.worked_date is not null
        or (extract(isodow from days.calendar_date) < 6 and named.holiday_date is null) as is_business_day
    from days
    left join known_years on extract(year from days.calendar_date) = known_years.holiday_year
    left join named on days.calendar_date = named.holiday_date
    left join make_up_days on days.calendar_date = make_up_days.worked_date
)

select
    calendar_date,
    extract(isoyear from calendar_date)::integer as iso_year,
    extract(week from calendar_date)::integer as iso_week,
    to_char(calendar_date, 'IYYY"-W"IW') as iso_week_name,
    date_trunc('week', calendar_date)::date as week_date,
    extract(year from calendar_date)::integer as calendar_year,
    extract(quarter from calendar_date)::integer as calendar_quarter,
    extract(month from calendar_date)::integer as calendar_month,
    to_char(calendar_date, 'YYYY-MM') as month_name,
    date_trunc('month', calendar_date)::date as month_date,
    extract(day from calendar_date)::integer as day_of_month,
    extract(doy from calendar_date)::integer as day_of_year,
    iso_weekday,
    to_char(calendar_date, 'FMDay') as weekday_en,
    '星期' || substring('一二三四五六日' from iso_weekday for 1) as weekday_zh,
    iso_weekday >= 6 as is_weekend,
    are_holidays_known,
    is_public_holiday,
    is_moved_holiday,
    is_make_up_workday,
    holiday_name_en,
    holiday_name_zh,
    is_business_day,
    count(*) filter (where is_business_day) over (
        partition by date_trunc('month', calendar_date) order by calendar_date
    )::integer as business_day_of_month,
    calendar_date - 7 as previous_same_weekday_date,
    lag(calendar_date) over (
        partition by iso_weekday, is_business_day order by calendar_date
    ) as previous_comparable_date,
    max(calendar_date) filter (where is_business_day) over (
        order by calendar_date rows between unbounded preceding and 1 preceding
    ) as previous_business_date,
    calendar_date - 364 as same_weekday_last_year_date
from classified
