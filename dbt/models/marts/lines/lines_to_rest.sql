with days as (
    select
        health.*,
        seen.as_of_date,
        coalesce(
            least(health.adjusted_p, health.adjusted_p_recent, health.adjusted_p_second_half)
            <= {{ var("line_false_discovery_rate", 0.05) }},
            false
        ) as is_connecting_badly
    from {{ ref("line_health") }} as health
    cross join {{ ref("int_as_of") }} as seen
    where
        health.call_date <= seen.as_of_date
        and health.call_date > seen.as_of_date - {{ var("line_baseline_days", 28) }}
),

lines as (
    select
        line_id,
        as_of_date,
        (array_agg(line_group order by call_date desc))[1] as line_group,
        max(call_date) as last_call_date,
        sum(attempts)::integer as attempts,
        sum(connected)::integer as connected,
        sum(group_compared_attempts)::integer as group_compared_attempts,
        sum(group_expected_connected) as group_expected_connected,
        count(*) filter (where is_connecting_badly)::integer as suspected_days,
        max(call_date) filter (where is_connecting_badly) as last_suspected_date,
        (array_agg(bad_marks order by call_date desc))[1] as bad_marks,
        (array_agg(complaints_received_28_days order by call_date desc))[1] as complaints
    from days
    group by line_id, as_of_date
),

-- What two witnesses say (carriers or markers, and people who no longer pick up or complain) outlasts a rest.
advised as (
    select
        *,
        case
            when bad_marks > 0 and (suspected_days > 0 or complaints > 0) then 'retire'
            when bad_marks > 0 or last_suspected_date = last_call_date then 'rest'
            when suspected_days > 0 then 'watch'
        end as advice
    from lines
)

select
    line_id,
    as_of_date,
    line_group,
    advice,
    last_call_date,
    attempts,
    connected,
    {{ ratio("connected", "attempts") }} as connection_ratio,
    group_compared_attempts,
    group_expected_connected,
    {{ ratio("group_expected_connected", "group_compared_attempts") }} as group_expected_connection_ratio,
    suspected_days,
    last_suspected_date,
    bad_marks,
    complaints,
    row_number() over (
        order by
            array_position(array['retire', 'rest', 'watch'], advice) asc,
            suspected_days desc,
            bad_marks desc,
            complaints desc,
            line_id asc
    )::integer as place,
    concat_ws(
        '; ',
        case when bad_marks > 0 then 'marked by ' || bad_marks end,
        case
            when suspected_days > 0
                then
                    'connected too little on ' || suspected_days
                    || case when suspected_days = 1 then ' day' else ' days' end || ', last ' || last_suspected_date
        end,
        case
            when complaints > 0 then complaints || case when complaints = 1 then ' complaint' else ' complaints' end
        end
    ) as reason_en,
    concat_ws(
        '；',
        case when bad_marks > 0 then '被 ' || bad_marks || ' 方标记' end,
        case when suspected_days > 0 then suspected_days || ' 天接通异常偏低，最近 ' || last_suspected_date end,
        case when complaints > 0 then complaints || ' 起投诉' end
    ) as reason_zh
from advised
where advice is not null
order by place
