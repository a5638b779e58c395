{{ config(materialized="view") }}
-- One row a call, a side for which its source named nobody, and a candidate: who holds the number or extension at the
-- start, or held it before or holds it since. Without any candidate one row, with a null one.
with calls as (
    select
        attributed.call_id,
        attributed.direction,
        attributed.source,
        attributed.started_at,
        attributed.call_date,
        attributed.agent_joined_at,
        attributed.agent_id,
        attributed.customer_match_method,
        attributed.agent_match_method,
        attributed.line_match_method,
        delivered.agent_extension,
        case when attributed.direction = 'outbound' then delivered.to_number else delivered.from_number end
            as customer_number,
        case
            when attributed.direction = 'outbound' then delivered.to_number_delivered
            else delivered.from_number_delivered
        end as customer_number_delivered,
        case when attributed.direction = 'outbound' then delivered.from_number else delivered.to_number end
            as line_number,
        case
            when attributed.direction = 'outbound' then delivered.from_number_delivered
            else delivered.to_number_delivered
        end as line_number_delivered
    from {{ ref("int_calls_attributed") }} as attributed
    inner join {{ ref("stg_callmart__calls") }} as delivered on attributed.call_id = delivered.call_id
    where
        attributed.customer_match_method in ('unmatched', 'ambiguous')
        or attributed.agent_match_method in ('unmatched', 'ambiguous')
        or attributed.line_match_method in ('unmatched', 'ambiguous')
),

sought as (
    select
        *,
        'customer' as side,
        customer_match_method as match_method,
        customer_number as sought,
        customer_number_delivered as sought_delivered
    from calls
    where customer_match_method in ('unmatched', 'ambiguous')
    union all
    select
        *,
        'line' as side,
        line_match_method as match_method,
        line_number as sought,
        line_number_delivered as sought_delivered
    from calls
    where line_match_method in ('unmatched', 'ambiguous')
    union all
    -- A call that no agent took part in lacks none.
    select
        *,
        'agent' as side,
        agent_match_method as match_method,
        agent_extension as sought,
        agent_extension as sought_delivered
    from calls
    where
        agent_match_method = 'ambiguous'
        or (agent_match_method = 'unmatched' and (agent_extension is not null or agent_joined_at is not null))
),

holders as (
    select
        'customer' as side,
        customers.phone as held,
        coalesce(merged.surviving_customer_id, customers.customer_id) as candidate_id,
        greatest(customers.valid_from, customers.created_at) as held_from,
        least(customers.valid_to, customers.deleted_at) as held_to
    from {{ ref("int_customers_located") }} as customers
    left join {{ ref("int_customers_merged") }} as merged on customers.customer_id = merged.customer_id
    where customers.phone is not null
    union all
    select
        'line' as side,
        number as held,
        line_id as candidate_id,
        valid_from as held_from,
        valid_to as held_to
    from {{ ref("stg_callmart__lines_versions") }}
    where number is not null
    union all
    select
        'agent' as side,
        extension as held,
        agent_id as candidate_id,
        greatest(valid_from, hired_on::timestamp at time zone {{ business_time_zone() }}) as held_from,
        valid_to as held_to
    from {{ ref("stg_callmart__agents_versions") }}
    where extension is not null
)

select
    sought.call_id,
    sought.side,
    sought.match_method,
    sought.sought,
    sought.sought_delivered,
    sought.direction,
    sought.source,
    sought.started_at,
    sought.call_date,
    sought.agent_id,
    holders.candidate_id,
    coalesce(bool_or(sought.started_at >= holders.held_from and sought.started_at < holders.held_to), false)
        as is_held_at_start
from sought
left join holders on sought.side = holders.side and sought.sought = holders.held
group by
    sought.call_id, sought.side, sought.match_method, sought.sought, sought.sought_delivered, sought.direction,
    sought.source, sought.started_at, sought.call_date, sought.agent_id, holders.candidate_id
