with hours as (
    select
        line_id,
        call_date,
        extract(hour from started_at at time zone {{ business_time_zone() }})::integer as hour_of_day,
        max(line_group) as line_group,
        max(started_at) as last_started_at,
        count(*) as attempts,
        count(*) filter (where is_answered) as answered,
        count(*) filter (where is_connected) as connected
    from {{ ref("int_calls_reconciled") }}
    where direction = 'outbound' and line_id is not null
    group by line_id, call_date, extract(hour from started_at at time zone {{ business_time_zone() }})
),

days as (
    select
        line_id,
        call_date,
        max(line_group) as line_group,
        max(last_started_at) as last_started_at,
        sum(attempts) as attempts,
        sum(answered) as answered,
        sum(connected) as connected
    from hours
    group by line_id, call_date
),

-- The line's own days before, in all hours and in the same hour of the day.
baselines as (
    select
        line_id,
        call_date,
        sum(attempts) over before as baseline_attempts,
        sum(connected) over before as baseline_connected,
        count(*) over before as baseline_days,
        sum(connected::double precision ^ 2 / attempts) over before as baseline_squares
    from days
    window
        before as (
            partition by line_id
            order by call_date
            range between interval '{{ var("line_baseline_days", 28) }} days' preceding and interval '1 day' preceding
        )
),

-- How much wider than by chance the ratios of a line's days scatter (index of dispersion), as the median over the
-- lines: one that fell lately cannot hide behind its own fall. Days differ in more than luck: lists, agents.
scatter as (
    select
        call_date,
        greatest(
            1,
            percentile_cont(0.5) within group (
                order by
                    (baseline_squares - baseline_connected ^ 2 / baseline_attempts)
                    / (
                        (baseline_connected / baseline_attempts) * (1 - baseline_connected / baseline_attempts)
                        * (baseline_days - 1)
                    )
            )
        ) as dispersion
    from baselines
    where baseline_days >= 7 and baseline_connected between 1 and baseline_attempts - 1
    group by call_date
),

-- What the group did in the same hour of the same day, this line included. A line without a group has no peers.
compared_hours as (
    select
        line_id,
        call_date,
        hour_of_day,
        line_group,
        attempts,
        connected,
        sum(attempts) over before as own_attempts,
        sum(connected) over before as own_connected,
        sum(attempts) over recent as recent_attempts,
        sum(connected) over recent as recent_connected,
        sum(attempts) over before_recent as recent_own_attempts,
        sum(connected) over before_recent as recent_own_connected,
        sum(attempts) over peers - attempts as peer_attempts,
        sum(connected) over peers - connected as peer_connected,
        sum(attempts) over the_day - attempts as attempts_before,
        sum(attempts) over (partition by line_id, call_date) as attempts_of_day
    from hours
    window
        before as (
            partition by line_id, hour_of_day
            order by call_date
            range between interval '{{ var("line_baseline_days", 28) }} days' preceding and interval '1 day' preceding
        ),
        recent as (
            partition by line_id, hour_of_day
            order by call_date
            range between interval '{{ (var("line_recent_days", 3) | int) - 1 }} days' preceding and current row
        ),
        before_recent as (
            partition by line_id, hour_of_day
            order by call_date
            range between
            interval '{{ var("line_baseline_days", 28) | int + var("line_recent_days", 3) | int - 1 }} days' preceding
            and interval '{{ var("line_recent_days", 3) }} days' preceding
        ),
        peers as (partition by coalesce(line_group, 'line ' || line_id), call_date, hour_of_day),
        the_day as (partition by line_id, call_date order by hour_of_day)
),

-- Hour by hour what the line's attempts would have connected as on its days before, and as its peers did.
expected_hours as (
    select
        hours.*,
        baselines.baseline_attempts,
        baselines.baseline_connected,
        case
            when hours.own_attempts > 0
                then {{ alike_expected(
                    "hours.attempts", "hours.connected", "hours.own_attempts", "hours.own_connected"
                ) }}
        end as own_alike,
        {{ alike_variance("hours.attempts", "hours.connected", "hours.own_attempts", "hours.own_connected") }}
            as own_variance,
        case
            when hours.recent_own_attempts > 0
                then {{ alike_expected(
                    "hours.recent_attempts", "hours.recent_connected",
                    "hours.recent_own_attempts", "hours.recent_own_connected"
                ) }}
        end as recent_alike,
        {{ alike_variance(
            "hours.recent_attempts", "hours.recent_connected", "hours.recent_own_attempts", "hours.recent_own_connected"
        ) }} as recent_variance,
        case
            when hours.peer_attempts > 0
                then {{ alike_expected(
                    "hours.attempts", "hours.connected", "hours.peer_attempts", "hours.peer_connected"
                ) }}
        end as peer_alike,
        {{ alike_variance("hours.attempts", "hours.connected", "hours.peer_attempts", "hours.peer_connected") }}
            as peer_variance,
        -- The hour's own ratio, leaning on the line's ratio of all hours as on ten attempts.
        hours.attempts * (
            coalesce(hours.own_connected, 0) + 10 * (baselines.baseline_connected / baselines.baseline_attempts)
        ) / (coalesce(hours.own_attempts, 0) + 10) as expected_connected,
        hours.attempts_before * 2 >= hours.attempts_of_day as is_second_half
    from compared_hours as hours
    inner join baselines on hours.line_id = baselines.line_id and hours.call_date = baselines.call_date
),

expectations as (
    select
        line_id,
        call_date,
        sum(attempts) filter (where own_attempts > 0) as own_compared_attempts,
        sum(connected) filter (where own_attempts > 0) as own_compared_connected,
        sum(attempts * own_connected / nullif(own_attempts, 0)) as own_expected_connected,
        sum(own_alike) as own_alike,
        sum(own_variance) filter (where own_attempts > 0) as own_variance,
        sum(recent_attempts) filter (where recent_own_attempts > 0) as recent_compared_attempts,
        sum(recent_connected) filter (where recent_own_attempts > 0) as recent_compared_connected,
        sum(recent_alike) as recent_alike,
        sum(recent_variance) filter (where recent_own_attempts > 0) as recent_variance,
        sum(attempts) filter (where peer_attempts > 0) as peer_compared_attempts,
        sum(connected) filter (where peer_attempts > 0) as peer_compared_connected,
        sum(attempts * peer_connected / nullif(peer_attempts, 0)) as peer_expected_connected,
        sum(peer_alike) as peer_alike,
        sum(peer_variance) filter (where peer_attempts > 0) as peer_variance,
        sum(connected) filter (where peer_attempts > 0 and is_second_half) as second_half_compared_connected,
        sum(peer_alike) filter (where is_second_half) as second_half_alike,
        sum(peer_variance) filter (where peer_attempts > 0 and is_second_half) as second_half_variance,
        coalesce(sum(attempts) filter (where is_second_half), 0) as second_half_attempts,
        coalesce(sum(connected) filter (where is_second_half), 0) as second_half_connected,
        coalesce(sum(expected_connected) filter (where is_second_half), 0)
        / nullif(sum(expected_connected), 0) as second_half_share
    from expected_hours
    group by line_id, call_date
),

-- The same of the last days together: a line that is called little shows in three days what it hides in one.
recent_peers as (
    select
        line_id,
        call_date,
        sum(peer_compared_connected) over recent as compared_connected,
        sum(peer_alike) over recent as alike,
        sum(peer_variance) over recent as variance
    from expectations
    window
        recent as (
            partition by line_id
            order by call_date
            range between interval '{{ (var("line_recent_days", 3) | int) - 1 }} days' preceding and current row
        )
),

-- The number that the line had when it was last used that day, and the latest mark of each marker by then.
marks as (
    select distinct on (days.line_id, days.call_date, marks.marker)
        days.line_id,
        days.call_date,
        marks.marker,
        marks.marked_as,
        marks.observed_at
    from days
    inner join {{ ref("stg_callmart__lines_versions") }} as lines
        on
            days.line_id = lines.line_id
            and days.last_started_at >= lines.valid_from
            and days.last_started_at < lines.valid_to
    inner join {{ ref("stg_callmart__number_marks") }} as marks
        on
            lines.number = marks.number
            and days.call_date >= {{ business_date("marks.observed_at") }}
    order by days.line_id asc, days.call_date asc, marks.marker asc, marks.observed_at desc, marks.marked_as asc
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

complaints as (
    select
        calls.line_id,
        calls.call_date,
        {{ business_date("complaints.received_at") }} as received_date
    from {{ ref("stg_callmart__complaints") }} as complaints
    inner join {{ ref("int_calls_reconciled") }} as calls on complaints.call_id = calls.call_id
    where calls.line_id is not null
),

complaints_of_days as (
    select
        days.line_id,
        days.call_date,
        count(*) filter (where complaints.call_date = days.call_date)::integer as complaints_about_calls,
        count(*) filter (
            where
            complaints.received_date <= days.call_date
            and complaints.received_date > days.call_date - {{ var("line_baseline_days", 28) }}
        )::integer as complaints_received_28_days
    from days
    inner join complaints on days.line_id = complaints.line_id
    group by days.line_id, days.call_date
),

measured as (
    select
        days.line_id,
        days.line_group,
        days.call_date,
        days.attempts::integer as attempts,
        days.answered::integer as answered,
        days.connected::integer as connected,
        coalesce(baselines.baseline_attempts, 0)::integer as baseline_attempts,
        coalesce(baselines.baseline_connected, 0)::integer as baseline_connected,
        coalesce(expectations.own_compared_attempts, 0)::integer as own_compared_attempts,
        expectations.own_expected_connected::double precision as own_expected_connected,
        coalesce(expectations.peer_compared_attempts, 0)::integer as peer_compared_attempts,
        expectations.peer_expected_connected::double precision as peer_expected_connected,
        expectations.second_half_attempts::integer as second_half_attempts,
        expectations.second_half_connected::integer as second_half_connected,
        (days.connected * expectations.second_half_share)::double precision as second_half_expected_connected,
        coalesce(expectations.recent_compared_attempts, 0)::integer as recent_compared_attempts,
        expectations.recent_compared_connected::integer as recent_compared_connected,
        coalesce(scatter.dispersion, 1)::double precision as dispersion,
        coalesce(standing_marks.bad_marks, 0) as bad_marks,
        coalesce(standing_marks.marks, '[]'::jsonb) as marks,
        coalesce(complaints_of_days.complaints_about_calls, 0) as complaints_about_calls,
        coalesce(complaints_of_days.complaints_received_28_days, 0) as complaints_received_28_days,
        days.attempts >= {{ var("line_minimum_attempts", 30) }} as has_enough_attempts,
        {{ p_below(
            "expectations.own_compared_connected", "expectations.own_alike", "expectations.own_variance",
            "coalesce(scatter.dispersion, 1)"
        ) }} as p_baseline,
        {{ p_below(
            "expectations.peer_compared_connected", "expectations.peer_alike", "expectations.peer_variance",
            "coalesce(scatter.dispersion, 1)"
        ) }} as p_group,
        {{ p_below(
            "expectations.recent_compared_connected", "expectations.recent_alike", "expectations.recent_variance",
            "coalesce(scatter.dispersion, 1)"
        ) }} as p_recent,
        {{ p_below(
            "recent_peers.compared_connected", "recent_peers.alike", "recent_peers.variance",
            "coalesce(scatter.dispersion, 1)"
        ) }} as p_recent_of_group,
        -- Of the day's connections each falls into the second half with that half's share of what was expected.
        {{ p_below(
            "expectations.second_half_connected",
            "days.connected * expectations.second_half_share",
            "days.connected * expectations.second_half_share * (1 - expectations.second_half_share)",
            "coalesce(scatter.dispersion, 1)"
        ) }} as p_second_half,
        {{ p_below(
            "expectations.second_half_compared_connected", "expectations.second_half_alike",
            "expectations.second_half_variance", "coalesce(scatter.dispersion, 1)"
        ) }} as p_second_half_of_group
    from days
    left join baselines on days.line_id = baselines.line_id and days.call_date = baselines.call_date
    left join expectations on days.line_id = expectations.line_id and days.call_date = expectations.call_date
    left join recent_peers on days.line_id = recent_peers.line_id and days.call_date = recent_peers.call_date
    left join scatter on days.call_date = scatter.call_date
    left join standing_marks on days.line_id = standing_marks.line_id and days.call_date = standing_marks.call_date
    left join complaints_of_days
        on days.line_id = complaints_of_days.line_id and days.call_date = complaints_of_days.call_date
),

-- A line is suspected only where it is below its own days and, where it has peers, below them too: the greater p.
-- All questions about the lines of a day are one family.
asked as (
    select
        line_id,
        call_date,
        'day' as question,
        greatest(p_baseline, p_group) as p
    from measured
    where has_enough_attempts and p_baseline is not null
    union all
    select
        line_id,
        call_date,
        'recent days' as question,
        greatest(p_recent, p_recent_of_group) as p
    from measured
    where recent_compared_attempts >= {{ var("line_minimum_attempts", 30) }} and p_recent is not null
    union all
    select
        line_id,
        call_date,
        'second half' as question,
        greatest(p_second_half, p_second_half_of_group) as p
    from measured
    where has_enough_attempts and p_second_half is not null
),

ranked as (
    select
        *,
        row_number() over (partition by call_date order by p asc, line_id asc, question asc) as p_rank,
        count(*) over (partition by call_date) as questions_of_day
    from asked
),

adjusted as (
    select
        line_id,
        call_date,
        question,
        p,
        {{ adjusted_p() }} as adjusted_p
    from ranked
),

judged as (
    select
        measured.*,
        of_day.p as p_value,
        of_day.adjusted_p,
        of_recent.adjusted_p as adjusted_p_recent,
        of_half.adjusted_p as adjusted_p_second_half,
        coalesce(
            least(of_day.adjusted_p, of_recent.adjusted_p) <= {{ var("line_false_discovery_rate", 0.05) }}, false
        ) as is_below,
        coalesce(of_half.adjusted_p <= {{ var("line_false_discovery_rate", 0.05) }}, false) as is_falling_within_day
    from measured
    left join adjusted as of_day
        on
            measured.line_id = of_day.line_id
            and measured.call_date = of_day.call_date
            and of_day.question = 'day'
    left join adjusted as of_recent
        on
            measured.line_id = of_recent.line_id
            and measured.call_date = of_recent.call_date
            and of_recent.question = 'recent days'
    left join adjusted as of_half
        on
            measured.line_id = of_half.line_id
            and measured.call_date = of_half.call_date
            and of_half.question = 'second half'
)

select
    line_id,
    call_date,
    line_group,
    attempts,
    answered,
    connected,
    {{ ratio("answered", "attempts") }} as answer_seizure_ratio,
    {{ ratio("connected", "attempts") }} as connection_ratio,
    {{ wilson("connected", "attempts", "lower") }} as connection_ratio_lower,
    {{ wilson("connected", "attempts", "upper") }} as connection_ratio_upper,
    baseline_attempts,
    baseline_connected,
    {{ ratio("baseline_connected", "baseline_attempts") }} as baseline_connection_ratio,
    own_compared_attempts as baseline_compared_attempts,
    own_expected_connected as baseline_expected_connected,
    {{ ratio("own_expected_connected", "own_compared_attempts") }} as baseline_expected_connection_ratio,
    peer_compared_attempts as group_compared_attempts,
    peer_expected_connected as group_expected_connected,
    {{ ratio("peer_expected_connected", "peer_compared_attempts") }} as group_expected_connection_ratio,
    recent_compared_attempts,
    recent_compared_connected,
    second_half_attempts,
    second_half_connected,
    second_half_expected_connected,
    dispersion,
    p_baseline,
    p_group,
    p_value,
    adjusted_p,
    adjusted_p_recent,
    adjusted_p_second_half,
    bad_marks,
    marks,
    complaints_about_calls,
    complaints_received_28_days,
    has_enough_attempts,
    is_falling_within_day,
    bad_marks > 0 or is_below or is_falling_within_day as is_suspected_flagged,
    case
        when bad_marks > 0 then 'marked'
        when is_below then 'below_baseline'
        when not has_enough_attempts then 'too_few_attempts'
        when is_falling_within_day then 'fell_within_day'
        when p_baseline is null then 'no_baseline'
        when
            p_baseline <= {{ var("line_false_discovery_rate", 0.05) }}
            and p_group > {{ var("line_false_discovery_rate", 0.05) }}
            then 'whole_group_fell'
        else 'within_baseline'
    end as verdict
from judged
order by call_date, line_id
