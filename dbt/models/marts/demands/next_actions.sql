-- What calls for which action of the seed next_action_rules, and where that is heard. A subject is a demand that is
-- open or that speech contradicts, or a worked customer without such a one.
with seen as (
    select as_of from {{ ref("int_as_of") }}
),

customers as (
    select * from {{ ref("int_customers_contactable") }}
),

demands as (
    select
        demands.*,
        labels.label_en as stage_en,
        labels.label_zh as stage_zh,
        demands.stage not in ('won', 'lost', 'dormant') as is_open
    from {{ ref("customer_demands") }} as demands
    left join {{ ref("code_labels") }} as labels on demands.stage = labels.code and labels.attribute = 'stage'
    where demands.stage not in ('won', 'lost', 'dormant') or demands.is_contradicted
),

tiers as (
    select
        customer_id,
        tier
    from {{ ref("customer_quality") }}
    where is_current
),

subjects as (
    select
        customers.*,
        demands.demand_id,
        demands.stage,
        demands.stage_en,
        demands.stage_zh,
        demands.stage_entered_at,
        demands.is_open,
        demands.owner_agent_id,
        demands.next_action,
        demands.next_action_due_at,
        demands.last_version_at,
        demands.staleness_days,
        demands.is_overdue,
        demands.is_contradicted,
        demands.contradiction_en,
        demands.contradiction_zh,
        demands.contradiction_quote,
        demands.contradiction_call_id,
        demands.contradiction_start_ms,
        tiers.tier,
        coalesce('demand/' || demands.demand_id, 'customer/' || customers.customer_id) as subject_id
    from customers
    left join demands on customers.customer_id = demands.customer_id
    left join tiers on customers.customer_id = tiers.customer_id
),

signals as (
    select distinct on (demand_id, signal_id)
        demand_id,
        signal_id,
        signal_en,
        signal_zh,
        call_id,
        start_ms,
        quote,
        heard_at,
        is_interest
    from {{ ref("int_demand_signals_heard") }}
    order by demand_id asc, signal_id asc, heard_at desc, hit_index desc
),

-- The newest word of each demand's customer for or against.
last_words as (
    select distinct on (demand_id)
        demand_id,
        is_interest
    from signals
    order by demand_id asc, heard_at desc, signal_id asc
),

heard as (
    select
        subjects.*,
        signals.signal_id,
        signals.signal_en,
        signals.signal_zh,
        signals.call_id as signal_call_id,
        signals.start_ms as signal_ms,
        signals.quote as signal_quote,
        signals.heard_at,
        last_words.is_interest as is_last_word_interest
    from subjects
    inner join signals on subjects.demand_id = signals.demand_id
    inner join last_words on subjects.demand_id = last_words.demand_id
    where subjects.is_open
),

complaints as (
    select distinct on (customer_id)
        coalesce(merged.surviving_customer_id, complaints.customer_id, calls.customer_id) as customer_id,
        complaints.call_id,
        complaints.category,
        complaints.received_at
    from {{ ref("stg_callmart__complaints") }} as complaints
    cross join seen
    left join {{ ref("int_customers_merged") }} as merged on complaints.customer_id = merged.customer_id
    left join {{ ref("int_calls_reconciled") }} as calls on complaints.call_id = calls.call_id
    where complaints.resolved_at is null or complaints.resolved_at >= seen.as_of
    order by customer_id asc, complaints.received_at desc, complaints.complaint_id asc
),

-- Agreed calls after which nobody called: heard or stepped into in a call, or entered in the CRM.
call_backs as (
    select distinct on (promises.customer_id, promises.demand_id)
        promises.customer_id,
        promises.demand_id,
        promises.call_id,
        promises.promised_at,
        hits.start_ms,
        hits.text as quote,
        {{ moment_meant(
            "hits.said_moment",
            "(hits.started_at + interval '1 millisecond' * coalesce(hits.start_ms, 0))",
            "coalesce(customers.time_zone, " ~ business_time_zone() ~ ")"
        ) }} as agreed_at
    from {{ ref("int_follow_ups_promised") }} as promises
    left join {{ ref("int_phrase_hits_judged") }} as hits
        on
            promises.call_id = hits.call_id
            and hits.purpose = 'signal'
            and hits.rule_id = 'callback_agreed'
    left join customers on promises.customer_id = customers.customer_id
    where
        promises.customer_id is not null
        and promises.origin ~ 'callback_step|heard_signal|next_action'
    order by
        promises.customer_id asc,
        promises.demand_id asc,
        promises.promised_at desc,
        hits.start_ms asc nulls last,
        promises.promise_id asc
),

follow_ups as (
    select
        call_id,
        demand_id,
        promised_at,
        min(due_at) as due_at
    from {{ ref("int_follow_ups_judged") }}
    group by call_id, demand_id, promised_at
),

triggered as (
    select
        subjects.subject_id,
        'do_not_call' as action_code,
        coalesce(subjects.asked_at, seen.as_of) as triggered_at,
        subjects.asked_call_id as call_id,
        subjects.asked_start_ms as place_ms,
        subjects.asked_quote as quote,
        case
            when subjects.asked_call_id is null then 'the CRM flags the customer as not to be called'
            else
                'the customer asked on ' || {{ moment_in_words("subjects.asked_at", "en") }}
                || ' not to be called again'
                || case when subjects.is_flagged then '' else ', which the CRM does not have yet' end
        end as what_en,
        case
            when subjects.asked_call_id is null then 'CRM 已标记为禁止拨打'
            else
                '客户于 ' || {{ moment_in_words("subjects.asked_at", "zh") }} || ' 要求不再来电'
                || case when subjects.is_flagged then '' else '，CRM 尚未标记' end
        end as what_zh,
        null::timestamptz as due_at,
        null::timestamptz as wanted_from
    from subjects
    cross join seen
    where subjects.blocked_by = 'do_not_call'

    union all

    select
        subjects.subject_id,
        'no_consent' as action_code,
        seen.as_of as triggered_at,
        null as call_id,
        null as place_ms,
        null as quote,
        subjects.consent_status as what_en,
        case subjects.consent_status when 'refused' then '拒绝' else '撤回' end as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
    cross join seen
    where subjects.consent_status in ('refused', 'withdrawn')

    union all

    select
        subjects.subject_id,
        'resolve_complaint' as action_code,
        complaints.received_at as triggered_at,
        complaints.call_id,
        null as place_ms,
        null as quote,
        coalesce(complaints.category, 'no category') as what_en,
        coalesce(complaints.category, '未分类') as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
    inner join complaints on subjects.customer_id = complaints.customer_id

    union all

    select
        subjects.subject_id,
        'honour_call_back' as action_code,
        call_backs.promised_at as triggered_at,
        call_backs.call_id,
        call_backs.start_ms as place_ms,
        call_backs.quote,
        coalesce(' for ' || {{ moment_in_words("call_backs.agreed_at", "en") }}, '')
        || coalesce(
            ' (CRM: ' || subjects.next_action || coalesce(
                ', ' || {{ moment_in_words("subjects.next_action_due_at", "en") }}, ''
            ) || ')',
            ''
        ) as what_en,
        coalesce('，时间为' || {{ moment_in_words("call_backs.agreed_at", "zh") }}, '')
        || coalesce(
            '（CRM：' || subjects.next_action || coalesce(
                '，' || {{ moment_in_words("subjects.next_action_due_at", "zh") }}, ''
            ) || '）',
            ''
        ) as what_zh,
        case
            when call_backs.demand_id is not null
                then coalesce(greatest(subjects.next_action_due_at, call_backs.promised_at), follow_ups.due_at)
            else coalesce(call_backs.agreed_at, follow_ups.due_at)
        end as due_at,
        case
            when call_backs.demand_id is not null then subjects.next_action_due_at
            else call_backs.agreed_at
        end as wanted_from
    from subjects
    inner join call_backs
        on
            subjects.customer_id = call_backs.customer_id
            and (call_backs.demand_id is null or subjects.demand_id = call_backs.demand_id)
            and coalesce(subjects.last_attempt_at <= call_backs.promised_at, true)
            and coalesce(subjects.last_conversation_at <= call_backs.promised_at, true)
    left join follow_ups
        on
            call_backs.call_id is not distinct from follow_ups.call_id
            and call_backs.demand_id is not distinct from follow_ups.demand_id
            and call_backs.promised_at = follow_ups.promised_at
    where
        coalesce(subjects.is_open, true)
        -- The CRM's next action counts as long as it is the next one.
        and (call_backs.demand_id is null or subjects.next_action is not null)

    union all

    select
        subjects.subject_id,
        'ask_for_consent' as action_code,
        seen.as_of as triggered_at,
        null as call_id,
        null as place_ms,
        null as quote,
        subjects.consent_rule_id as what_en,
        subjects.consent_rule_id as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
    cross join seen
    where
        subjects.blocked_by = 'consent'
        and coalesce(subjects.consent_status, 'unknown') not in ('refused', 'withdrawn')

    union all

    select
        subjects.subject_id,
        'check_number' as action_code,
        subjects.last_attempt_at as triggered_at,
        subjects.last_attempt_call_id as call_id,
        null as place_ms,
        null as quote,
        lower(outcomes.name_en) as what_en,
        outcomes.name_zh as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
    inner join {{ ref("outcomes") }} as outcomes on subjects.last_attempt_outcome = outcomes.outcome
    where subjects.last_attempt_outcome in ('invalid_number', 'out_of_service')

    union all

    select
        subject_id,
        'check_number' as action_code,
        heard_at as triggered_at,
        signal_call_id as call_id,
        signal_ms as place_ms,
        signal_quote as quote,
        lower(signal_en) as what_en,
        signal_zh as what_zh,
        null as due_at,
        null as wanted_from
    from heard
    where signal_id = 'wrong_person' and signal_call_id = last_conversation_call_id

    union all

    select
        subject_id,
        'close_as_lost' as action_code,
        heard_at as triggered_at,
        signal_call_id as call_id,
        signal_ms as place_ms,
        signal_quote as quote,
        coalesce(stage_en, stage) as what_en,
        coalesce(stage_zh, stage) as what_zh,
        null as due_at,
        null as wanted_from
    from heard
    where signal_id = 'not_interested' and not is_last_word_interest

    union all

    select
        subjects.subject_id,
        'correct_stage' as action_code,
        calls.started_at as triggered_at,
        subjects.contradiction_call_id as call_id,
        subjects.contradiction_start_ms as place_ms,
        subjects.contradiction_quote as quote,
        subjects.contradiction_en as what_en,
        subjects.contradiction_zh as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
    inner join {{ ref("int_calls_reconciled") }} as calls on subjects.contradiction_call_id = calls.call_id
    where subjects.is_contradicted

    union all

    select
        subject_id,
        'close_the_sale' as action_code,
        heard_at as triggered_at,
        signal_call_id as call_id,
        signal_ms as place_ms,
        signal_quote as quote,
        coalesce(stage_en, stage) as what_en,
        coalesce(stage_zh, stage) as what_zh,
        null as due_at,
        null as wanted_from
    from heard
    where signal_id = 'purchase_intent' and is_last_word_interest

    union all

    select
        subject_id,
        'send_quote' as action_code,
        heard_at as triggered_at,
        signal_call_id as call_id,
        signal_ms as place_ms,
        signal_quote as quote,
        null as what_en,
        null as what_zh,
        null as due_at,
        null as wanted_from
    from heard
    where
        signal_id = 'price_asked'
        and is_last_word_interest
        and not (stage in ('quoted', 'negotiating') and stage_entered_at >= heard_at)

    union all

    select
        subject_id,
        'do_next_action' as action_code,
        next_action_due_at as triggered_at,
        null as call_id,
        null as place_ms,
        null as quote,
        coalesce(next_action, '-') as what_en,
        coalesce(next_action, '-') as what_zh,
        next_action_due_at as due_at,
        next_action_due_at as wanted_from
    from subjects
    where is_overdue

    union all

    select
        subject_id,
        'other_line_or_hour' as action_code,
        unanswered_until as triggered_at,
        last_attempt_call_id as call_id,
        null as place_ms,
        null as quote,
        unanswered_in_a_row || ' attempts in a row' || coalesce(' (' || unanswered_lines || ')', '') as what_en,
        ' ' || unanswered_in_a_row || ' 次' || coalesce('（' || unanswered_lines || '）', '') as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
    where
        unanswered_in_a_row >= {{ next_action_setting("unanswered_in_a_row") }}
        and coalesce(is_open, true)

    union all

    select
        subject_id,
        'answer_objection' as action_code,
        heard_at as triggered_at,
        signal_call_id as call_id,
        signal_ms as place_ms,
        signal_quote as quote,
        null as what_en,
        null as what_zh,
        null as due_at,
        null as wanted_from
    from heard
    where signal_id in ('objection', 'competitor_named') and signal_call_id = last_conversation_call_id

    union all

    select
        subject_id,
        'hand_over_to_owner' as action_code,
        last_conversation_at as triggered_at,
        last_conversation_call_id as call_id,
        null as place_ms,
        null as quote,
        last_conversation_agent_id as what_en,
        last_conversation_agent_id as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
    where
        is_open
        and stage in ('interested', 'quoted', 'negotiating', 'reopened')
        and owner_agent_id is not null
        and last_conversation_agent_id <> owner_agent_id
        -- What the owner entered afterwards was handed over.
        and coalesce(last_version_at < last_conversation_at, true)

    union all

    select
        subjects.subject_id,
        'close_as_dormant' as action_code,
        seen.as_of - interval '1 day' * subjects.staleness_days as triggered_at,
        null as call_id,
        null as place_ms,
        null as quote,
        floor(subjects.staleness_days)::text as what_en,
        floor(subjects.staleness_days)::text as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
    cross join seen
    where
        subjects.is_open
        and subjects.staleness_days >= {{ next_action_setting("dormant_days") }}

    union all

    select
        subjects.subject_id,
        case
            when subjects.is_open then 'call'
            when subjects.demand_id is null and subjects.tier in ('A', 'B') then 'keep_in_touch'
            else 'leave_alone'
        end as action_code,
        subjects.last_conversation_at as triggered_at,
        subjects.last_conversation_call_id as call_id,
        null as place_ms,
        null as quote,
        case
            when subjects.is_open then coalesce(subjects.stage_en, subjects.stage)
            else coalesce(subjects.tier, '-')
        end as what_en,
        case
            when subjects.is_open then coalesce(subjects.stage_zh, subjects.stage)
            else coalesce(subjects.tier, '-')
        end as what_zh,
        null as due_at,
        null as wanted_from
    from subjects
),

of_subjects as (
    select distinct on (triggered.subject_id, triggered.action_code)
        triggered.*,
        subjects.customer_id,
        subjects.demand_id
    from triggered
    inner join subjects on triggered.subject_id = subjects.subject_id
    order by
        triggered.subject_id asc,
        triggered.action_code asc,
        triggered.triggered_at desc nulls last,
        triggered.call_id asc
),

-- What is done where nothing else is to be done.
newest as (
    select *
    from (
        select
            *,
            count(*) over (partition by subject_id) as actions
        from of_subjects
    ) as counted
    where actions = 1 or action_code not in ('call', 'keep_in_touch', 'leave_alone')
),

worded as (
    select
        newest.subject_id,
        newest.customer_id,
        newest.demand_id,
        newest.action_code,
        newest.triggered_at,
        newest.call_id,
        newest.place_ms,
        newest.quote,
        newest.wanted_from,
        newest.what_en,
        newest.what_zh,
        rules.priority,
        rules.when_to_call,
        rules.label_en,
        rules.label_zh,
        rules.reason_en,
        rules.reason_zh,
        {%- for language in ["en", "zh"] %}
        case
            when newest.quote is not null
                then {{ quote_in_words("newest.quote", "newest.call_id", "newest.place_ms", language) }}
        end as quote_{{ language }},
        {{ moment_in_words("newest.triggered_at", language) }} as when_{{ language }},
        {%- endfor %}
        coalesce(newest.due_at, newest.triggered_at + make_interval(hours => rules.due_hours)) as due_at
    from newest
    inner join {{ ref("next_action_rules") }} as rules on newest.action_code = rules.action_code
)

select
    subject_id,
    action_code,
    row_number() over (partition by subject_id order by priority)::integer as action_number,
    customer_id,
    demand_id,
    priority,
    when_to_call,
    label_en as action_en,
    label_zh as action_zh,
    {{ filled_words("reason_en", [
        ["what", "coalesce(what_en, '')"],
        ["when", "coalesce(when_en, 'none yet')"],
        ["evidence", "coalesce(': ' || quote_en, '')"],
    ]) }} as reason_en,
    {{ filled_words("reason_zh", [
        ["what", "coalesce(what_zh, '')"],
        ["when", "coalesce(when_zh, '无')"],
        ["evidence", "coalesce(quote_zh, '')"],
    ]) }} as reason_zh,
    triggered_at,
    due_at,
    wanted_from,
    call_id,
    place_ms::bigint as place_ms,
    quote
from worded
