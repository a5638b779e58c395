{{ config(materialized="view") }}
-- One row a call: who, which line, which agent and which campaign, as of its start.
select
    calls.call_id,
    calls.direction,
    calls.customer_id,
    calls.original_customer_id,
    calls.customer_match_method,
    calls.agent_id,
    calls.agent_match_method,
    calls.line_id,
    calls.line_match_method,
    calls.from_number,
    calls.to_number,
    calls.customer_number,
    calls.started_at,
    calls.ringing_at,
    calls.answered_at,
    calls.agent_joined_at,
    calls.ended_at,
    calls.disposition,
    calls.sip_code,
    calls.q850_cause,
    calls.hangup_by,
    calls.queue,
    calls.list_id,
    calls.recording_key,
    calls.updated_at,
    calls.version_number,
    calls.customer_country,
    calls.customer_time_zone,
    calls.customer_time_zone_origin,
    calls.customer_region,
    calls.customer_segment,
    calls.consent_status,
    calls.do_not_call,
    calls.line_group,
    calls.carrier,
    campaigns.product,
    calls.source,
    calls.extra,
    calls.hold_seconds,
    calls.wrap_up_seconds,
    calls.billable_seconds,
    coalesce(calls.delivered_campaign_id, found.campaign_id) as campaign_id,
    calls.delivered_campaign_id is null and found.campaign_id is not null as is_campaign_inferred,
    calls.customer_key,
    calls.customer_local_started_at,
    calls.call_date,
    calls.half_hour_at,
    case
        when calls.direction = 'outbound' then campaigns.line_mode
        else calls.inbound_line_mode
    end as line_mode
from {{ ref("int_calls_attributed") }} as calls
left join {{ ref("int_inbound_campaigns_found") }} as found on calls.call_id = found.call_id
left join {{ ref("stg_callmart__campaigns_versions") }} as campaigns
    on
        coalesce(calls.delivered_campaign_id, found.campaign_id) = campaigns.campaign_id
        and calls.started_at >= campaigns.valid_from
        and calls.started_at < campaigns.valid_to
