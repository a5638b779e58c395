with calls as (
    select
        calls.customer_id,
        calls.started_at as occurred_at,
        'call' as event_type,
        calls.call_id as event_id,
        calls.call_id,
        calls.agent_id,
        null::bigint as place_ms,
        1 as event_rank,
        case when calls.direction = 'inbound' then 'Inbound call: ' else 'Outbound call: ' end
        || coalesce(outcomes.name_en, calls.outcome, 'Unknown') as summary_en,
        case when calls.direction = 'inbound' then '呼入：' else '呼出：' end
        || coalesce(outcomes.name_zh, calls.outcome, '未知') as summary_zh,
        jsonb_build_object(
            'agent_id', calls.agent_id,
            'line_id', calls.line_id,
            'campaign_id', calls.campaign_id,
            'disposition', calls.disposition,
            'outcome', calls.outcome,
            'is_connected', calls.is_connected,
            'talk_seconds', calls.talk_seconds
        ) as detail
    from {{ ref("int_calls_reconciled") }} as calls
    left join {{ ref("outcomes") }} as outcomes on calls.outcome = outcomes.outcome
),

stages as (
    select
        stages.customer_id,
        stages.entered_at as occurred_at,
        'demand_stage' as event_type,
        stages.demand_id || '/' || stages.stage_number as event_id,
        null::text as call_id,
        null::text as agent_id,
        null::bigint as place_ms,
        2 as event_rank,
        'Demand ' || stages.demand_id || ': ' || stages.stage as summary_en,
        '需求 ' || stages.demand_id || '：' || coalesce(labels.label_zh, stages.stage) as summary_zh,
        jsonb_build_object(
            'demand_id', stages.demand_id,
            'product', stages.product,
            'stage', stages.stage,
            'is_left_censored', stages.is_left_censored
        ) as detail
    from {{ ref("int_demand_stages_sessionised") }} as stages
    left join {{ ref("code_labels") }} as labels on stages.stage = labels.code and labels.attribute = 'stage'
),

violations as (
    select
        violations.customer_id,
        violations.violated_at as occurred_at,
        'rule_violation' as event_type,
        violations.rule_id || '/' || coalesce(violations.call_id, violations.violated_at::text) as event_id,
        violations.call_id,
        calls.agent_id,
        null::bigint as place_ms,
        3 as event_rank,
        'Rule broken: ' || coalesce(rule_types.name_en, violations.rule_type) as summary_en,
        '违反规则：' || coalesce(rule_types.name_zh, violations.rule_type) as summary_zh,
        jsonb_build_object(
            'rule_id', violations.rule_id,
            'rule_type', violations.rule_type,
            'severity', violations.severity,
            'detail', violations.detail
        ) as detail
    from {{ ref("int_rule_violations") }} as violations
    left join {{ ref("rule_types") }} as rule_types on violations.rule_type = rule_types.rule_type
    left join {{ ref("int_calls_reconciled") }} as calls on violations.call_id = calls.call_id
),

phrases as (
    select
        hits.customer_id,
        hits.started_at + interval '1 millisecond' * coalesce(hits.start_ms, 0) as occurred_at,
        case when hits.purpose = 'signal' then 'interest_signal' else 'phrase_hit' end as event_type,
        hits.call_id || '/' || hits.rule_hash || '/' || hits.hit_index as event_id,
        hits.call_id,
        hits.agent_id,
        hits.start_ms as place_ms,
        4 as event_rank,
        case when hits.kind = 'missing' then 'Not said: ' else 'Said: ' end || coalesce(hits.name_en, hits.rule_id)
        || case reviews.verdict when 'rejected' then ' (rejected)' else '' end as summary_en,
        case when hits.kind = 'missing' then '未说：' else '说出：' end
        || coalesce(hits.name_zh, hits.name_en, hits.rule_id)
        || case reviews.verdict when 'rejected' then '（已驳回）' else '' end as summary_zh,
        jsonb_build_object(
            'rule_id', hits.rule_id,
            'severity', hits.severity,
            'points', hits.points,
            'role', hits.role,
            'quote', hits.text,
            'review_verdict', reviews.verdict
        ) as detail
    from {{ ref("int_phrase_hits_judged") }} as hits
    left join {{ ref("int_phrase_reviews_sequenced") }} as reviews
        on hits.hit_id = reviews.hit_id and hits.purpose = 'rule' and reviews.is_current
),

emotions as (
    select
        emotions.customer_id,
        emotions.started_at as occurred_at,
        'emotion' as event_type,
        emotions.call_id || '/' || emotions.side as event_id,
        emotions.call_id,
        calls.agent_id,
        null::bigint as place_ms,
        5 as event_rank,
        'Customer sounded ' || emotions.adjusted_label || ' (index ' || round(emotions.adjusted_index::numeric) || ')'
            as summary_en,
        '客户情绪：' || coalesce(labels.label_zh, emotions.adjusted_label)
        || '（指数 ' || round(emotions.adjusted_index::numeric) || '）' as summary_zh,
        jsonb_build_object(
            'label', emotions.adjusted_label,
            'label_as_heard', emotions.label,
            'emotion_index', emotions.emotion_index,
            'adjusted_index', emotions.adjusted_index,
            'is_baseline_used', emotions.is_baseline_used,
            'baseline_calls', emotions.baseline_calls,
            'model_version', emotions.model_version
        ) as detail
    from {{ ref("int_emotions_adjusted") }} as emotions
    left join {{ ref("int_calls_reconciled") }} as calls on emotions.call_id = calls.call_id
    left join {{ ref("code_labels") }} as labels
        on emotions.adjusted_label = labels.code and labels.attribute = 'emotion'
    where emotions.side = 'customer' and emotions.is_selected
),

complaints as (
    select
        coalesce(merged.surviving_customer_id, complaints.customer_id) as customer_id,
        complaints.received_at as occurred_at,
        'complaint' as event_type,
        complaints.complaint_id as event_id,
        complaints.call_id,
        calls.agent_id,
        null::bigint as place_ms,
        6 as event_rank,
        'Complaint: ' || coalesce(complaints.category, 'no category') as summary_en,
        '投诉：' || coalesce(complaints.category, '未分类') as summary_zh,
        jsonb_build_object('severity', complaints.severity, 'resolved_at', complaints.resolved_at) as detail
    from {{ ref("stg_callmart__complaints") }} as complaints
    left join {{ ref("int_customers_merged") }} as merged on complaints.customer_id = merged.customer_id
    left join {{ ref("int_calls_reconciled") }} as calls on complaints.call_id = calls.call_id
),

tiers as (
    select
        customer_id,
        valid_from::timestamp at time zone {{ business_time_zone() }} as occurred_at,
        'tier' as event_type,
        customer_id || '/' || valid_from as event_id,
        null::text as call_id,
        null::text as agent_id,
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
    agent_id,
    place_ms,
    summary_en,
    summary_zh,
    detail
from events
where customer_id is not null
