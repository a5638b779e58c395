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
        version_number,
        lead(version_number) over (partition by demand_id order by stage_number) as next_version_number,
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
),

-- What the CRM expected when the stay ended, or expects now.
stay_values as (
    select distinct on (stages.demand_id, stages.stage_number)
        stages.demand_id,
        stages.stage_number,
        versions.expected_value,
        coalesce(versions.currency, 'XXX') as currency
    from stages
    inner join {{ ref("int_demand_versions_ordered") }} as versions
        on
            stages.demand_id = versions.demand_id
            and stages.version_number <= versions.version_number
            and coalesce(stages.next_version_number > versions.version_number, true)
            and not versions.is_deleted
    order by stages.demand_id asc, stages.stage_number asc, versions.version_number desc
),

stays as (
    select
        stages.*,
        campaigns.campaign_id,
        outcomes.is_won,
        outcomes.is_lost,
        stay_values.expected_value,
        stay_values.currency,
        row_number() over (
            partition by
                stages.demand_id, stages.stage, stages.product, campaigns.campaign_id, stages.week_date
            order by stages.stage_number desc
        ) = 1 as is_last_of_week
    from stages
    inner join outcomes on stages.demand_id = outcomes.demand_id and stages.stage_number = outcomes.stage_number
    left join stay_values
        on stages.demand_id = stay_values.demand_id and stages.stage_number = stay_values.stage_number
    left join campaigns on stages.demand_id = campaigns.demand_id and stages.stage_number = campaigns.stage_number
),

currency_totals as (
    select
        stage,
        product,
        campaign_id,
        week_date,
        currency,
        sum(expected_value) as entered_value,
        coalesce(sum(expected_value) filter (where is_won), 0) as won_value,
        count(*) as entered
    from stays
    where is_last_of_week and expected_value is not null
    group by stage, product, campaign_id, week_date, currency
),

values_by_currency as (
    select
        stage,
        product,
        campaign_id,
        week_date,
        jsonb_object_agg(currency, entered_value) as entered_value,
        jsonb_object_agg(currency, won_value) as won_value,
        sum(entered)::integer as entered
    from currency_totals
    group by stage, product, campaign_id, week_date
),

entries as (
    select
        stage,
        product,
        campaign_id,
        week_date,
        count(distinct demand_id)::integer as entered,
        count(distinct demand_id) filter (where is_left_censored)::integer as entered_left_censored,
        count(distinct demand_id) filter (where is_won)::integer as won,
        count(distinct demand_id) filter (where is_lost and not is_won)::integer as lost,
        {{ ratio("count(distinct demand_id) filter (where is_won)", "count(distinct demand_id)") }}
            as conversion_ratio,
        count(left_at)::integer as completed,
        percentile_cont(0.5) within group (
            order by {{ seconds_between("entered_at", "left_at") }} / 86400
        ) as median_days
    from stays
    group by stage, product, campaign_id, week_date
)

select
    entries.stage,
    entries.product,
    entries.campaign_id,
    entries.week_date,
    entries.entered,
    entries.entered_left_censored,
    entries.won,
    entries.lost,
    entries.conversion_ratio,
    entries.completed,
    entries.median_days,
    coalesce(values_by_currency.entered, 0) as entered_with_value,
    coalesce(values_by_currency.entered_value, '{}'::jsonb) as expected_value_by_currency,
    coalesce(values_by_currency.won_value, '{}'::jsonb) as won_value_by_currency
from entries
left join values_by_currency
    on
        entries.stage = values_by_currency.stage
        and entries.product is not distinct from values_by_currency.product
        and entries.campaign_id is not distinct from values_by_currency.campaign_id
        and entries.week_date = values_by_currency.week_date
