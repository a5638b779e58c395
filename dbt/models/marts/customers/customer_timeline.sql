{{ config(
    materialized="incremental",
    unique_key=["customer_id", "event_number"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
with heard as (
    select
        call_id,
        count(*) filter (where purpose = 'rule') as phrase_hits,
        count(*) filter (where purpose = 'signal') as signals
    from {{ ref("int_phrase_hits_judged") }}
    group by call_id
),

moods as (
    select
        call_id,
        max(adjusted_label) as label,
        max(adjusted_index) as adjusted_index
    from {{ ref("int_emotions_adjusted") }}
    where side = 'customer' and is_selected
    group by call_id
),

calls as (
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
            'talk_seconds', calls.talk_seconds,
            'customer_emotion', moods.label,
            'customer_emotion_index', moods.adjusted_index,
            'phrase_hits', coalesce(heard.phrase_hits, 0),
            'signals', coalesce(heard.signals, 0)
        ) as detail
    from {{ ref("int_calls_reconciled") }} as calls
    left join heard on calls.call_id = heard.call_id
    left join moods on calls.call_id = moods.call_id
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
        case
            when hits.purpose = 'rule' then 'phrase_hit'
            when hits.rule_id = 'do_not_call_asked' then 'do_not_call_request'
            else 'interest_signal'
        end as event_type,
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

-- What the words showed while the CRM had another stage.
stages_heard as (
    select
        heard_stages.customer_id,
        heard_stages.entered_at as occurred_at,
        'demand_stage_heard' as event_type,
        heard_stages.demand_id || '/' || heard_stages.stage_number as event_id,
        heard_stages.call_id,
        calls.agent_id,
        heard_stages.start_ms as place_ms,
        7 as event_rank,
        'Demand ' || heard_stages.demand_id || ' sounds ' || lower(coalesce(labels.label_en, heard_stages.stage))
        || ', the CRM has ' || lower(coalesce(crm_labels.label_en, heard_stages.crm_stage)) as summary_en,
        '需求 ' || heard_stages.demand_id || ' 通话显示' || coalesce(labels.label_zh, heard_stages.stage)
        || '，CRM 为' || coalesce(crm_labels.label_zh, heard_stages.crm_stage) as summary_zh,
        jsonb_build_object(
            'demand_id', heard_stages.demand_id,
            'stage', heard_stages.stage,
            'crm_stage', heard_stages.crm_stage,
            'quote', heard_stages.quote,
            'crm_entered_at', heard_stages.crm_entered_at
        ) as detail
    from {{ ref("int_demand_stages_heard") }} as heard_stages
    left join {{ ref("int_calls_reconciled") }} as calls on heard_stages.call_id = calls.call_id
    left join {{ ref("code_labels") }} as labels
        on heard_stages.stage = labels.code and labels.attribute = 'stage'
    left join {{ ref("code_labels") }} as crm_labels
        on heard_stages.crm_stage = crm_labels.code and crm_labels.attribute = 'stage'
),

-- Everything of a demand that a version changed but the stage, which has its own events.
demand_changes as (
    select
        changes.customer_id,
        changes.seen_at as occurred_at,
        'demand_change' as event_type,
        changes.demand_id || '/' || changes.version_number as event_id,
        null::text as call_id,
        null::text as agent_id,
        null::bigint as place_ms,
        8 as event_rank,
        'Demand ' || changes.demand_id || ': ' || string_agg(
            coalesce(labels.label_en, changes.attribute) || ' '
            || coalesce(changes.from_value, '–') || ' → ' || coalesce(changes.to_value, '–'),
            '; ' order by changes.attribute
        ) as summary_en,
        '需求 ' || changes.demand_id || '：' || string_agg(
            coalesce(labels.label_zh, changes.attribute) || ' '
            || coalesce(changes.from_value, '–') || ' → ' || coalesce(changes.to_value, '–'),
            '；' order by changes.attribute
        ) as summary_zh,
        jsonb_object_agg(
            changes.attribute, jsonb_build_object('from', changes.from_value, 'to', changes.to_value)
        ) as detail
    from {{ ref("customer_demand_changes") }} as changes
    left join {{ ref("code_labels") }} as labels
        on changes.attribute = labels.code and labels.attribute = 'demand_attribute'
    where changes.attribute <> 'stage'
    group by changes.customer_id, changes.demand_id, changes.version_number, changes.seen_at
),

promises as (
    select
        promises.customer_id,
        promises.promised_at as occurred_at,
        'callback_promised' as event_type,
        promises.promise_id as event_id,
        promises.call_id,
        calls.agent_id,
        null::bigint as place_ms,
        9 as event_rank,
        'Call-back agreed ' || coalesce(
            string_agg(labels.label_en, ', ' order by labels.code), promises.origin
        ) as summary_en,
        '约定回电（' || coalesce(string_agg(labels.label_zh, '，' order by labels.code), promises.origin) || '）'
            as summary_zh,
        jsonb_build_object('origin', promises.origin, 'demand_id', promises.demand_id) as detail
    from {{ ref("int_follow_ups_promised") }} as promises
    left join {{ ref("int_calls_reconciled") }} as calls on promises.call_id = calls.call_id
    left join {{ ref("code_labels") }} as labels
        on labels.attribute = 'promise_origin' and strpos(promises.origin, labels.code) > 0
    where promises.origin ~ 'callback_step|heard_signal|next_action'
    group by
        promises.customer_id,
        promises.promised_at,
        promises.promise_id,
        promises.call_id,
        calls.agent_id,
        promises.origin,
        promises.demand_id
),

reviews as (
    select
        hits.customer_id,
        reviews.known_from as occurred_at,
        'phrase_review' as event_type,
        reviews.hit_id || '/' || reviews.verdict_number as event_id,
        hits.call_id,
        hits.agent_id,
        hits.start_ms as place_ms,
        10 as event_rank,
        'Inspector: ' || coalesce(hits.name_en, hits.rule_id) || ' ' || coalesce(labels.label_en, reviews.verdict)
            as summary_en,
        '质检复核：' || coalesce(hits.name_zh, hits.name_en, hits.rule_id) || ' '
        || coalesce(labels.label_zh, reviews.verdict) as summary_zh,
        jsonb_build_object(
            'hit_id', reviews.hit_id, 'rule_id', hits.rule_id, 'verdict', reviews.verdict, 'quote', hits.text
        ) as detail
    from {{ ref("int_phrase_reviews_sequenced") }} as reviews
    inner join {{ ref("int_phrase_hits_judged") }} as hits
        on reviews.hit_id = hits.hit_id and hits.purpose = 'rule'
    left join {{ ref("code_labels") }} as labels
        on reviews.verdict = labels.code and labels.attribute = 'verdict'
),

customer_versions as (
    select
        versions.customer_id,
        versions.version_number,
        versions.valid_from,
        versions.consent_status,
        versions.do_not_call,
        versions.merged_into_customer_id,
        lag(versions.consent_status) over history as previous_consent_status,
        lag(versions.do_not_call) over history as previous_do_not_call,
        lag(versions.merged_into_customer_id) over history as previous_merged_into,
        coalesce(merged.surviving_customer_id, versions.customer_id) as surviving_customer_id
    from {{ ref("stg_callmart__customers_versions") }} as versions
    left join {{ ref("int_customers_merged") }} as merged on versions.customer_id = merged.customer_id
    window history as (partition by versions.customer_id order by versions.version_number)
),

consents as (
    select
        versions.surviving_customer_id as customer_id,
        versions.valid_from as occurred_at,
        'consent' as event_type,
        versions.customer_id || '/' || versions.version_number as event_id,
        null::text as call_id,
        null::text as agent_id,
        null::bigint as place_ms,
        11 as event_rank,
        concat_ws(
            '; ',
            case
                when versions.consent_status is distinct from versions.previous_consent_status
                    then
                        'Consent ' || coalesce(earlier.label_en, versions.previous_consent_status, 'unknown') || ' → '
                        || coalesce(later.label_en, versions.consent_status, 'unknown')
            end,
            case
                when versions.do_not_call is not distinct from versions.previous_do_not_call then null
                when versions.do_not_call then 'Flagged as not to be called'
                else 'Flag not to be called taken away'
            end
        ) as summary_en,
        concat_ws(
            '；',
            case
                when versions.consent_status is distinct from versions.previous_consent_status
                    then
                        '客户同意状态：' || coalesce(earlier.label_zh, versions.previous_consent_status, '未知') || ' → '
                        || coalesce(later.label_zh, versions.consent_status, '未知')
            end,
            case
                when versions.do_not_call is not distinct from versions.previous_do_not_call then null
                when versions.do_not_call then '标记为禁止拨打'
                else '取消禁止拨打标记'
            end
        ) as summary_zh,
        jsonb_build_object(
            'consent_status', versions.consent_status,
            'previous_consent_status', versions.previous_consent_status,
            'do_not_call', versions.do_not_call,
            'previous_do_not_call', versions.previous_do_not_call
        ) as detail
    from customer_versions as versions
    left join {{ ref("code_labels") }} as earlier
        on versions.previous_consent_status = earlier.code and earlier.attribute = 'consent_status'
    left join {{ ref("code_labels") }} as later
        on versions.consent_status = later.code and later.attribute = 'consent_status'
    where
        versions.version_number > 1
        and (
            versions.consent_status is distinct from versions.previous_consent_status
            or versions.do_not_call is distinct from versions.previous_do_not_call
        )
),

joined_customers as (
    select
        surviving_customer_id as customer_id,
        valid_from as occurred_at,
        'customer_merged' as event_type,
        customer_id || '/' || version_number as event_id,
        null::text as call_id,
        null::text as agent_id,
        null::bigint as place_ms,
        12 as event_rank,
        'Customer ' || customer_id || ' merged into ' || merged_into_customer_id as summary_en,
        '客户 ' || customer_id || ' 并入 ' || merged_into_customer_id as summary_zh,
        jsonb_build_object('customer_id', customer_id, 'merged_into_customer_id', merged_into_customer_id) as detail
    from customer_versions
    where
        version_number > 1
        and merged_into_customer_id is not null
        and coalesce(merged_into_customer_id <> previous_merged_into, true)
),

qualities as (
    select
        customer_id,
        valid_from::timestamp at time zone {{ business_time_zone() }} as occurred_at,
        case when previous_tier = tier then 'quality' else 'tier' end as event_type,
        customer_id || '/' || valid_from as event_id,
        change_call_id as call_id,
        null::text as agent_id,
        change_place_ms as place_ms,
        0 as event_rank,
        coalesce(change_reason_en, 'Tier ' || tier) as summary_en,
        coalesce(change_reason_zh, '等级 ' || tier) as summary_zh,
        jsonb_build_object(
            'tier', tier,
            'previous_tier', previous_tier,
            'total_score', total_score,
            'total_score_change', total_score_change
        ) as detail
    from {{ ref("customer_quality") }}
),

events as (
    {%- for events in [
        "calls", "stages", "violations", "phrases", "emotions", "complaints", "stages_heard", "demand_changes",
        "promises", "reviews", "consents", "joined_customers", "qualities"
    ] %}
    select * from {{ events }}
    {{ only_touched("customer_id", "customers") }}
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
)

select
    events.customer_id,
    row_number() over (
        partition by events.customer_id
        order by events.occurred_at, events.event_rank, events.event_type, events.event_id
    )::integer as event_number,
    events.occurred_at,
    events.event_type,
    events.event_id,
    events.call_id,
    events.agent_id,
    recordings.recording_key,
    events.place_ms,
    events.summary_en,
    events.summary_zh,
    events.detail
from events
left join {{ ref("int_calls_reconciled") }} as recordings on events.call_id = recordings.call_id
where events.customer_id is not null
