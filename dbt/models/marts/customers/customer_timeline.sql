with calls as (
    select
        customer_id,
        started_at as occurred_at,
        'call' as event_type,
        call_id as event_id,
        call_id,
        null::bigint as place_ms,
        1 as event_rank,
        case when direction = 'inbound' then 'Inbound call: ' else 'Outbound call: ' end
        || coalesce(outcome, 'unknown') as summary_en,
        case when direction = 'inbound' then '呼入：' else '呼出：' end || coalesce(outcome, 'unknown') as summary_zh,
        jsonb_build_object(
            'agent_id', agent_id,
            'line_id', line_id,
            'campaign_id', campaign_id,
            'disposition', disposition,
            'is_connected', is_connected,
            'talk_seconds', talk_seconds
        ) as detail
    from {{ ref("int_calls_reconciled") }}
),

stages as (
    select
        customer_id,
        entered_at as occurred_at,
        'demand_stage' as event_type,
        demand_id || '/' || stage_number as event_id,
        null::text as call_id,
        null::bigint as place_ms,
        2 as event_rank,
        'Demand ' || demand_id || ': ' || stage as summary_en,
        '需求 ' || demand_id || '：' || stage as summary_zh,
        jsonb_build_object(
            'demand_id', demand_id, 'product', product, 'stage', stage, 'is_left_censored', is_left_censored
        ) as detail
    from {{ ref("int_demand_stages_sessionised") }}
),

violations as (
    select
        customer_id,
        violated_at as occurred_at,
        'rule_violation' as event_type,
        rule_id || '/' || coalesce(call_id, violated_at::text) as event_id,
        call_id,
        null::bigint as place_ms,
        3 as event_rank,
        'Rule broken: ' || rule_type as summary_en,
        '违反规则：' || rule_type as summary_zh,
        jsonb_build_object(
            'rule_id', rule_id, 'rule_type', rule_type, 'severity', severity, 'detail', detail
        ) as detail
    from {{ ref("int_rule_violations") }}
),

phrases as (
    select
        customer_id,
        started_at + interval '1 millisecond' * coalesce(start_ms, 0) as occurred_at,
        case when purpose = 'signal' then 'interest_signal' else 'phrase_hit' end as event_type,
        call_id || '/' || rule_hash || '/' || hit_index as event_id,
        call_id,
        start_ms as place_ms,
        4 as event_rank,
        case when kind = 'missing' then 'Not said: ' else 'Said: ' end || coalesce(name_en, rule_id) as summary_en,
        case when kind = 'missing' then '未说：' else '说出：' end || coalesce(name_zh, name_en, rule_id) as summary_zh,
        jsonb_build_object(
            'rule_id', rule_id, 'severity', severity, 'points', points, 'role', role, 'quote', text
        ) as detail
    from {{ ref("int_phrase_hits_judged") }}
),

emotions as (
    select
        customer_id,
        started_at as occurred_at,
        'emotion' as event_type,
        call_id || '/' || side as event_id,
        call_id,
        null::bigint as place_ms,
        5 as event_rank,
        'Customer sounded ' || label || ' (index ' || round(adjusted_index::numeric) || ')' as summary_en,
        '客户情绪：' || label || '（指数 ' || round(adjusted_index::numeric) || '）' as summary_zh,
        jsonb_build_object(
            'label', label,
            'emotion_index', emotion_index,
            'adjusted_index', adjusted_index,
            'baseline_calls', baseline_calls,
            'model_version', model_version
        ) as detail
    from {{ ref("int_emotions_adjusted") }}
    where side = 'customer'
),

complaints as (
    select
        coalesce(merged.surviving_customer_id, complaints.customer_id) as customer_id,
        complaints.received_at as occurred_at,
        'complaint' as event_type,
        complaints.complaint_id as event_id,
        complaints.call_id,
        null::bigint as place_ms,
        6 as event_rank,
        'Complaint: ' || coalesce(complaints.category, 'no category') as summary_en,
        '投诉：' || coalesce(complaints.category, '未分类') as summary_zh,
        jsonb_build_object('severity', complaints.severity, 'resolved_at', complaints.resolved_at) as detail
    from {{ ref("stg_callmart__complaints") }} as complaints
    left join {{ ref("int_customers_merged") }} as merged on complaints.customer_id = merged.customer_id
),

tiers as (
    select
        customer_id,
        valid_from::timestamp at time zone {{ business_time_zone() }} as occurred_at,
        'tier' as event_type,
        customer_id || '/' || valid_from as event_id,
        null::text as call_id,
        null::bigint as place_ms,
        0 as event_rank,
        coalesce('Tier ' || previous_tier || ' to ' || tier, 'Tier ' || tier) as summary_en,
        coalesce('等级 ' || previous_tier || ' 变为 ' || tier, '等级 ' || tier) as summary_zh,
        jsonb_build_object('tier', tier, 'previous_tier', previous_tier, 'total_score', total_score) as detail
    from {{ ref("customer_quality") }}
    where previous_tier is distinct from tier
),

events as (
    {%- for events in ["calls", "stages", "violations", "phrases", "emotions", "complaints", "tiers"] %}
    select * from {{ events }}
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
)

select
    customer_id,
    row_number() over (
        partition by customer_id order by occurred_at, event_rank, event_type, event_id
    )::integer as event_number,
    occurred_at,
    event_type,
    event_id,
    call_id,
    place_ms,
    summary_en,
    summary_zh,
    detail
from events
where customer_id is not null
