-- Outbound a success is a connection, inbound a person reached. Attempts without a product cannot be matched.
with tried as (
    select
        calls.direction,
        coalesce(calls.customer_key, calls.call_id) as customer_key,
        coalesce(calls.product, '') as product,
        case when calls.direction = 'outbound' then coalesce(calls.list_id, '') else '' end as list_id,
        coalesce(calls.customer_region, '') as region,
        extract(hour from calls.customer_local_started_at)::integer as hour_of_day,
        calls.line_mode = 'multiple' as is_multiple,
        case
            when calls.direction = 'outbound' then coalesce(calls.is_connected, false)
            else callers.is_person_reached
        end as is_success
    from {{ ref("int_calls_reconciled") }} as calls
    cross join {{ ref("int_as_of") }} as seen
    left join {{ ref("int_callers_routed") }} as callers on calls.call_id = callers.call_id
    where
        calls.line_mode in ('single', 'multiple')
        and (calls.product is not null or calls.direction = 'inbound')
        and calls.call_date > seen.as_of_date - {{ var("line_mode_comparison_days", 90) }}
),

strata as (
    select
        direction,
        product,
        list_id,
        region,
        hour_of_day,
        count(*) filter (where not is_multiple)::double precision as n0,
        count(*) filter (where is_multiple)::double precision as n1,
        count(*) filter (where not is_multiple and is_success)::double precision as x0,
        count(*) filter (where is_multiple and is_success)::double precision as x1
    from tried
    group by direction, product, list_id, region, hour_of_day
),

-- Weights of Mantel and Haenszel (1959); what Sato's (1989) variance of their risk difference sums, which holds for
-- many small strata as for few large ones.
matched as (
    select
        *,
        n0 * n1 / (n0 + n1) as weight,
        (n1 ^ 2 * x0 - n0 ^ 2 * x1 + n0 * n1 * (n0 - n1) / 2) / (n0 + n1) ^ 2 as sato_p,
        (x1 * (n0 - x0) + x0 * (n1 - x1)) / (2 * (n0 + n1)) as sato_q
    from strata
    where n0 > 0 and n1 > 0
),

-- Attempts at one customer are alike: what each customer adds to the difference, all strata together.
customers as (
    select
        tried.direction,
        tried.product,
        tried.customer_key,
        {{ exact_sum(
            "case
                when tried.is_multiple
                    then matched.weight / matched.n1 * (tried.is_success::integer - matched.x1 / matched.n1)
                else -matched.weight / matched.n0 * (tried.is_success::integer - matched.x0 / matched.n0)
            end"
        ) }} as influence
    from tried
    inner join matched
        on
            tried.direction = matched.direction
            and tried.product = matched.product
            and tried.list_id = matched.list_id
            and tried.region = matched.region
            and tried.hour_of_day = matched.hour_of_day
    group by tried.direction, tried.product, tried.customer_key
),

scattered as (
    select
        direction,
        coalesce(product, 'all products') as scope,
        {{ exact_sum("influence ^ 2") }} as customer_variance
    from (
        select
            direction,
            product,
            customer_key,
            {{ exact_sum("influence") }} as influence
        from customers
        group by grouping sets ((direction, product, customer_key), (direction, customer_key))
    ) as influences
    group by direction, coalesce(product, 'all products')
),

summed as (
    select
        direction,
        coalesce(product, 'all products') as scope,
        count(*)::integer as matched_strata,
        sum(n0) as n0,
        sum(n1) as n1,
        sum(x0) as x0,
        sum(x1) as x1,
        {{ exact_sum("weight") }} as weight,
        {{ exact_sum("weight * x0 / n0") }} / {{ exact_sum("weight") }} as p0,
        {{ exact_sum("weight * x1 / n1") }} / {{ exact_sum("weight") }} as p1,
        {{ exact_sum("sato_p") }} as sato_p,
        {{ exact_sum("sato_q") }} as sato_q,
        -- As many independent attempts as would be as sure of a ratio so weighted.
        {{ exact_sum("weight") }} ^ 2 / {{ exact_sum("weight ^ 2 / n0") }} as effective_n0,
        {{ exact_sum("weight") }} ^ 2 / {{ exact_sum("weight ^ 2 / n1") }} as effective_n1
    from matched
    group by grouping sets ((direction, product), (direction))
    having count(*) > 0
),

varied as (
    select
        summed.*,
        greatest((summed.p1 - summed.p0) * summed.sato_p + summed.sato_q, 0) / summed.weight ^ 2 as attempt_variance,
        scattered.customer_variance / summed.weight ^ 2 as customer_variance
    from summed
    inner join scattered on summed.direction = scattered.direction and summed.scope = scattered.scope
),

-- How much surer attempts look than their customers are.
adjusted as (
    select
        *,
        greatest(1, customer_variance / nullif(attempt_variance, 0)) as design_effect,
        least(x0, n0 - x0, x1, n1 - x1) >= {{ var("line_mode_minimum_count", 10) }} as has_enough_counts
    from varied
),

bounded as (
    select
        *,
        {{ wilson("(p0 * effective_n0 / design_effect)", "(effective_n0 / design_effect)", "lower") }} as lower0,
        {{ wilson("(p0 * effective_n0 / design_effect)", "(effective_n0 / design_effect)", "upper") }} as upper0,
        {{ wilson("(p1 * effective_n1 / design_effect)", "(effective_n1 / design_effect)", "lower") }} as lower1,
        {{ wilson("(p1 * effective_n1 / design_effect)", "(effective_n1 / design_effect)", "upper") }} as upper1
    from adjusted
),

-- Where counts are small the difference of two Wilson intervals (Newcombe 1998, method 10).
compared as (
    select
        *,
        p1 - p0 as difference,
        case
            when has_enough_counts
                then p1 - p0 - {{ var("interval_z", 1.959964) }} * sqrt(attempt_variance * design_effect)
            else p1 - p0 - sqrt((p1 - lower1) ^ 2 + (upper0 - p0) ^ 2)
        end as difference_lower,
        case
            when has_enough_counts
                then p1 - p0 + {{ var("interval_z", 1.959964) }} * sqrt(attempt_variance * design_effect)
            else p1 - p0 + sqrt((upper1 - p1) ^ 2 + (p0 - lower0) ^ 2)
        end as difference_upper,
        case when has_enough_counts then 'mantel_haenszel_sato' else 'newcombe' end as interval_method
    from bounded
),

scopes as (
    select
        direction,
        product as scope,
        sum(n0)::integer as single_attempts,
        sum(n1)::integer as multiple_attempts,
        count(*)::integer as strata
    from strata
    where product <> ''
    group by direction, product
    union all
    select
        directions.direction,
        'all products' as scope,
        coalesce(sum(strata.n0), 0)::integer as single_attempts,
        coalesce(sum(strata.n1), 0)::integer as multiple_attempts,
        count(strata.n0)::integer as strata
    from (values ('outbound'), ('inbound')) as directions (direction)
    left join strata on directions.direction = strata.direction
    group by directions.direction
),

judged as (
    select
        scopes.*,
        compared.matched_strata,
        compared.n0,
        compared.n1,
        compared.x0,
        compared.x1,
        compared.p0,
        compared.p1,
        compared.difference,
        compared.difference_lower,
        compared.difference_upper,
        compared.interval_method,
        compared.design_effect,
        case
            when compared.scope is null then 'nothing_matches'
            when compared.difference_lower > 0 then 'multiple_connects_more'
            when compared.difference_upper < 0 then 'single_connects_more'
            else 'no_difference_shown'
        end as verdict,
        case
            when compared.scope is not null then 'compared'
            when scopes.single_attempts = 0 and scopes.multiple_attempts = 0 then 'no_calls'
            when scopes.multiple_attempts = 0 then 'single_alone'
            when scopes.single_attempts = 0 then 'multiple_alone'
            else 'no_stratum_of_both'
        end as reason
    from scopes
    left join compared on scopes.direction = compared.direction and scopes.scope = compared.scope
)

select
    judged.direction,
    judged.scope,
    seen.as_of_date,
    judged.single_attempts,
    judged.multiple_attempts,
    judged.strata,
    coalesce(judged.matched_strata, 0) as matched_strata,
    coalesce(judged.n0, 0)::integer as matched_single_attempts,
    coalesce(judged.n1, 0)::integer as matched_multiple_attempts,
    coalesce(judged.x0, 0)::integer as matched_single_connected,
    coalesce(judged.x1, 0)::integer as matched_multiple_connected,
    judged.p0 as single_connection_ratio,
    judged.p1 as multiple_connection_ratio,
    judged.difference as connection_ratio_difference,
    case when judged.reason = 'compared' then greatest(judged.difference_lower, -1) end
        as connection_ratio_difference_lower,
    case when judged.reason = 'compared' then least(judged.difference_upper, 1) end
        as connection_ratio_difference_upper,
    judged.interval_method,
    judged.design_effect,
    judged.reason = 'compared' as is_comparable,
    judged.verdict,
    case judged.reason
        when 'compared'
            then 'compared in ' || judged.matched_strata || ' of ' || judged.strata || ' strata, those with both modes'
        when 'no_calls' then 'no calls whose line mode is known'
        when 'single_alone' then 'single lines were used alone'
        when 'multiple_alone' then 'multiple lines were used alone'
        else 'no product, list, region and hour holds calls of both modes'
    end as reason_en,
    case judged.reason
        when 'compared' then '在 ' || judged.strata || ' 层中的 ' || judged.matched_strata || ' 层（两种模式都有）内比较'
        when 'no_calls' then '没有已知线路模式的通话'
        when 'single_alone' then '只使用了单线路'
        when 'multiple_alone' then '只使用了多线路'
        else '没有同时含两种模式的产品、名单、地区与时段'
    end as reason_zh
from judged
cross join {{ ref("int_as_of") }} as seen
order by judged.direction desc, judged.scope asc
