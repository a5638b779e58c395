{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[
        {"columns": ["call_id"], "unique": true}, {"columns": ["customer_id", "started_at"]},
        {"columns": ["customer_number"]}, {"columns": ["started_at"]}
    ],
    pre_hook=nestloop_off(),
    meta={
        "touched": ["call_id", "calls"],
        "in_order": ["started_at", "call_id"],
        "touches": [touch("days", "call_date"), touch_inbound_calls()]
    }
) }}
-- One row a call as its own row tells it: who, which line and which agent, as of its start. What the source
-- delivered counts; what it left out is found by number or extension, and several matches give null.
with calls as (
    select
        *,
        case when direction = 'outbound' then to_number else from_number end as customer_number,
        case when direction = 'outbound' then from_number else to_number end as line_number
    from {{ ref("stg_callmart__calls") }}
    {{ only_touched("call_id", "calls", through_view=true) }}
),

merged as (
    select * from {{ ref("int_customers_merged") }}
),

customers_by_number as (
    select
        calls.call_id,
        {{ holder("coalesce(merged.surviving_customer_id, customers.customer_id)", existed_customer()) }}
            as customer_id,
        {{ holders("coalesce(merged.surviving_customer_id, customers.customer_id)", existed_customer()) }}
            as matches
    from calls
    inner join {{ ref("int_customers_located") }} as customers
        on
            calls.customer_number = customers.phone
            and calls.started_at >= customers.valid_from
            and calls.started_at < customers.valid_to
    left join merged on customers.customer_id = merged.customer_id
    where
        calls.customer_id is null
        and (customers.deleted_at is null or customers.deleted_at > calls.started_at)
    group by calls.call_id
),

lines_by_number as (
    select
        calls.call_id,
        min(lines.line_id) as line_id,
        count(distinct lines.line_id) as matches
    from calls
    inner join {{ ref("stg_callmart__lines_versions") }} as lines
        on
            calls.line_number = lines.number
            and calls.started_at >= lines.valid_from
            and calls.started_at < lines.valid_to
    where calls.line_id is null
    group by calls.call_id
),

agents_by_extension as (
    select
        calls.call_id,
        {{ holder("agents.agent_id", existed_agent()) }} as agent_id,
        {{ holders("agents.agent_id", existed_agent()) }} as matches
    from calls
    inner join {{ ref("stg_callmart__agents_versions") }} as agents
        on
            calls.agent_extension = agents.extension
            and calls.started_at >= agents.valid_from
            and calls.started_at < agents.valid_to
    where calls.agent_id is null
    group by calls.call_id
),

identified as (
    select
        calls.*,
        coalesce(
            calls.customer_id, case when customers_by_number.matches = 1 then customers_by_number.customer_id end
        ) as found_customer_id,
        {{ match_method("calls.customer_id", "customers_by_number.matches", "number") }} as customer_match_method,
        coalesce(
            calls.line_id, case when lines_by_number.matches = 1 then lines_by_number.line_id end
        ) as found_line_id,
        {{ match_method("calls.line_id", "lines_by_number.matches", "number") }} as line_match_method,
        coalesce(
            calls.agent_id, case when agents_by_extension.matches = 1 then agents_by_extension.agent_id end
        ) as found_agent_id,
        {{ match_method("calls.agent_id", "agents_by_extension.matches", "extension") }} as agent_match_method
    from calls
    left join customers_by_number on calls.call_id = customers_by_number.call_id
    left join lines_by_number on calls.call_id = lines_by_number.call_id
    left join agents_by_extension on calls.call_id = agents_by_extension.call_id
),

-- The customer as it stood at the start: where it had been merged by then, the survivor speaks.
placed as (
    select
        identified.call_id,
        coalesce(survivor.customer_id, customers.customer_id) as customer_id_at_start,
        coalesce(survivor.region, customers.region) as region,
        coalesce(survivor.segment, customers.segment) as segment,
        coalesce(survivor.consent_status, customers.consent_status) as consent_status,
        case when survivor.customer_id is null then customers.do_not_call else survivor.do_not_call end as do_not_call,
        coalesce(survivor.time_zone, customers.time_zone) as time_zone,
        coalesce(survivor.time_zone_origin, customers.time_zone_origin) as time_zone_origin,
        coalesce(survivor.country, customers.country) as country
    from identified
    inner join {{ ref("int_customers_located") }} as customers
        on
            identified.found_customer_id = customers.customer_id
            and identified.started_at >= customers.valid_from
            and identified.started_at < customers.valid_to
    left join merged
        on customers.customer_id = merged.customer_id and customers.merged_into_customer_id is not null
    left join {{ ref("int_customers_located") }} as survivor
        on
            merged.surviving_customer_id = survivor.customer_id
            and identified.started_at >= survivor.valid_from
            and identified.started_at < survivor.valid_to
),

numbers as (
    {{ numbers_located(
        "select distinct identified.customer_number as number from identified left join placed"
        " on identified.call_id = placed.call_id where coalesce(placed.time_zone_origin, 'site') = 'site'"
    ) | indent(4) }}
),

attributed as (
    select
        identified.*,
        placed.region,
        placed.segment,
        placed.consent_status,
        placed.do_not_call,
        coalesce(merged.surviving_customer_id, identified.found_customer_id) as surviving_customer_id,
        -- A customer of whom neither zone nor region nor a number of their own tells it is where the called number is.
        coalesce(
            case when placed.time_zone_origin <> 'site' then placed.country end,
            numbers.country,
            placed.country,
            {{ business_country() }}
        ) as customer_country,
        coalesce(
            case when placed.time_zone_origin <> 'site' then placed.time_zone end,
            numbers.time_zone,
            {{ business_time_zone() }}
        ) as customer_time_zone,
        coalesce(
            nullif(placed.time_zone_origin, 'site'), case when numbers.time_zone is not null then 'number' end, 'site'
        ) as customer_time_zone_origin
    from identified
    left join merged on identified.found_customer_id = merged.customer_id
    left join placed on identified.call_id = placed.call_id
    left join numbers on identified.customer_number = numbers.number
),

lined as (
    select
        attributed.call_id,
        lines.line_group,
        lines.region as line_region,
        lines.carrier
    from attributed
    inner join {{ ref("stg_callmart__lines_versions") }} as lines
        on
            attributed.found_line_id = lines.line_id
            and attributed.started_at >= lines.valid_from
            and attributed.started_at < lines.valid_to
),

-- The line mode of an inbound call: that of the group of the called line, which is single where the group has
-- one line in use and multiple where it has several. A line without a group stands alone.
inbound_modes as (
    select
        lined.call_id,
        case when count(distinct members.line_id) > 1 then 'multiple' else 'single' end as line_mode
    from lined
    inner join attributed on lined.call_id = attributed.call_id and attributed.direction = 'inbound'
    inner join {{ ref("stg_callmart__lines_versions") }} as members
        on
            lined.line_group = members.line_group
            and attributed.started_at >= members.valid_from
            and attributed.started_at < members.valid_to
            and members.is_active is not false
    group by lined.call_id
)

select
    attributed.call_id,
    attributed.direction,
    attributed.campaign_id as delivered_campaign_id,
    attributed.surviving_customer_id as customer_id,
    attributed.found_customer_id as original_customer_id,
    attributed.customer_match_method,
    attributed.found_agent_id as agent_id,
    attributed.agent_match_method,
    attributed.found_line_id as line_id,
    attributed.line_match_method,
    attributed.from_number,
    attributed.to_number,
    attributed.customer_number,
    attributed.started_at,
    attributed.ringing_at,
    attributed.answered_at,
    attributed.agent_joined_at,
    attributed.ended_at,
    attributed.disposition,
    attributed.sip_code,
    attributed.q850_cause,
    attributed.hangup_by,
    attributed.queue,
    attributed.list_id,
    attributed.recording_key,
    attributed.updated_at,
    attributed.version_number,
    attributed.customer_country,
    attributed.customer_time_zone,
    attributed.customer_time_zone_origin,
    attributed.region as customer_region,
    attributed.segment as customer_segment,
    attributed.consent_status,
    attributed.do_not_call,
    lined.line_group,
    lined.carrier,
    coalesce(
        inbound_modes.line_mode,
        case when attributed.direction = 'inbound' and lined.call_id is not null then 'single' end
    ) as inbound_line_mode,
    attributed._source as source,
    attributed._extra as extra,
    attributed.hold_seconds::double precision as hold_seconds,
    attributed.wrap_up_seconds::double precision as wrap_up_seconds,
    attributed.billable_seconds::double precision as billable_seconds,
    coalesce(attributed.surviving_customer_id, attributed.customer_number) as customer_key,
    attributed.started_at at time zone attributed.customer_time_zone as customer_local_started_at,
    {{ business_date("attributed.started_at") }} as call_date,
    {{ half_hour("attributed.started_at") }} as half_hour_at
from attributed
left join lined on attributed.call_id = lined.call_id
left join inbound_modes on attributed.call_id = inbound_modes.call_id
order by attributed.started_at, attributed.call_id
