select
    follow_ups.rule_id,
    follow_ups.promise_id,
    follow_ups.status,
    follow_ups.origin,
    follow_ups.customer_id,
    follow_ups.call_id,
    follow_ups.demand_id,
    follow_ups.campaign_id,
    calls.agent_id,
    follow_ups.promised_at,
    follow_ups.heard_ms,
    follow_ups.due_at,
    case when follow_ups.status = 'pending' then {{ seconds_between("seen.as_of", "follow_ups.due_at") }} end
        as seconds_left,
    follow_ups.next_attempt_call_id,
    follow_ups.next_attempt_at,
    {{ seconds_between("follow_ups.promised_at", "follow_ups.next_attempt_at") }} as seconds_to_attempt
from {{ ref("int_follow_ups_judged") }} as follow_ups
cross join {{ ref("int_as_of") }} as seen
left join {{ ref("int_calls_reconciled") }} as calls on follow_ups.call_id = calls.call_id
order by follow_ups.due_at, follow_ups.rule_id, follow_ups.promise_id
