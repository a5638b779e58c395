-- Attempts to a customer whose consent was anything but granted when the call started; unknown is not granted.
with attempts as (
    {{ attempts_under_rule("consent_required") | indent(4) }}
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_build_object('consent_status', coalesce(consent_status, 'unknown')) as detail
from attempts
where consent_status is distinct from 'granted'
