-- One row a demand and interval in one stage, from the updated_at of the version in which the stage appears.
-- The earliest version delivered may show a stage late: a new demand is dated back to created_at, one won or
-- lost to closed_at, and for all others what lies before is unknown (docs/metrics.md). A deletion ends the stay;
-- a demand that comes back begins another, in whichever stage.
with versions as (
    select
        demand_id,
        customer_id,
        product,
        stage,
        version_number,
        is_deleted,
        created_at,
        closed_at,
        known_at,
        case when is_deleted then coalesce(deleted_at, known_at) end as deleted_at,
        case when not is_deleted then stage end as living_stage
    from {{ ref("int_demand_versions_ordered") }}
),

compared as (
    select
        *,
        lag(living_stage) over version_order as previous_stage,
        row_number() over (partition by demand_id, is_deleted order by version_number) = 1 as is_first_living,
        row_number() over version_order = 1 as is_first
    from versions
    window version_order as (partition by demand_id order by version_number)
),

-- Where a stay begins or, by a deletion, only ends.
edges as (
    select
        demand_id,
        version_number,
        is_deleted,
        living_stage as stage,
        known_at,
        case
            when is_deleted then deleted_at
            when not is_first_living then known_at
            when stage = 'new' then coalesce(created_at, known_at)
            when stage in ('won', 'lost') then coalesce(closed_at, known_at)
            else known_at
        end as entered_at,
        not is_deleted
        and is_first_living
        and not coalesce(
            (stage = 'new' and created_at is not null) or (stage in ('won', 'lost') and closed_at is not null),
            false
        ) as is_left_censored
    from compared
    where is_first or living_stage is distinct from previous_stage
),

intervals as (
    select
        *,
        lead(entered_at) over edge_order as next_entered_at,
        lead(stage) over edge_order as next_stage
    from edges
    window edge_order as (partition by demand_id order by version_number)
),

-- What the demand is about, as its newest version says.
subjects as (
    select distinct on (demand_id)
        demand_id,
        customer_id,
        product
    from versions
    where not is_deleted
    order by demand_id asc, version_number desc
)

select
    intervals.demand_id,
    subjects.customer_id,
    subjects.product,
    intervals.stage,
    intervals.entered_at,
    intervals.is_left_censored,
    intervals.next_stage,
    intervals.version_number,
    intervals.known_at,
    row_number() over (
        partition by intervals.demand_id order by intervals.version_number
    ) as stage_number,
    greatest(intervals.next_entered_at, case when intervals.next_entered_at is not null then intervals.entered_at end)
        as left_at,
    intervals.next_entered_at is null as is_current
from intervals
inner join subjects on intervals.demand_id = subjects.demand_id
where not intervals.is_deleted
