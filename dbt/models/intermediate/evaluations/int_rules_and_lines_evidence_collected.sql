-- One row a component of evaluation 3 and call (or violation without a call) that says something about it.
with attempts as (
    select * from {{ ref("int_attempts_measured") }}
),

weighted_types as (
    select distinct substr(component, 12) as rule_type
    from {{ ref("evaluation_weights") }}
    where evaluation = 'rules_and_lines' and component like 'violations\_%'
),

rules as (
    select
        rules_in_force.rule_type,
        rules_in_force.campaign_id,
        rules_in_force.in_force_from,
        rules_in_force.in_force_to,
        coalesce(weighted_types.rule_type, 'other_rule') as weighted_type
    from {{ ref("int_sales_rules_effective") }} as rules_in_force
    left join weighted_types on rules_in_force.rule_type = weighted_types.rule_type
),

violations as (
    select
        violations.call_id,
        violations.customer_id,
        violations.rule_id,
        {{ business_date("violations.violated_at") }} as violation_date,
        coalesce(weighted_types.rule_type, 'other_rule') as weighted_type
    from {{ ref("int_rule_violations") }} as violations
    left join weighted_types on violations.rule_type = weighted_types.rule_type
),

-- Inbound calls are judged by inbound_routing alone.
judged as (
    select
        attempts.call_id,
        attempts.customer_id,
        attempts.call_date,
        rules.weighted_type
    from attempts
    inner join rules
        on
            (rules.campaign_id is null or attempts.campaign_id = rules.campaign_id)
            and (rules.rule_type = 'inbound_routing') = (attempts.direction = 'inbound')
            and attempts.started_at >= rules.in_force_from
            and attempts.started_at < rules.in_force_to
    union
    select
        violations.call_id,
        attempts.customer_id,
        attempts.call_date,
        violations.weighted_type
    from violations
    inner join attempts on violations.call_id = attempts.call_id
),

violations_by_call as (
    select
        call_id,
        weighted_type,
        count(*) as violations
    from violations
    where call_id is not null
    group by call_id, weighted_type
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
        ["route_to_person", "case when call.direction = 'inbound' then call.reached_person::integer end", "null"],
        ["inbound_wait_seconds", "call.wait_seconds", "null"],
        ["transfers", "call.transfers", "null"],
        [
            "abandonment",
            "case when call.direction = 'inbound' or call.is_connected then call.is_abandoned::integer end",
            "null"
        ],
        ["inbound_callback", "case when call.direction = 'inbound' then call.is_callback::integer end", "null"],
    ]) }}
)

select * from measured

union all

select
    'rules_and_lines' as evaluation,
    'violations_' || judged.weighted_type as component,
    judged.customer_id,
    'call' as evidence_type,
    judged.call_id as evidence_id,
    judged.call_date as valid_from,
    judged.call_date + {{ evaluation_window_days() }} as valid_to,
    coalesce(violations_by_call.violations, 0)::numeric as raw_value,
    judged.call_id,
    null::bigint as place_ms
from judged
left join violations_by_call
    on judged.call_id = violations_by_call.call_id and judged.weighted_type = violations_by_call.weighted_type

union all

select
    'rules_and_lines' as evaluation,
    'violations_' || weighted_type as component,
    customer_id,
    'violation' as evidence_type,
    rule_id || ' ' || violation_date as evidence_id,
    violation_date as valid_from,
    violation_date + {{ evaluation_window_days() }} as valid_to,
    count(*)::numeric as raw_value,
    null::text as call_id,
    null::bigint as place_ms
from violations
where call_id is null and customer_id is not null
group by weighted_type, customer_id, rule_id, violation_date
