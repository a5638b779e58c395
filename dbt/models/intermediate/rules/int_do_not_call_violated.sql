-- Attempts to a customer who was flagged when the call started.
with attempts as (
    {{ attempts_under_rule("do_not_call") | indent(4) }}
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_build_object('do_not_call', do_not_call) as detail
from attempts
where do_not_call
