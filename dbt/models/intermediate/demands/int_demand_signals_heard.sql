-- One row a demand and signal heard from its customer while the demand was known. In a customer with several
-- demands it counts for those of the product that the call was about, and for each where the call names none of
-- theirs, for the words do not say which was meant.
with known_demands as (
    select
        demand_id,
        customer_id,
        product,
        min(entered_at) as known_from,
        max(coalesce(left_at, {{ end_of_time() }})) as known_until
    from {{ ref("int_demand_stages_sessionised") }}
    group by demand_id, customer_id, product
),

heard as (
    select
        known_demands.demand_id,
        known_demands.customer_id,
        hits.call_id,
        hits.rule_id as signal_id,
        hits.hit_index,
        hits.name_en as signal_en,
        hits.name_zh as signal_zh,
        hits.started_at as call_started_at,
        hits.started_at + interval '1 millisecond' * coalesce(hits.start_ms, 0) as heard_at,
        hits.start_ms,
        hits.end_ms,
        hits.text as quote,
        coalesce(worth.value, 0) > 0 as is_interest,
        coalesce(known_demands.product = calls.product, false) as is_product_named
    from known_demands
    inner join {{ ref("int_phrase_hits_judged") }} as hits
        on
            known_demands.customer_id = hits.customer_id
            and known_demands.known_from <= hits.started_at
            and known_demands.known_until > hits.started_at
            and hits.purpose = 'signal'
            and hits.is_connected
    left join {{ ref("int_calls_reconciled") }} as calls on hits.call_id = calls.call_id
    left join {{ ref("evaluation_code_values") }} as worth
        on hits.rule_id = worth.code and worth.attribute = 'signal'
),

attributed as (
    select
        *,
        bool_or(is_product_named) over (partition by call_id) as is_some_product_named
    from heard
)

select
    demand_id,
    customer_id,
    call_id,
    signal_id,
    hit_index,
    signal_en,
    signal_zh,
    call_started_at,
    heard_at,
    start_ms,
    end_ms,
    quote,
    is_interest,
    count(*) over (partition by call_id, signal_id, hit_index, start_ms) > 1 as is_shared
from attributed
where is_product_named or not is_some_product_named
