-- One row a demand and interval in one stage, from the updated_at of the version in which the stage appears.
-- The earliest version delivered may show a stage late: a new demand is dated back to created_at, one won or
-- lost to closed_at, and for all others what lies before is unknown (docs/metrics.md).
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
        deleted_at,
        is_current,
        known_at,
        lag(stage) over (partition by demand_id order by version_number) as previous_stage
    from {{ ref("int_demand_versions_ordered") }}
),

living as (
    select * from versions
    where not is_deleted
),

deletions as (
    select
        demand_id,
        min(deleted_at) as deleted_at
    from versions
    where is_deleted and is_current
    group by demand_id
),

entries as (
    select
        demand_id,
        version_number,
        stage,
        row_number() over stage_order as stage_number,
        case
            when previous_stage is not null then known_at
            when stage = 'new' then coalesce(created_at, known_at)
            when stage in ('won', 'lost') then coalesce(closed_at, known_at)
            else known_at
        end as entered_at,
        previous_stage is null
        and not coalesce(
            (stage = 'new' and created_at is not null) or (stage in ('won', 'lost') and closed_at is not null),
            false
        ) as is_left_censored
    from living
    where previous_stage is null or previous_stage <> stage
    window stage_order as (partition by demand_id order by version_number)
),

intervals as (
    select
        entries.*,
        lead(entries.entered_at) over stage_order as next_entered_at,
        lead(entries.stage) over stage_order as next_stage
    from entries
    window stage_order as (partition by entries.demand_id order by entries.version_number)
),

-- What the demand is about, as its newest version says.
subjects as (
    select distinct on (demand_id)
        demand_id,
        customer_id,
        product
    from living
    order by demand_id asc, version_number desc
)

select
    intervals.demand_id,
    subjects.customer_id,
    subjects.product,
    intervals.stage_number,
    intervals.stage,
    intervals.entered_at,
    intervals.is_left_censored,
    intervals.next_stage,
    intervals.version_number,
    case
        when coalesce(intervals.next_entered_at, deletions.deleted_at) is not null
            then greatest(coalesce(intervals.next_entered_at, deletions.deleted_at), intervals.entered_at)
    end as left_at,
    intervals.next_entered_at is null and deletions.deleted_at is null as is_current
from intervals
inner join subjects on intervals.demand_id = subjects.demand_id
left join deletions on intervals.demand_id = deletions.demand_id
