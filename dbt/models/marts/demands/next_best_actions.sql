-- Of all that is called for (next_actions), what goes first; a call only where and when it may be made.
with others as (
    select
        subject_id,
        string_agg(action_code, ', ' order by action_number) as action_codes
    from {{ ref("next_actions") }}
    where action_number > 1
    group by subject_id
),

chosen as (
    select
        actions.*,
        customers.region,
        customers.country,
        customers.time_zone,
        customers.campaign_id,
        customers.blocked_by,
        customers.earliest_at,
        others.action_codes as other_action_codes
    from {{ ref("next_actions") }} as actions
    inner join {{ ref("int_customers_contactable") }} as customers on actions.customer_id = customers.customer_id
    left join others on actions.subject_id = others.subject_id
    where actions.action_number = 1
),

-- The first allowed moment from the agreed time on.
first_allowed as (
    select
        chosen.subject_id,
        min(slots.starts_at) as starts_at
    from chosen
    inner join {{ ref("int_call_slots_allowed") }} as slots
        on
            chosen.time_zone = slots.time_zone
            and chosen.country is not distinct from slots.country
            and chosen.region is not distinct from slots.region
            and chosen.campaign_id is not distinct from slots.campaign_id
            and chosen.earliest_at <= slots.starts_at
            and coalesce(chosen.wanted_from <= slots.starts_at, true)
    where chosen.when_to_call in ('at_once', 'as_agreed') and chosen.blocked_by is null
    group by chosen.subject_id
)

select
    chosen.subject_id,
    chosen.customer_id,
    chosen.demand_id,
    chosen.action_code,
    chosen.action_en,
    chosen.action_zh,
    chosen.priority,
    chosen.reason_en,
    chosen.reason_zh,
    chosen.triggered_at,
    chosen.call_id,
    chosen.place_ms,
    chosen.quote,
    chosen.due_at,
    coalesce(chosen.due_at < seen.as_of, false) as is_overdue,
    demands.expected_value,
    demands.currency,
    demands.owner_agent_id,
    chosen.other_action_codes,
    chosen.blocked_by is null and times.customer_id is not null as may_be_called,
    coalesce(chosen.blocked_by, case when times.customer_id is null then 'no_allowed_time' end) as call_blocked_by,
    case
        when chosen.when_to_call = 'best_hour' then times.best_call_at
        else first_allowed.starts_at
    end as suggested_call_at,
    times.best_call_at,
    chosen.time_zone as customer_time_zone,
    times.best_day_class,
    times.best_hour_from::integer as best_hour_from,
    times.best_hour_to::integer as best_hour_to,
    times.answer_ratio::double precision as answer_ratio,
    times.own_answered::integer as own_answered,
    times.own_attempts::integer as own_attempts,
    times.segment_answered::integer as segment_answered,
    times.segment_attempts::integer as segment_attempts,
    times.rests_on,
    case times.best_day_class when 'workday' then 'On workdays ' else 'On days off ' end
    || lpad(times.best_hour_from::text, 2, '0') || ':00 to ' || lpad(times.best_hour_to::text, 2, '0') || ':00 ('
    || chosen.time_zone || '): answered '
    || case times.rests_on
        when 'own'
            then
                times.own_answered || ' of ' || times.own_attempts || ' own attempts, in the segment '
                || times.segment_answered || ' of ' || times.segment_attempts
        when 'segment'
            then
                'in the segment ' || times.segment_answered || ' of ' || times.segment_attempts
                || ' attempts, no own ones'
        when 'centre_hour' then 'elsewhere in the centre at this hour, nothing own or of the segment'
        when 'centre' then 'in the centre at other hours, nothing known of this one'
        else 'nowhere yet'
    end as best_time_en,
    case times.best_day_class when 'workday' then '工作日 ' else '休息日 ' end
    || lpad(times.best_hour_from::text, 2, '0') || ':00–' || lpad(times.best_hour_to::text, 2, '0') || ':00（'
    || chosen.time_zone || '）：'
    || case times.rests_on
        when 'own'
            then
                '本人 ' || times.own_attempts || ' 次拨打接通 ' || times.own_answered || ' 次，同类客户 '
                || times.segment_attempts || ' 次接通 ' || times.segment_answered || ' 次'
        when 'segment'
            then
                '本人无记录，同类客户 ' || times.segment_attempts || ' 次接通 ' || times.segment_answered || ' 次'
        when 'centre_hour' then '本人及同类客户无记录，依据全中心该时段'
        when 'centre' then '该时段无记录，依据全中心总体'
        else '尚无任何记录'
    end as best_time_zh,
    seen.as_of as as_of_at
from chosen
cross join {{ ref("int_as_of") }} as seen
left join {{ ref("customer_demands") }} as demands on chosen.demand_id = demands.demand_id
left join first_allowed on chosen.subject_id = first_allowed.subject_id
left join {{ ref("int_call_times_proposed") }} as times on chosen.customer_id = times.customer_id
