select
    call_date,
    coalesce(line_id, '') as line_id,
    (array_agg(line_group order by started_at desc, call_id desc))[1] as line_group,
    (array_agg(line_mode order by started_at desc, call_id desc))[1] as line_mode,
    count(*)::integer as callers,
    count(*) filter (where is_person_reached)::integer as reached_person,
    {{ ratio("count(*) filter (where is_person_reached)", "count(*)") }} as reached_person_ratio,
    {{ wilson("count(*) filter (where is_person_reached)", "count(*)", "lower") }} as reached_person_ratio_lower,
    {{ wilson("count(*) filter (where is_person_reached)", "count(*)", "upper") }} as reached_person_ratio_upper,
    percentile_cont(0.5) within group (order by seconds_to_person) as seconds_to_person_median,
    percentile_cont(0.95) within group (order by seconds_to_person) as seconds_to_person_p95,
    percentile_cont(0.5) within group (order by queue_wait_seconds) as queue_wait_seconds_median,
    count(*) filter (where fate = 'lost')::integer as lost,
    count(*) filter (where lost_at = 'ringing')::integer as lost_ringing,
    count(*) filter (where lost_at = 'ivr')::integer as lost_in_ivr,
    count(*) filter (where lost_at in ('queue', 'overflow'))::integer as lost_in_queue,
    count(*) filter (where lost_at not in ('ringing', 'ivr', 'queue', 'overflow'))::integer as lost_elsewhere,
    count(*) filter (where is_short_abandon)::integer as short_abandons,
    count(*) filter (where fate = 'voicemail')::integer as left_voicemail,
    count(*) filter (where fate = 'callback')::integer as asked_for_callback,
    count(*) filter (where not is_person_reached and called_back_at is not null)::integer as called_back,
    count(*) filter (where overflow_steps > 0)::integer as overflowed,
    count(*) filter (where transfers > 0)::integer as transferred,
    count(*) filter (where is_callback)::integer as callbacks_of_attempts
from {{ ref("caller_routes") }}
group by call_date, line_id
order by call_date, line_id
