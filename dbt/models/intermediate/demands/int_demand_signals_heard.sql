-- One row a demand and signal heard from its customer since the demand is known; in a customer with
-- several demands it counts for each, for the words do not say which was meant.
with first_stages as (
    select
        demand_id,
        customer_id,
        min(entered_at) as known_from
    from {{ ref("int_demand_stages_sessionised") }}
    group by demand_id, customer_id
)

select
    first_stages.demand_id,
    first_stages.customer_id,
    hits.call_id,
    hits.rule_id as signal_id,
    hits.hit_index,
    hits.name_en as signal_en,
    hits.name_zh as signal_zh,
    hits.started_at as call_started_at,
    hits.start_ms,
    hits.end_ms,
    hits.text as quote,
    coalesce(worth.value, 0) > 0 as is_interest
from first_stages
inner join {{ ref("int_phrase_hits_judged") }} as hits
    on
        first_stages.customer_id = hits.customer_id
        and first_stages.known_from <= hits.started_at
        and hits.purpose = 'signal'
        and hits.is_connected
left join {{ ref("evaluation_code_values") }} as worth
    on hits.rule_id = worth.code and worth.attribute = 'signal'
