{{ config(materialized="view") }}
-- One row a component of evaluation 3 and piece of evidence: a call, or the promise of one. Inbound calls are judged
-- by inbound_routing alone; a call counts for a rule type where it could have broken a rule of that type in force:
-- an answered call tells nothing of how long the others were left to ring.
with attempts as (
    select
        attempts.*,
        callers.queue_wait_seconds,
        callers.is_person_reached,
        callers.is_callback as is_callback_of_attempt,
        callers.fate = 'lost' as is_lost,
        case
            when callers.has_steps
                then callers.transfers + callers.overflow_steps + greatest(callers.queue_steps - 1, 0)
        end as handovers
    from {{ ref("int_attempts_measured") }} as attempts
    left join {{ ref("int_callers_routed") }} as callers on attempts.call_id = callers.call_id
),

weighted_types as (
    select distinct substr(component, 12) as rule_type
    from {{ ref("evaluation_weights") }}
    where evaluation = 'rules_and_lines' and component like 'violations\_%'
),

-- The types that are judged at all, with the component that they count for.
rule_types as (
    select
        rule_types.rule_type,
        coalesce(weighted_types.rule_type, 'other_rule') as weighted_type
    from {{ ref("rule_types") }} as rule_types
    left join weighted_types on rule_types.rule_type = weighted_types.rule_type
),

violations as (
    select
        violations.rule_id,
        violations.rule_type,
        violations.call_id,
        violations.campaign_id,
        {{ business_date("violations.violated_at") }} as violation_date
    from {{ ref("int_rule_violations") }} as violations
),

judged as (
    select
        rules.rule_id,
        rules.rule_type,
        calls.call_id,
        calls.customer_id,
        calls.campaign_id,
        calls.call_date
    from {{ ref("int_sales_rules_usable") }} as rules
    inner join {{ ref("int_calls_reconciled") }} as calls on {{ rule_covers_call("rules", "calls") }}
    left join {{ ref("int_calls_queued") }} as queued on calls.call_id = queued.call_id
    where
        calls.customer_id is not null
        and (rules.rule_type = 'inbound_routing') = (calls.direction = 'inbound')
        and case rules.rule_type
            when 'inbound_routing'
                then
                    queued.call_id is not null
                    and coalesce(
                        rules.parameters ->> 'segment' = calls.customer_segment, not rules.parameters ? 'segment'
                    )
            when 'answer_to_agent' then calls.is_connected
            when 'max_abandon_ratio' then calls.is_connected and calls.campaign_id is not null
            when 'min_ring'
                then
                    not calls.is_answered
                    and calls.hangup_by in ('agent', 'dialler')
                    and calls.ring_seconds is not null
            when 'line_assignment' then calls.line_id is not null and rules.parameters ? calls.customer_region
            when 'line_mode' then calls.line_id is not null and calls.campaign_id is not null
            when 'required_follow_up' then false
            else true
        end
),

-- A campaign that lost too many on a day lost them among the day's calls that were answered.
judged_calls as (
    select
        judged.call_id,
        judged.customer_id,
        judged.call_date,
        rule_types.weighted_type,
        count(violations.rule_id) as violations
    from judged
    inner join rule_types on judged.rule_type = rule_types.rule_type
    left join violations
        on
            judged.rule_id = violations.rule_id
            and (
                judged.call_id = violations.call_id
                or (
                    judged.rule_type = 'max_abandon_ratio'
                    and judged.campaign_id = violations.campaign_id
                    and judged.call_date = violations.violation_date
                )
            )
    group by judged.call_id, judged.customer_id, judged.call_date, rule_types.weighted_type
),

-- A promise leads to the call in which it was made; one of the CRM to the attempt that kept it, else to the last one.
promises as (
    select
        follow_ups.promise_id,
        follow_ups.customer_id,
        rule_types.weighted_type,
        min(follow_ups.heard_ms) as heard_ms,
        min(coalesce(
            follow_ups.call_id,
            case when follow_ups.status = 'kept' then follow_ups.next_attempt_call_id end,
            follow_ups.last_attempt_call_id,
            follow_ups.next_attempt_call_id
        )) as call_id,
        max({{ business_date(
            "case when follow_ups.status = 'kept' then follow_ups.next_attempt_at else follow_ups.due_at end"
        ) }}) as judged_date,
        count(*) filter (where follow_ups.status = 'broken') as violations
    from {{ ref("int_follow_ups_judged") }} as follow_ups
    inner join rule_types on follow_ups.rule_type = rule_types.rule_type
    where follow_ups.status <> 'pending' and follow_ups.customer_id is not null
    group by follow_ups.promise_id, follow_ups.customer_id, rule_types.weighted_type
),

measured as (
    {{ call_evidence("rules_and_lines", "attempts", [
        ["attempts_24h", "case when call.direction = 'outbound' then call.attempts_24h end", "null"],
        ["attempt_spacing_hours", "case when call.direction = 'outbound' then call.hours_since_attempt end", "null"],
        ["distinct_lines", "case when call.direction = 'outbound' then call.distinct_lines_in_window end", "null"],
        [
            "connects_per_line",
            "case when call.direction = 'outbound' and call.distinct_lines_in_window > 0"
            " then call.connected_attempts_in_window::double precision / call.distinct_lines_in_window end",
            "null"
        ],
        ["route_to_person", "call.is_person_reached::integer", "null"],
        ["inbound_wait_seconds", "call.queue_wait_seconds", "null"],
        ["transfers", "call.handovers", "null"],
        [
            "abandonment",
            "case when call.direction = 'inbound' then call.is_lost::integer"
            " when call.is_connected then call.is_abandoned::integer end",
            "null"
        ],
        ["inbound_callback", "call.is_callback_of_attempt::integer", "null"],
    ]) }}
)

select * from measured

union all

select
    'rules_and_lines' as evaluation,
    'violations_' || weighted_type as component,
    customer_id,
    'call' as evidence_type,
    call_id as evidence_id,
    call_date as valid_from,
    call_date + {{ evaluation_window_days() }} as valid_to,
    violations::numeric as raw_value,
    call_id,
    null::bigint as place_ms
from judged_calls

union all

select
    'rules_and_lines' as evaluation,
    'violations_' || weighted_type as component,
    customer_id,
    'promise' as evidence_type,
    promise_id as evidence_id,
    judged_date as valid_from,
    judged_date + {{ evaluation_window_days() }} as valid_to,
    violations::numeric as raw_value,
    call_id,
    heard_ms as place_ms
from promises
