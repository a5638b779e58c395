-- One row a customer who is worked (called or calling of late, or with a demand that is not closed): under which rules
-- the next attempt would fall, whether it may be made at all, from when on, and how the last ones went.
with seen as (
    select as_of from {{ ref("int_as_of") }}
),

calls as (
    select calls.*
    from {{ ref("int_calls_reconciled") }} as calls
    cross join seen
    where calls.customer_id is not null and calls.started_at < seen.as_of
),

worked as (
    select calls.customer_id
    from calls
    cross join seen
    where calls.started_at >= seen.as_of - interval '1 day' * {{ next_action_setting("active_customer_days") }}
    union
    select customer_id
    from {{ ref("int_demand_versions_ordered") }}
    where is_current and not is_deleted and stage not in ('won', 'lost', 'dormant')
),

last_attempts as (
    select distinct on (calls.customer_id)
        calls.customer_id,
        calls.call_id,
        calls.campaign_id,
        calls.started_at,
        calls.outcome
    from calls
    where calls.direction = 'outbound'
    order by calls.customer_id asc, calls.started_at desc, calls.call_id desc
),

last_conversations as (
    select distinct on (calls.customer_id)
        calls.customer_id,
        calls.call_id,
        calls.agent_id,
        calls.started_at
    from calls
    where calls.is_connected
    order by calls.customer_id asc, calls.started_at desc, calls.call_id desc
),

-- Attempts since the customer was last spoken to, by whichever side.
streaks as (
    select
        calls.customer_id,
        count(*)::integer as attempts,
        max(calls.started_at) as last_at,
        jsonb_agg(distinct extract(hour from calls.customer_local_started_at)::integer) as local_hours,
        string_agg(distinct calls.line_id, ', ' order by calls.line_id) as lines
    from calls
    left join last_conversations on calls.customer_id = last_conversations.customer_id
    where
        calls.direction = 'outbound'
        and calls.is_connected is false
        and (last_conversations.started_at is null or calls.started_at > last_conversations.started_at)
    group by calls.customer_id
),

customers as (
    select
        located.customer_id,
        located.phone,
        located.region,
        located.country,
        located.time_zone,
        located.consent_status,
        coalesce(located.segment, '') as segment,
        coalesce(located.do_not_call, false) as is_flagged,
        last_attempts.campaign_id
    from worked
    inner join {{ ref("int_customers_located") }} as located
        on
            worked.customer_id = located.customer_id
            and located.is_current
            and located.deleted_at is null
            and located.merged_into_customer_id is null
    left join last_attempts on worked.customer_id = last_attempts.customer_id
),

rules as (
    select
        customers.customer_id,
        rules.rule_id,
        rules.rule_type,
        rules.campaign_id,
        rules.region,
        {{ rule_number("rules.parameters ->> 'count'") }}::integer as allowed_count,
        coalesce({{ rule_number("rules.parameters ->> 'per_hours'") }}, 24) as per_hours,
        {{ rule_number("rules.parameters ->> 'minutes'") }} as minutes
    from customers
    cross join seen
    inner join {{ ref("int_sales_rules_usable") }} as rules
        on
            rules.rule_type in ('max_attempts', 'min_interval', 'consent_required')
            and seen.as_of >= rules.in_force_from
            and seen.as_of < rules.in_force_to
            and (rules.campaign_id is null or customers.campaign_id = rules.campaign_id)
            and (rules.region is null or customers.region = rules.region)
),

-- The attempts that a rule counts, the newest first.
counted as (
    select
        rules.customer_id,
        rules.rule_id,
        rules.rule_type,
        rules.allowed_count,
        rules.per_hours,
        rules.minutes,
        attempts.started_at,
        row_number() over (
            partition by rules.customer_id, rules.rule_id order by attempts.started_at desc, attempts.call_id desc
        ) as place
    from rules
    inner join {{ ref("int_calls_reconciled") }} as attempts
        on
            rules.customer_id = attempts.customer_id
            and attempts.direction = 'outbound'
            and (rules.campaign_id is null or rules.campaign_id = attempts.campaign_id)
            and (rules.region is null or rules.region = attempts.customer_region)
    cross join seen
    where rules.rule_type in ('max_attempts', 'min_interval') and attempts.started_at < seen.as_of
),

-- With the count-th newest attempt outside (t - hours, t] one more is allowed.
waits as (
    select
        customer_id,
        max(
            case
                when rule_type = 'max_attempts' and place = allowed_count
                    then started_at + make_interval(secs => per_hours * 3600)
                when rule_type = 'min_interval' and place = 1
                    then started_at + make_interval(secs => minutes * 60)
            end
        ) as earliest_at
    from counted
    group by customer_id
),

limits as (
    select
        customer_id,
        bool_or(rule_type = 'max_attempts' and allowed_count = 0) as is_barred,
        min(rule_id) filter (where rule_type = 'consent_required') as consent_rule_id
    from rules
    group by customer_id
),

-- A flag that the CRM took away again.
cleared as (
    select
        flagged.customer_id,
        max(flagged.valid_to) as cleared_at
    from {{ ref("int_customers_located") }} as flagged
    cross join seen
    where flagged.do_not_call and not flagged.is_current and flagged.valid_to <= seen.as_of
    group by flagged.customer_id
),

-- The newest wish not to be called again; the CRM's clearing of a flag after it is the newer word.
asked as (
    select distinct on (hits.customer_id)
        hits.customer_id,
        hits.call_id,
        hits.start_ms,
        hits.text as quote,
        hits.started_at + interval '1 millisecond' * coalesce(hits.start_ms, 0) as asked_at
    from {{ ref("int_phrase_hits_judged") }} as hits
    left join cleared on hits.customer_id = cleared.customer_id
    where
        hits.purpose = 'signal'
        and hits.rule_id = 'do_not_call_asked'
        and hits.is_connected
        and coalesce(cleared.cleared_at <= hits.started_at, true)
    order by hits.customer_id asc, hits.started_at desc, hits.start_ms desc nulls last, hits.hit_index desc
)

select
    customers.customer_id,
    customers.region,
    customers.country,
    customers.time_zone,
    customers.segment,
    customers.campaign_id,
    customers.consent_status,
    customers.is_flagged,
    asked.call_id as asked_call_id,
    asked.start_ms as asked_start_ms,
    asked.quote as asked_quote,
    asked.asked_at,
    limits.consent_rule_id,
    last_attempts.call_id as last_attempt_call_id,
    last_attempts.started_at as last_attempt_at,
    last_attempts.outcome as last_attempt_outcome,
    last_conversations.call_id as last_conversation_call_id,
    last_conversations.agent_id as last_conversation_agent_id,
    last_conversations.started_at as last_conversation_at,
    coalesce(streaks.attempts, 0) as unanswered_in_a_row,
    streaks.last_at as unanswered_until,
    streaks.lines as unanswered_lines,
    case
        when streaks.attempts >= {{ next_action_setting("unanswered_in_a_row") }} then streaks.local_hours
        else '[]'::jsonb
    end as hours_in_vain,
    greatest(seen.as_of, waits.earliest_at) as earliest_at,
    case
        when customers.is_flagged or asked.customer_id is not null then 'do_not_call'
        when customers.consent_status in ('refused', 'withdrawn') then 'consent'
        when limits.consent_rule_id is not null and coalesce(customers.consent_status, 'unknown') <> 'granted'
            then 'consent'
        when limits.is_barred then 'max_attempts'
        when customers.phone is null then 'no_number'
    end as blocked_by
from customers
cross join seen
left join last_attempts on customers.customer_id = last_attempts.customer_id
left join last_conversations on customers.customer_id = last_conversations.customer_id
left join streaks on customers.customer_id = streaks.customer_id
left join waits on customers.customer_id = waits.customer_id
left join limits on customers.customer_id = limits.customer_id
left join asked on customers.customer_id = asked.customer_id
