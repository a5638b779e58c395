-- One row a demand whose present stage disagrees with what its customer said since the stage was entered: the
-- newest such signal. Which signal contradicts which stage is seeded.
select distinct on (stages.demand_id)
    stages.demand_id,
    signals.call_id,
    signals.start_ms,
    signals.quote,
    contradictions.reason_en,
    contradictions.reason_zh
from {{ ref("int_demand_stages_sessionised") }} as stages
inner join {{ ref("int_demand_signals_heard") }} as signals
    on stages.demand_id = signals.demand_id and stages.entered_at <= signals.call_started_at
inner join {{ ref("demand_contradictions") }} as contradictions
    on signals.signal_id = contradictions.signal_id and stages.stage = contradictions.stage
where stages.is_current
order by
    stages.demand_id asc,
    signals.call_started_at desc,
    signals.start_ms desc nulls last,
    signals.signal_id asc
