with hours as (
    select
        line_id,
        line_group,
        call_date,
        extract(hour from started_at at time zone {{ business_time_zone() }})::integer as hour_of_day,
        count(*) as attempts,
        count(*) filter (where is_answered) as answered,
        count(*) filter (where is_connected) as connected
    from {{ ref("int_calls_reconciled") }}
    where direction = 'outbound' and line_id is not null
    group by line_id, line_group, call_date, extract(hour from started_at at time zone {{ business_time_zone() }})
),

days as (
    select
        line_id,
        max(line_group) as line_group,
        call_date,
        sum(attempts)::integer as attempts,
        sum(answered)::integer as answered,
        sum(connected)::integer as connected
    from hours
    group by line_id, call_date
),

baselines as (
    select
        days.line_id,
        days.call_date,
        sum(earlier.attempts)::integer as baseline_attempts,
        sum(earlier.connected)::integer as baseline_connected
    from days
    inner join days as earlier
        on
            days.line_id = earlier.line_id
            and days.call_date > earlier.call_date
            and days.call_date - {{ var("line_baseline_days", 28) }} <= earlier.call_date
    group by days.line_id, days.call_date
),

group_hours as (
    select
        line_group,
        call_date,
        hour_of_day,
        sum(attempts) as attempts,
        sum(connected) as connected
    from hours
    where line_group is not null
    group by line_group, call_date, hour_of_day
),

-- What the other lines of the group would have connected with this line's attempts, hour by hour.
expectations as (
    select
        hours.line_id,
        hours.call_date,
        sum(hours.attempts)::integer as compared_attempts,
        sum(hours.connected)::integer as compared_connected,
        sum(
            hours.attempts * (group_hours.connected - hours.connected)::double precision
            / (group_hours.attempts - hours.attempts)
        ) as expected_connected
    from hours
    inner join group_hours
        on
            hours.line_group = group_hours.line_group
            and hours.call_date = group_hours.call_date
            and hours.hour_of_day = group_hours.hour_of_day
            and hours.attempts < group_hours.attempts
    group by hours.line_id, hours.call_date
),

marks as (
    select distinct on (days.line_id, days.call_date, marks.marker)
        days.line_id,
        days.call_date,
        marks.marker,
        marks.marked_as,
        marks.observed_at
    from days
    inner join {{ ref("stg_callmart__lines_versions") }} as lines on days.line_id = lines.line_id
    inner join {{ ref("stg_callmart__number_marks") }} as marks
        on
            lines.number = marks.number
            and days.call_date >= {{ business_date("marks.observed_at") }}
    order by days.line_id asc, days.call_date asc, marks.marker asc, marks.observed_at desc
),

standing_marks as (
    select
        line_id,
        call_date,
        count(*) filter (where marked_as <> 'clean')::integer as bad_marks,
        jsonb_agg(
            jsonb_build_object('marker', marker, 'marked_as', marked_as, 'observed_at', observed_at)
            order by observed_at, marker
        ) as marks
    from marks
    group by line_id, call_date
),

judged as (
    select
        days.line_id,
        days.line_group,
        days.call_date,
        days.attempts,
        days.answered,
        days.connected,
        baselines.baseline_attempts,
        baselines.baseline_connected,
        expectations.compared_attempts,
        expectations.compared_connected,
        expectations.expected_connected,
        standing_marks.marks,
        {{ ratio("days.answered", "days.attempts") }} as answer_seizure_ratio,
        {{ ratio("days.connected", "days.attempts") }} as connection_ratio,
        {{ wilson("days.connected", "days.attempts", "lower") }} as connection_ratio_lower,
        {{ wilson("days.connected", "days.attempts", "upper") }} as connection_ratio_upper,
        {{ ratio("baselines.baseline_connected", "baselines.baseline_attempts") }} as baseline_connection_ratio,
        {{ ratio("expectations.expected_connected", "expectations.compared_attempts") }}
            as group_expected_connection_ratio,
        {{ wilson("expectations.compared_connected", "expectations.compared_attempts", "upper") }}
            as compared_ratio_upper,
        coalesce(standing_marks.bad_marks, 0) as bad_marks
    from days
    left join baselines on days.line_id = baselines.line_id and days.call_date = baselines.call_date
    left join expectations on days.line_id = expectations.line_id and days.call_date = expectations.call_date
    left join standing_marks on days.line_id = standing_marks.line_id and days.call_date = standing_marks.call_date
)

select
    line_id,
    call_date,
    line_group,
    attempts,
    answered,
    connected,
    answer_seizure_ratio,
    connection_ratio,
    connection_ratio_lower,
    connection_ratio_upper,
    coalesce(baseline_attempts, 0) as baseline_attempts,
    coalesce(baseline_connected, 0) as baseline_connected,
    baseline_connection_ratio,
    coalesce(compared_attempts, 0) as group_compared_attempts,
    expected_connected as group_expected_connected,
    group_expected_connection_ratio,
    bad_marks,
    coalesce(marks, '[]'::jsonb) as marks,
    attempts >= {{ var("line_minimum_attempts", 30) }} as has_enough_attempts,
    bad_marks > 0
    or (
        attempts >= {{ var("line_minimum_attempts", 30) }}
        and coalesce(connection_ratio_upper < baseline_connection_ratio, false)
        and coalesce(compared_ratio_upper < group_expected_connection_ratio, true)
    ) as is_suspected_flagged,
    case
        when bad_marks > 0 then 'marked'
        when attempts < {{ var("line_minimum_attempts", 30) }} then 'too_few_attempts'
        when baseline_connection_ratio is null then 'no_baseline'
        when connection_ratio_upper >= baseline_connection_ratio then 'within_baseline'
        when compared_ratio_upper >= group_expected_connection_ratio then 'whole_group_fell'
        else 'below_baseline'
    end as verdict
from judged
order by call_date, line_id
