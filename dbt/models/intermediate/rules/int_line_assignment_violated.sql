-- Attempts over a line of another group than the one the rule names for the customer's region.
with attempts as (
    {{ attempts_under_rule("line_assignment") | indent(4) }}
)

select
    {{ violation_columns() }},
    call_id,
    customer_id,
    campaign_id,
    started_at as violated_at,
    jsonb_build_object(
        'region', customer_region,
        'line_group', line_group,
        'assigned_line_group', parameters ->> customer_region
    ) as detail
from attempts
where
    line_id is not null
    and parameters ? customer_region
    and line_group is distinct from parameters ->> customer_region
