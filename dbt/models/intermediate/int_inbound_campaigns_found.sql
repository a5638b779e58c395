{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["call_id"], "unique": true}],
    meta={"touched": ["call_id", "calls"]}
) }}
-- An inbound call that names no campaign belongs to that of the customer's last attempt in the days before.
select distinct on (inbound.call_id)
    inbound.call_id,
    attempts.delivered_campaign_id as campaign_id
from {{ ref("int_calls_attributed") }} as inbound
inner join {{ ref("int_calls_attributed") }} as attempts
    on
        inbound.customer_id = attempts.customer_id
        and attempts.direction = 'outbound'
        and inbound.started_at > attempts.started_at
        and attempts.started_at >= inbound.started_at - interval '{{ var("inbound_campaign_days") }} days'
where
    inbound.direction = 'inbound' and inbound.delivered_campaign_id is null
    {{ only_touched("inbound.call_id", "calls", "and") }}
order by inbound.call_id asc, attempts.started_at desc, attempts.call_id desc
