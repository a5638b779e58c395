-- What a customer asked for or a call showed, to be entered in the CRM once: not to be called again; a wrong number.
select
    'do_not_call/' || requests.call_id as record_id,
    'do_not_call' as request,
    requests.customer_id,
    null as demand_id,
    requests.requested_at,
    requests.call_id,
    requests.start_ms as place_ms,
    requests.quote,
    requests.reason_en,
    requests.reason_zh
from marts.do_not_call_requests as requests
where requests.customer_id is not null
union all
select
    'wrong_number/' || actions.subject_id || '/' || coalesce(actions.call_id, '') as record_id,
    'wrong_number' as request,
    actions.customer_id,
    actions.demand_id,
    actions.triggered_at as requested_at,
    actions.call_id,
    actions.place_ms,
    actions.quote,
    actions.reason_en,
    actions.reason_zh
from marts.next_actions as actions
where actions.action_code = 'check_number'
