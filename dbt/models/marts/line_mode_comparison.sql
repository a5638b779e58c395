with attempts as (
    select
        calls.product,
        coalesce(calls.list_id, '') as list_id,
        coalesce(calls.customer_region, '') as region,
        extract(hour from calls.customer_local_started_at)::integer as hour_of_day,
        calls.line_mode,
        coalesce(calls.is_connected, false) as is_connected
    from {{ ref("int_calls_reconciled") }} as calls
    cross join {{ ref("int_as_of") }} as seen
    where
        calls.direction = 'outbound'
        and calls.line_mode in ('single', 'multiple')
        and calls.product is not null
        and calls.call_date > seen.as_of_date - {{ var("line_mode_comparison_days", 90) }}
),

strata as (
    select
        product,
        list_id,
        region,
        hour_of_day,
        count(*) filter (where line_mode = 'single')::double precision as single_attempts,
        count(*) filter (where line_mode = 'multiple')::double precision as multiple_attempts,
        count(*) filter (where line_mode = 'single' and is_connected)::double precision as single_connected,
        count(*) filter (where line_mode = 'multiple' and is_connected)::double precision as multiple_connected
    from attempts
    group by product, list_id, region, hour_of_day
),

-- Mantel-Haenszel weights; the variance of each ratio with one half added to successes and failures
-- (Agresti-Caffo's remedy), so that a stratum without a connection does not look certain.
matched as (
    select
        *,
        single_attempts * multiple_attempts / (single_attempts + multiple_attempts) as weight,
        multiple_connected / multiple_attempts - single_connected / single_attempts as difference,
        (single_connected + 0.5) / (single_attempts + 1) * (1 - (single_connected + 0.5) / (single_attempts + 1))
        / single_attempts
        + (multiple_connected + 0.5) / (multiple_attempts + 1)
        * (1 - (multiple_connected + 0.5) / (multiple_attempts + 1)) / multiple_attempts as variance
    from strata
    where single_attempts > 0 and multiple_attempts > 0
),

scopes as (
    select
        product as scope,
        sum(single_attempts)::integer as single_attempts,
        sum(multiple_attempts)::integer as multiple_attempts,
        count(*)::integer as strata
    from strata
    group by product
    union all
    select
        'all products' as scope,
        coalesce(sum(single_attempts), 0)::integer as single_attempts,
        coalesce(sum(multiple_attempts), 0)::integer as multiple_attempts,
        count(*)::integer as strata
    from strata
),

compared as (
    select
        coalesce(product, 'all products') as scope,
        count(*)::integer as matched_strata,
        sum(single_attempts)::integer as matched_single_attempts,
        sum(multiple_attempts)::integer as matched_multiple_attempts,
        sum(weight * single_connected / single_attempts) / sum(weight) as single_connection_ratio,
        sum(weight * multiple_connected / multiple_attempts) / sum(weight) as multiple_connection_ratio,
        sum(weight * difference) / sum(weight) as difference,
        sqrt(sum(weight * weight * variance)) / sum(weight) as standard_error
    from matched
    group by grouping sets ((product), ())
    having count(*) > 0
)

select
    scopes.scope,
    seen.as_of_date,
    scopes.single_attempts,
    scopes.multiple_attempts,
    scopes.strata,
    coalesce(compared.matched_strata, 0) as matched_strata,
    coalesce(compared.matched_single_attempts, 0) as matched_single_attempts,
    coalesce(compared.matched_multiple_attempts, 0) as matched_multiple_attempts,
    compared.single_connection_ratio,
    compared.multiple_connection_ratio,
    compared.difference as connection_ratio_difference,
    compared.difference - {{ var("interval_z", 1.959964) }} * compared.standard_error
        as connection_ratio_difference_lower,
    compared.difference + {{ var("interval_z", 1.959964) }} * compared.standard_error
        as connection_ratio_difference_upper,
    case
        when compared.scope is null then 'nothing_matches'
        when compared.difference - {{ var("interval_z", 1.959964) }} * compared.standard_error > 0
            then 'multiple_connects_more'
        when compared.difference + {{ var("interval_z", 1.959964) }} * compared.standard_error < 0
            then 'single_connects_more'
        else 'no_difference_shown'
    end as verdict
from scopes
cross join {{ ref("int_as_of") }} as seen
left join compared on scopes.scope = compared.scope
order by scopes.scope
