with as_of as (
    select * from {{ ref("int_as_of") }}
),

demands as (
    select * from {{ ref("int_demand_versions_ordered") }}
    where is_current and not is_deleted
),

stages as (
    select
        demand_id,
        max(entered_at) filter (where is_current) as stage_entered_at,
        bool_or(is_left_censored) filter (where is_current) as is_left_censored,
        bool_or(stage in ('won', 'lost', 'reopened')) as was_closed
    from {{ ref("int_demand_stages_sessionised") }}
    group by demand_id
),

calls as (
    select
        demands.demand_id,
        max(calls.started_at) filter (where calls.direction = 'outbound') as last_attempt_at,
        max(calls.started_at) filter (where calls.is_connected) as last_connected_at
    from demands
    inner join {{ ref("int_calls_reconciled") }} as calls on demands.customer_id = calls.customer_id
    group by demands.demand_id
),

signals as (
    select
        demand_id,
        count(*)::integer as signal_count,
        max(call_started_at) as last_signal_at,
        jsonb_agg(
            jsonb_build_object(
                'signal_id', signal_id,
                'en', signal_en,
                'zh', signal_zh,
                'quote', quote,
                'call_id', call_id,
                'start_ms', start_ms,
                'end_ms', end_ms,
                'heard_at', heard_at,
                'is_shared', is_shared
            )
            order by call_started_at, start_ms, signal_id, hit_index
        ) as signals
    from {{ ref("int_demand_signals_heard") }}
    where is_interest
    group by demand_id
)

select
    demands.demand_id,
    demands.customer_id,
    demands.product,
    demands.stage,
    stages.stage_entered_at,
    stages.is_left_censored,
    demands.expected_value,
    demands.currency,
    demands.budget,
    demands.decision_role,
    demands.need_by_date,
    {{ masked_text("demands.next_action") }} as next_action,
    demands.next_action_due_at,
    demands.owner_agent_id,
    demands.created_at,
    demands.closed_at,
    {{ masked_text("demands.close_reason") }} as close_reason,
    coalesce({{ masked_json("demands._extra") }}, '{}'::jsonb) as custom_attributes,
    demands.version_number,
    demands.updated_at as last_version_at,
    calls.last_attempt_at,
    calls.last_connected_at,
    {{ seconds_between(
        "least(greatest(demands.known_at, calls.last_connected_at), as_of.as_of)", "as_of.as_of"
    ) }} / 86400 as staleness_days,
    coalesce(
        demands.stage not in ('won', 'lost')
        and demands.next_action_due_at < as_of.as_of
        and coalesce(calls.last_attempt_at < demands.next_action_due_at, true)
        and coalesce(demands.updated_at < demands.next_action_due_at, true),
        false
    ) as is_overdue,
    coalesce(demands.stage not in ('won', 'lost', 'dormant') and stages.was_closed, false) as is_reopened,
    coalesce(signals.signal_count, 0) as signal_count,
    signals.last_signal_at,
    coalesce(signals.signals, '[]'::jsonb) as signals,
    contradictions.demand_id is not null as is_contradicted,
    contradictions.reason_en as contradiction_en,
    contradictions.reason_zh as contradiction_zh,
    contradictions.quote as contradiction_quote,
    contradictions.call_id as contradiction_call_id,
    contradictions.start_ms as contradiction_start_ms,
    'On ' || {{ moment_in_words("contradictions.heard_at", "en") }} || ' the customer said '
    || {{ quote_in_words("contradictions.quote", "contradictions.call_id", "contradictions.start_ms", "en") }}
    || ': ' || contradictions.signal_en as contradiction_said_en,
    {{ moment_in_words("contradictions.heard_at", "zh") }} || ' 客户说'
    || {{ quote_in_words("contradictions.quote", "contradictions.call_id", "contradictions.start_ms", "zh") }}
    || '：' || contradictions.signal_zh as contradiction_said_zh,
    'The CRM has it as ' || coalesce(stage_labels.label_en, demands.stage) || ' since '
    || {{ moment_in_words("contradictions.entered_at", "en") }}
    || ' (version ' || contradictions.version_number || ')' as contradiction_crm_en,
    'CRM 自' || {{ moment_in_words("contradictions.entered_at", "zh") }} || ' 起记为'
    || coalesce(stage_labels.label_zh, demands.stage)
    || '（第 ' || contradictions.version_number || ' 版）' as contradiction_crm_zh,
    as_of.as_of as as_of_at
from demands
cross join as_of
left join stages on demands.demand_id = stages.demand_id
left join calls on demands.demand_id = calls.demand_id
left join signals on demands.demand_id = signals.demand_id
left join {{ ref("int_demands_contradicted") }} as contradictions on demands.demand_id = contradictions.demand_id
left join {{ ref("code_labels") }} as stage_labels
    on demands.stage = stage_labels.code and stage_labels.attribute = 'stage'
