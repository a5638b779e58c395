-- A promise after which no attempt followed within the hours; pending until they are over.
with judged as (
    select
        rules.rule_id,
        rules.rule_type,
        rules.rule_version,
        rules.effective_from,
        rules.severity,
        promises.call_id,
        promises.customer_id,
        promises.demand_id,
        promises.origin,
        promises.promised_at,
        {{ rule_number("rules.parameters ->> 'within_hours'") }} as within_hours,
        coalesce(promises.campaign_id, last_attempts.campaign_id) as campaign_id
    from {{ ref("int_follow_ups_promised") }} as promises
    left join {{ ref("stg_callmart__customers") }} as customers on promises.customer_id = customers.customer_id
    left join lateral (
        select attempts.campaign_id
        from {{ ref("int_calls_reconciled") }} as attempts
        where
            attempts.customer_id = promises.customer_id
            and attempts.direction = 'outbound'
            and attempts.started_at <= promises.promised_at
        order by attempts.started_at desc, attempts.call_id desc
        limit 1
    ) as last_attempts on true
    inner join {{ ref("int_sales_rules_effective") }} as rules
        on
            promises.promised_at >= rules.in_force_from
            and promises.promised_at < rules.in_force_to
            and (
                rules.campaign_id is null
                or rules.campaign_id = coalesce(promises.campaign_id, last_attempts.campaign_id)
            )
            and (rules.region is null or customers.region = rules.region)
    where rules.rule_type = 'required_follow_up'
),

limited as (
    select
        *,
        promised_at + make_interval(secs => within_hours * 3600) as due_at
    from judged
    where within_hours is not null
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    due_at as violated_at,
    jsonb_strip_nulls(jsonb_build_object(
        'origin', origin,
        'promised_at', promised_at,
        'demand_id', demand_id,
        'within_hours', within_hours
    )) as detail
from limited
where
    due_at <= (select seen.as_of from {{ ref("int_as_of") }} as seen)
    and not exists (
        select 1
        from {{ ref("int_calls_reconciled") }} as attempts
        where
            attempts.customer_id = limited.customer_id
            and attempts.direction = 'outbound'
            and attempts.started_at > limited.promised_at
            and attempts.started_at <= limited.due_at
    )
