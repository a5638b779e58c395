-- One row a rule and span of time in which it judges: the rules of the CRM by their dates, but on days to which a
-- person pinned a set of rules the rules of that set, and none else.
with pinned as (
    select
        version,
        pinned_from_at,
        pinned_to_at
    from {{ ref("int_versions_pinned") }}
    where version_set = 'sales_rules'
),

-- What a pin leaves of a span: the pieces in front of, between and behind the pinned days.
edges as (
    select
        coalesce(lag(pinned_to_at) over (order by pinned_from_at), {{ beginning_of_time() }}) as gap_from,
        pinned_from_at as gap_to
    from pinned
    union all
    select
        coalesce(max(pinned_to_at), {{ beginning_of_time() }}) as gap_from,
        {{ end_of_time() }} as gap_to
    from pinned
),

gaps as (
    select * from edges
    where gap_from < gap_to
),

dated as (
    select
        rules.rule_id,
        rules.rule_type,
        rules.campaign_id,
        rules.region,
        rules.parameters,
        rules.severity,
        rules.effective_from,
        rules.rule_version,
        greatest(rules.in_force_from, gaps.gap_from) as in_force_from,
        least(rules.in_force_to, gaps.gap_to) as in_force_to
    from {{ ref("int_sales_rules_dated") }} as rules
    inner join gaps on rules.in_force_from < gaps.gap_to and rules.in_force_to > gaps.gap_from
),

of_sets as (
    select
        rule.rule_id,
        rule.rule_type,
        rule.campaign_id,
        rule.region,
        rule.parameters,
        rule.severity,
        rule.effective_from,
        rule.rule_version,
        pinned.pinned_from_at as in_force_from,
        pinned.pinned_to_at as in_force_to
    from pinned
    inner join {{ ref("stg_callmart__rule_sets") }} as rule_sets on pinned.version = rule_sets.rules_version::text
    cross join
        lateral jsonb_to_recordset(rule_sets.sales_rules) as rule (
            rule_id text,
            rule_type text,
            campaign_id text,
            region text,
            parameters jsonb,
            severity text,
            effective_from timestamptz,
            rule_version integer
        )
)

select * from dated
union all
select * from of_sets
