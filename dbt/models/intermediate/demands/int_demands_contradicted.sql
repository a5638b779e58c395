-- One row a demand whose present stage disagrees with what its customer said since the stage was entered: the
-- newest such signal that no later word of the opposite kind (interest, or its absence) took back. Which signal
-- contradicts which stage is seeded.
with signals as (
    select * from {{ ref("int_demand_signals_heard") }}
)

select distinct on (stages.demand_id)
    stages.demand_id,
    stages.stage,
    stages.entered_at,
    stages.version_number,
    signals.call_id,
    signals.signal_id,
    signals.signal_en,
    signals.signal_zh,
    signals.heard_at,
    signals.start_ms,
    signals.quote,
    contradictions.reason_en,
    contradictions.reason_zh
from {{ ref("int_demand_stages_sessionised") }} as stages
inner join signals
    on stages.demand_id = signals.demand_id and stages.entered_at <= signals.call_started_at
inner join {{ ref("demand_contradictions") }} as contradictions
    on signals.signal_id = contradictions.signal_id and stages.stage = contradictions.stage
where
    stages.is_current
    and not exists (
        select 1
        from signals as later
        where
            later.demand_id = signals.demand_id
            and later.heard_at > signals.heard_at
            and later.is_interest <> signals.is_interest
    )
order by
    stages.demand_id asc,
    signals.call_started_at desc,
    signals.start_ms desc nulls last,
    signals.signal_id asc
