-- A call's violations are its evidence in evaluation 3, type by type, and the calls' own count of them.
with found as (
    select
        violations.call_id,
        'violations_' || coalesce(
            (
                select distinct substr(weights.component, 12)
                from {{ ref("evaluation_weights") }} as weights
                where weights.component = 'violations_' || violations.rule_type
            ),
            'other_rule'
        ) as component,
        count(*) as violations
    from {{ ref("rule_violations") }} as violations
    inner join {{ ref("calls") }} as calls on violations.call_id = calls.call_id
    where
        calls.customer_id is not null
        and violations.rule_type not in ('required_follow_up', 'max_abandon_ratio')
    group by violations.call_id, violations.rule_type
),

summed as (
    select
        call_id,
        component,
        sum(violations) as violations
    from found
    group by call_id, component
),

evidence as (
    select
        call_id,
        component,
        sum(raw_value) as violations
    from {{ ref("int_rules_and_lines_evidence_collected") }}
    where
        component like 'violations\_%'
        and component not in ('violations_required_follow_up', 'violations_max_abandon_ratio')
        and evidence_type = 'call'
        and raw_value > 0
    group by call_id, component
),

marked as (
    select
        call_id,
        count(*) as violations
    from {{ ref("rule_violations") }}
    where call_id is not null
    group by call_id
)

select
    coalesce(summed.call_id, evidence.call_id) as call_id,
    coalesce(summed.component, evidence.component) as component
from summed
full outer join evidence on summed.call_id = evidence.call_id and summed.component = evidence.component
where summed.violations is distinct from evidence.violations

union all

select
    calls.call_id,
    'calls.rule_violations' as component
from {{ ref("calls") }} as calls
left join marked on calls.call_id = marked.call_id
where calls.rule_violations <> coalesce(marked.violations, 0)
