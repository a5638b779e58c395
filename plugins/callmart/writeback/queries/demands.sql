-- What the CRM is told of each demand: what was heard, the stage it shows, what to do next and when.
select
    demands.demand_id as record_id,
    demands.demand_id,
    demands.customer_id,
    demands.stage as crm_stage,
    heard.stage as proposed_stage,
    coalesce(heard.quote, demands.contradiction_quote) as proposed_stage_quote,
    coalesce(heard.call_id, demands.contradiction_call_id) as proposed_stage_call_id,
    coalesce(heard.start_ms, demands.contradiction_start_ms) as proposed_stage_ms,
    demands.is_contradicted,
    demands.contradiction_en,
    demands.contradiction_zh,
    demands.signal_count,
    demands.last_signal_at,
    demands.signals,
    actions.action_code as next_action,
    actions.action_en as next_action_en,
    actions.action_zh as next_action_zh,
    actions.reason_en as next_action_reason_en,
    actions.reason_zh as next_action_reason_zh,
    actions.due_at as next_action_due_at,
    actions.suggested_call_at as call_at,
    actions.best_time_en,
    actions.best_time_zh,
    actions.may_be_called,
    actions.call_blocked_by,
    actions.as_of_at as _as_of
from marts.customer_demands as demands
left join marts.next_best_actions as actions on demands.demand_id = actions.demand_id
left join lateral (
    select history.*
    from marts.customer_demand_history as history
    where history.demand_id = demands.demand_id and history.source = 'call' and history.is_current
    order by history.entered_at desc, history.stage_number desc
    limit 1
) as heard on true
