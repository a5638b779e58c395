with stages as (
    select
        demand_id,
        customer_id,
        product,
        stage,
        stage_number,
        entered_at,
        left_at,
        is_left_censored,
        date_trunc('week', entered_at at time zone {{ business_time_zone() }})::date as week_date
    from {{ ref("int_demand_stages_sessionised") }}
),

attempts as (
    select
        customer_id,
        campaign_id,
        call_id,
        started_at
    from {{ ref("int_calls_reconciled") }}
    where direction = 'outbound' and campaign_id is not null
),

campaigns as (
    select distinct on (stages.demand_id, stages.stage_number)
        stages.demand_id,
        stages.stage_number,
        attempts.campaign_id
    from stages
    inner join attempts
        on
            stages.customer_id = attempts.customer_id
            and stages.entered_at >= attempts.started_at
            and attempts.started_at
            > stages.entered_at
            - interval '1 day'
            * {{ evaluation_setting("campaign_memory_days", business_date("stages.entered_at")) }}
    order by stages.demand_id asc, stages.stage_number asc, attempts.started_at desc, attempts.call_id desc
),

outcomes as (
    select
        stages.demand_id,
        stages.stage_number,
        coalesce(bool_or(later.stage = 'won'), false) as is_won,
        coalesce(bool_or(later.stage = 'lost'), false) as is_lost
    from stages
    left join stages as later
        on stages.demand_id = later.demand_id and stages.stage_number <= later.stage_number
    group by stages.demand_id, stages.stage_number
)

select
    stages.stage,
    stages.product,
    campaigns.campaign_id,
    stages.week_date,
    count(distinct stages.demand_id)::integer as entered,
    count(distinct stages.demand_id) filter (where stages.is_left_censored)::integer as entered_left_censored,
    count(distinct stages.demand_id) filter (where outcomes.is_won)::integer as won,
    count(distinct stages.demand_id) filter (where outcomes.is_lost and not outcomes.is_won)::integer as lost,
    {{ ratio(
        "count(distinct stages.demand_id) filter (where outcomes.is_won)", "count(distinct stages.demand_id)"
    ) }} as conversion_ratio,
    count(stages.left_at)::integer as completed,
    percentile_cont(0.5) within group (
        order by {{ seconds_between("stages.entered_at", "stages.left_at") }} / 86400
    ) as median_days
from stages
inner join outcomes on stages.demand_id = outcomes.demand_id and stages.stage_number = outcomes.stage_number
left join campaigns on stages.demand_id = campaigns.demand_id and stages.stage_number = campaigns.stage_number
group by stages.stage, stages.product, campaigns.campaign_id, stages.week_date
