-- One row a segment, class of day and local hour, of all 24: the share of attempts that were answered, pulled towards
-- the centre's share in that hour, and that towards the centre's share at all (Beta priors; seed next_action_settings).
with counted as (
    select
        coalesce(customers.segment, '') as segment,
        hours.day_class,
        hours.local_hour,
        sum(hours.attempts) as attempts,
        sum(hours.answered) as answered
    from {{ ref("int_answer_hours_counted") }} as hours
    inner join {{ ref("int_customers_located") }} as customers
        on hours.customer_id = customers.customer_id and customers.is_current
    group by coalesce(customers.segment, ''), hours.day_class, hours.local_hour
),

centre as (
    select
        sum(attempts) as attempts,
        ({{ ratio("sum(answered)", "sum(attempts)") }})::numeric as answer_ratio
    from counted
),

centre_hours as (
    select
        classes.day_class,
        hours.local_hour::integer as local_hour,
        coalesce(sum(counted.attempts), 0) as attempts,
        coalesce(sum(counted.answered), 0) as answered
    from (values ('workday'), ('day_off')) as classes (day_class)
    cross join generate_series(0, 23) as hours (local_hour)
    left join counted
        on classes.day_class = counted.day_class and hours.local_hour = counted.local_hour
    group by classes.day_class, hours.local_hour
),

segments as (
    select distinct coalesce(segment, '') as segment
    from {{ ref("int_customers_located") }}
    where is_current
),

joined as (
    select
        segments.segment,
        centre_hours.day_class,
        centre_hours.local_hour,
        centre_hours.attempts as centre_attempts,
        coalesce(counted.attempts, 0) as attempts,
        coalesce(counted.answered, 0) as answered,
        {{ beta_mean(
            "centre_hours.answered", "centre_hours.attempts", "centre.answer_ratio",
            next_action_setting("segment_prior_strength")
        ) }} as centre_ratio
    from segments
    cross join centre_hours
    cross join centre
    left join counted
        on
            segments.segment = counted.segment
            and centre_hours.day_class = counted.day_class
            and centre_hours.local_hour = counted.local_hour
)

select
    segment,
    day_class,
    local_hour,
    centre_attempts::integer as centre_attempts,
    attempts::integer as attempts,
    answered::integer as answered,
    round(
        {{ beta_mean("answered", "attempts", "centre_ratio", next_action_setting("segment_prior_strength")) }}, 6
    ) as answer_ratio
from joined
