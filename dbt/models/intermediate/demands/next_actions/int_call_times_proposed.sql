-- One row a customer who may be called: the allowed half hour in which most attempts are answered, the earliest of
-- equals. The share is the customer's own of that hour and class of day, pulled towards the segment's (Beta prior; seed
-- next_action_settings). The hours in which the last attempts were in vain are taken only where no other is allowed.
with proposed as (
    select
        customers.customer_id,
        customers.hours_in_vain,
        slots.starts_at,
        slots.day_class,
        slots.local_hour,
        coalesce(own.attempts, 0) as own_attempts,
        coalesce(own.answered, 0) as own_answered,
        segments.attempts as segment_attempts,
        segments.answered as segment_answered,
        segments.centre_attempts,
        round(
            {{ beta_mean(
                "coalesce(own.answered, 0)", "coalesce(own.attempts, 0)", "segments.answer_ratio",
                next_action_setting("own_prior_strength")
            ) }},
            6
        ) as answer_ratio
    from {{ ref("int_customers_contactable") }} as customers
    inner join {{ ref("int_call_slots_allowed") }} as slots
        on
            customers.time_zone = slots.time_zone
            and customers.country is not distinct from slots.country
            and customers.region is not distinct from slots.region
            and customers.campaign_id is not distinct from slots.campaign_id
            and customers.earliest_at <= slots.starts_at
    left join {{ ref("int_segment_hours_shrunk") }} as segments
        on
            customers.segment = segments.segment
            and slots.day_class = segments.day_class
            and slots.local_hour = segments.local_hour
    left join {{ ref("int_answer_hours_counted") }} as own
        on
            customers.customer_id = own.customer_id
            and slots.day_class = own.day_class
            and slots.local_hour = own.local_hour
    where customers.blocked_by is null
)

select distinct on (customer_id)
    customer_id,
    starts_at as best_call_at,
    day_class as best_day_class,
    local_hour as best_hour_from,
    local_hour + 1 as best_hour_to,
    answer_ratio,
    own_attempts,
    own_answered,
    segment_attempts,
    segment_answered,
    case
        when own_attempts > 0 then 'own'
        when segment_attempts > 0 then 'segment'
        when centre_attempts > 0 then 'centre_hour'
        when answer_ratio is not null then 'centre'
        else 'nothing'
    end as rests_on
from proposed
order by
    customer_id asc,
    (hours_in_vain @> to_jsonb(local_hour)) asc,
    answer_ratio desc nulls last,
    starts_at asc
