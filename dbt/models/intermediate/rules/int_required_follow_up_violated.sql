-- A promise after which no attempt followed within the hours, once they are over.
select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    due_at as violated_at,
    jsonb_strip_nulls(jsonb_build_object(
        'origin', origin,
        'promised_at', promised_at,
        'demand_id', demand_id,
        'within_hours', within_hours,
        'next_attempt_at', next_attempt_at
    )) as detail
from {{ ref("int_follow_ups_judged") }}
where status = 'broken'
