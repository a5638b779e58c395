{%- set attributes = [
    "customer_id", "product", "stage", "expected_value", "currency", "budget", "decision_role", "need_by_date",
    "next_action", "next_action_due_at", "owner_agent_id", "created_at", "closed_at", "close_reason", "deleted_at"
] -%}
with versions as (
    select * from {{ ref("int_demand_versions_ordered") }}
),

-- Times as UTC, so that the session's time zone does not show. A column of the centre's own that a delivery
-- leaves out is not known to have changed.
attributes as (
    select
        versions.demand_id,
        versions.customer_id,
        versions.version_number,
        versions.known_at,
        attribute.name,
        attribute.value,
        attribute.is_custom
    from versions
    cross join
        lateral (
            values
            {%- for attribute in attributes %}
            {%- if attribute.endswith("_at") %}
            (
                '{{ attribute }}',
                to_char(versions.{{ attribute }} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                false
            )
            {%- else %}
            ('{{ attribute }}', versions.{{ 'delivered_' if attribute == 'customer_id' }}{{ attribute }}::text, false)
            {%- endif %}{{ "," if not loop.last }}
            {%- endfor %}
        ) as attribute (name, value, is_custom)

    union all

    select
        versions.demand_id,
        versions.customer_id,
        versions.version_number,
        versions.known_at,
        custom.key as name,
        custom.value,
        true as is_custom
    from versions
    cross join lateral jsonb_each_text(coalesce(versions._extra, '{}'::jsonb)) as custom
),

compared as (
    select
        *,
        lag(value) over attribute_history as previous_value,
        row_number() over attribute_history as seen
    from attributes
    window attribute_history as (partition by demand_id, name order by version_number)
)

select
    demand_id,
    version_number,
    name as attribute,
    customer_id,
    is_custom,
    {{ masked_attribute("name", "previous_value", "is_custom") }} as from_value,
    {{ masked_attribute("name", "value", "is_custom") }} as to_value,
    known_at as seen_at
from compared
where seen > 1 and value is distinct from previous_value
