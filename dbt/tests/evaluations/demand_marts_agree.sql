-- A demand's present stage is its open interval; intervals follow each other; the funnel holds each entry once.
with history as (
    select
        *,
        lead(entered_at) over (partition by demand_id order by stage_number) as next_entered_at
    from {{ ref("customer_demand_history") }}
    where source = 'crm'
),

funnel as (
    select
        stage,
        sum(entered) as entered
    from {{ ref("demand_funnel") }}
    group by stage
),

entries as (
    select
        stage,
        count(
            distinct demand_id || '|' || date_trunc('week', entered_at at time zone {{ business_time_zone() }})
        ) as entered
    from history
    group by stage
)

select 'stage of ' || demands.demand_id as disagreement
from {{ ref("customer_demands") }} as demands
left join history on demands.demand_id = history.demand_id and history.is_current
where history.stage is distinct from demands.stage

union all

select 'intervals of ' || demand_id as disagreement
from history
where
    next_entered_at >= entered_at
    and (
        coalesce(left_at > next_entered_at, true)
        -- Only a deletion leaves a time without a stage.
        or (
            left_at < next_entered_at
            and not exists (
                select 1
                from {{ ref("int_demand_versions_ordered") }} as versions
                where versions.demand_id = history.demand_id and versions.is_deleted
            )
        )
    )

union all

select 'funnel of ' || coalesce(entries.stage, funnel.stage) as disagreement
from entries
full outer join funnel on entries.stage = funnel.stage
where entries.entered is distinct from funnel.entered
