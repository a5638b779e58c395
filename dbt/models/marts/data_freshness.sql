{% set events = {
    "customers": "updated_at", "demands": "updated_at", "campaigns": "updated_at", "lines": "updated_at",
    "agents": "updated_at", "agent_states": "started_at", "agent_schedules": "starts_at", "calls": "started_at",
    "call_routes": "entered_at", "sales_rules": "effective_from", "phrase_rules": "effective_from",
    "complaints": "received_at", "number_marks": "observed_at",
    "phrase_reviews": "reviewed_at"
} -%}
with rows_delivered as (
    {% for entity, moment in events.items() -%}
    {% if not loop.first %}
    union all
    {% endif -%}
    select
        '{{ entity }}' as entity,
        coalesce(_source, 'unknown') as source,
        max({{ moment }}) as newest_row_at,
        max(_loaded_at) as newest_load_at,
        max(_delivered_on) as newest_delivered_on,
        count(*) as rows_loaded
    from {{ source("raw", entity) }}
    group by coalesce(_source, 'unknown')
    {%- endfor %}
    union all
    select
        'recordings' as entity,
        'bucket' as source,
        max(delivered_on::timestamp at time zone {{ business_time_zone() }}) as newest_row_at,
        max(loaded_at) as newest_load_at,
        max(delivered_on) as newest_delivered_on,
        count(*) as rows_loaded
    from {{ source("raw", "recordings") }}
    having count(*) > 0
    union all
    select
        'transcripts' as entity,
        'bucket' as source,
        max(delivered_on::timestamp at time zone {{ business_time_zone() }}) as newest_row_at,
        max(loaded_at) as newest_load_at,
        max(delivered_on) as newest_delivered_on,
        count(*) as rows_loaded
    from {{ source("raw", "transcripts") }}
    having count(*) > 0
),

quarantined_items as (
    select
        quarantine.scope,
        quarantine.status,
        quarantine.quarantined_at,
        case objects.kind
            when 'recording' then 'recordings'
            when 'transcript' then 'transcripts'
            else coalesce(quarantine.entity, objects.first_entity, 'unknown')
        end as entity,
        case when objects.kind = 'crm' then coalesce(objects.source, 'unknown') else 'bucket' end as source
    from {{ ref("stg_callmart__quarantine") }} as quarantine
    inner join {{ ref("stg_callmart__objects") }} as objects on quarantine.object_id = objects.object_id
),

quarantined as (
    select
        entity,
        source,
        count(*) filter (where scope = 'row' and status = 'open') as rows_quarantined,
        count(*) filter (where scope = 'file' and status = 'open') as files_quarantined,
        max(quarantined_at) as newest_quarantine_at
    from quarantined_items
    group by entity, source
)

select
    coalesce(rows_delivered.entity, quarantined.entity) as entity,
    coalesce(rows_delivered.source, quarantined.source) as source,
    rows_delivered.newest_row_at,
    rows_delivered.newest_load_at,
    rows_delivered.newest_delivered_on,
    {{ seconds_between("rows_delivered.newest_row_at", "rows_delivered.newest_load_at") }} as lag_seconds,
    coalesce(rows_delivered.rows_loaded, 0) as rows_loaded,
    coalesce(quarantined.rows_quarantined, 0) as rows_quarantined,
    coalesce(quarantined.files_quarantined, 0) as files_quarantined,
    quarantined.newest_quarantine_at
from rows_delivered
full join quarantined
    on rows_delivered.entity = quarantined.entity and rows_delivered.source = quarantined.source
order by entity, source
