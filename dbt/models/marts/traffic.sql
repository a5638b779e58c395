{{ config(
    materialized="incremental",
    unique_key="traffic_id",
    indexes=[{"columns": ["half_hour_at"]}],
    meta={"touched": ["half_hour_at", "half_hours"], "in_order": ["half_hour_at", "campaign_id", "line_id", "agent_id"]}
) }}
select
    md5(concat_ws(
        '|', coalesce(campaign_id, ''), coalesce(line_id, ''), coalesce(agent_id, ''),
        extract(epoch from half_hour_at)::bigint::text
    )) as traffic_id,
    half_hour_at,
    call_date,
    campaign_id,
    line_id,
    agent_id,
    {{ traffic_figures() }}
from {{ ref("int_calls_measured") }}
{{ only_touched("half_hour_at", "half_hours") }}
group by half_hour_at, call_date, campaign_id, line_id, agent_id
order by half_hour_at, campaign_id, line_id, agent_id
