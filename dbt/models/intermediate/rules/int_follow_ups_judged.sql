{{ config(
    materialized="incremental", meta={"touched": "all", "touches": [touch("customers", "customer_id")]}
) }}
-- One row a promise of another call and rule it falls under: kept by the first attempt after it that starts
-- within the hours, pending until they are over, broken after them. The rule, the region and the campaign count
-- as they stood at the promise; a promise without a campaign has that of the customer's last attempt before it.
with attempts as (
    select
        call_id,
        customer_key,
        campaign_id,
        started_at
    from {{ ref("int_calls_reconciled") }}
    where direction = 'outbound' and customer_key is not null
),

promises as (
    select * from {{ ref("int_follow_ups_promised") }}
),

last_attempts as (
    select distinct on (promises.promise_id)
        promises.promise_id,
        attempts.campaign_id,
        attempts.call_id
    from promises
    inner join attempts
        on promises.customer_key = attempts.customer_key and promises.promised_at >= attempts.started_at
    order by promises.promise_id asc, attempts.started_at desc, attempts.call_id desc
),

next_attempts as (
    select distinct on (promises.promise_id)
        promises.promise_id,
        attempts.call_id,
        attempts.started_at
    from promises
    inner join attempts
        on promises.customer_key = attempts.customer_key and promises.promised_at < attempts.started_at
    order by promises.promise_id asc, attempts.started_at asc, attempts.call_id asc
),

judged as (
    select
        rules.rule_id,
        rules.rule_type,
        rules.rule_version,
        rules.effective_from,
        rules.severity,
        promises.promise_id,
        promises.call_id,
        promises.customer_id,
        promises.demand_id,
        promises.origin,
        promises.promised_at,
        promises.heard_ms,
        last_attempts.call_id as last_attempt_call_id,
        next_attempts.call_id as next_attempt_call_id,
        next_attempts.started_at as next_attempt_at,
        {{ rule_number("rules.parameters ->> 'within_hours'") }} as within_hours,
        coalesce(promises.campaign_id, last_attempts.campaign_id) as campaign_id
    from promises
    left join last_attempts on promises.promise_id = last_attempts.promise_id
    left join next_attempts on promises.promise_id = next_attempts.promise_id
    left join {{ ref("int_customers_located") }} as customers
        on
            promises.customer_id = customers.customer_id
            and promises.promised_at >= customers.valid_from
            and promises.promised_at < customers.valid_to
    inner join {{ ref("int_sales_rules_usable") }} as rules
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
)

select
    limited.*,
    case
        when limited.next_attempt_at <= limited.due_at then 'kept'
        when limited.due_at >= seen.as_of then 'pending'
        else 'broken'
    end as status
from limited
cross join {{ ref("int_as_of") }} as seen
