-- One row a demand and interval in which its customer's words showed another stage than the CRM had. Which signal
-- shows which stage beside which stage of the CRM is seeded. It ends with the next signal that shows another
-- stage, with the CRM's next stage beside which the words no longer show the same one (it caught up, or says
-- something newer), and with the deletion. crm_entered_at: the CRM came to the same stage; null where it never
-- did. The CRM's own intervals stay as they are.
with stages as (
    select * from {{ ref("int_demand_stages_sessionised") }}
),

shown as (
    select
        signals.demand_id,
        stages.customer_id,
        stages.product,
        signals.call_id,
        signals.signal_id,
        signals.hit_index,
        signals.quote,
        signals.start_ms,
        signals.end_ms,
        signals.heard_at,
        stages.stage as crm_stage,
        shows.shown_stage,
        shows.shown_rank,
        -- Words of rank 0 begin what is heard anew.
        count(*) filter (where shows.shown_rank = 0) over signal_order as takings_back,
        -- The CRM's first later stay beside which the same words would show something else.
        coalesce(
            (
                select min(later.entered_at)
                from stages as later
                left join {{ ref("demand_signal_stages") }} as still
                    on
                        later.stage = still.crm_stage
                        and still.signal_id = signals.signal_id
                        and still.outlasts_entry
                where
                    later.demand_id = signals.demand_id
                    and later.stage_number > stages.stage_number
                    and still.shown_stage is distinct from shows.shown_stage
            ),
            (
                select max(later.left_at)
                from stages as later
                where later.demand_id = signals.demand_id
                having bool_and(later.left_at is not null)
            ),
            {{ end_of_time() }}
        ) as crm_ends_at
    from {{ ref("int_demand_signals_heard") }} as signals
    inner join stages
        on
            signals.demand_id = stages.demand_id
            and signals.heard_at >= stages.entered_at
            and signals.heard_at < coalesce(stages.left_at, {{ end_of_time() }})
    inner join {{ ref("demand_signal_stages") }} as shows
        on stages.stage = shows.crm_stage and signals.signal_id = shows.signal_id
    window signal_order as (
        partition by signals.demand_id
        order by signals.heard_at, signals.call_id, signals.hit_index, signals.signal_id
    )
),

-- A customer who wants to buy and then asks for the price still wants to buy.
counted as (
    select
        shown.*,
        row_number() over (
            partition by shown.demand_id
            order by shown.heard_at, shown.call_id, shown.hit_index, shown.signal_id
        ) as signal_number
    from shown
    where
        not exists (
            select 1
            from shown as earlier
            where
                earlier.demand_id = shown.demand_id
                and earlier.takings_back = shown.takings_back
                and earlier.shown_rank > shown.shown_rank
                and shown.shown_rank > 0
                and earlier.heard_at <= shown.heard_at
                and earlier.crm_ends_at > shown.heard_at
        )
),

marked as (
    select
        *,
        coalesce(
            lag(shown_stage) over signal_order = shown_stage
            and max(crm_ends_at) over (
                partition by demand_id order by signal_number rows between unbounded preceding and 1 preceding
            ) >= heard_at,
            false
        ) as is_continued
    from counted
    window signal_order as (partition by demand_id order by signal_number)
),

islands as (
    select
        *,
        count(*) filter (where not is_continued) over (partition by demand_id order by signal_number) as stage_number
    from marked
),

intervals as (
    select distinct on (demand_id, stage_number)
        demand_id,
        stage_number,
        customer_id,
        product,
        shown_stage as stage,
        crm_stage,
        call_id,
        signal_id,
        quote,
        start_ms,
        end_ms,
        heard_at as entered_at,
        max(crm_ends_at) over island as crm_ends_at
    from islands
    window island as (partition by demand_id, stage_number)
    order by demand_id asc, stage_number asc, signal_number asc
),

ended as (
    select
        *,
        lead(stage) over stage_order as next_stage,
        least(crm_ends_at, coalesce(lead(entered_at) over stage_order, {{ end_of_time() }})) as ends_at
    from intervals
    window stage_order as (partition by demand_id order by stage_number)
)

select
    ended.demand_id,
    ended.stage_number,
    ended.customer_id,
    ended.product,
    ended.stage,
    ended.crm_stage,
    ended.call_id,
    ended.signal_id,
    ended.quote,
    ended.start_ms,
    ended.end_ms,
    ended.entered_at,
    nullif(ended.ends_at, {{ end_of_time() }}) as left_at,
    ended.ends_at = {{ end_of_time() }} as is_current,
    case when ended.ends_at < ended.crm_ends_at then ended.next_stage end as next_stage,
    case when caught_up.demand_id is not null then ended.crm_ends_at end as crm_entered_at
from ended
left join stages as caught_up
    on
        ended.demand_id = caught_up.demand_id
        and ended.stage = caught_up.stage
        and ended.crm_ends_at = caught_up.entered_at
