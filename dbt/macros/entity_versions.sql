{#-
Every version of an entity's rows, in the order of docs/contracts.md: by `updated_at`, rows without it in
front, and equals by day of delivery, object key and place in the file. A delivery that repeats the version
before it, in every business column and in `updated_at`, is no version of its own.

valid_from/valid_to say which version was known at a moment: the one with the greatest version_number among
those with valid_from <= moment. The first version counts from the beginning of time (nothing else is known
about earlier), one without `updated_at` from the start of its day of delivery.

entity: table of the source raw; key, columns: its key and its other columns, without updated_at; phones:
columns that come as <col> and <col>_delivered. event_at: the moment of entities that are events. Where `as_of` is named, an event before it
counts even if its row was written a little later; otherwise rows and corrections after it do not exist yet.
-#}
{% macro entity_versions(entity, key, columns, phones=[], event_at=none) -%}
{%- set business_columns = key + columns + phones -%}
{%- for phone in phones -%}{%- do business_columns.append(phone ~ "_delivered") -%}{%- endfor -%}
{%- set order = "updated_at nulls first, _delivered_on, _object_key, _row_number, _row_part" -%}
{%- set as_of = named_as_of() -%}
with delivered as (
    select
        {% for column in business_columns %}{{ column }},
        {% endfor -%}
        updated_at,
        _extra,
        _source,
        _delivered_on,
        _object_key,
        _row_number,
        _row_part,
        _object_modified_at,
        md5(row({{ business_columns | join(", ") }}, updated_at, _extra)::text) as _content_md5
    from {{ source("raw", entity) }}
    {%- if as_of != "" %}
    where {{ event_at or "coalesce(updated_at, " ~ beginning_of_time() ~ ")" }} < {{ as_of }}
    {%- endif %}
),

marked as (
    select
        *,
        lag(_content_md5) over (partition by {{ key | join(", ") }} order by {{ order }}) as _previous_md5
    from delivered
),

numbered as (
    select
        *,
        row_number() over version_order as version_number
    from marked
    where _previous_md5 is null or _previous_md5 <> _content_md5
    window version_order as (partition by {{ key | join(", ") }} order by {{ order }})
),

dated as (
    select
        *,
        case
            when version_number = 1 then {{ beginning_of_time() }}
            else coalesce(updated_at, _delivered_on::timestamp at time zone {{ business_time_zone() }})
        end as valid_from
    from numbered
)

select
    {% for column in business_columns %}{{ column }},
    {% endfor -%}
    updated_at,
    version_number::integer as version_number,
    valid_from,
    _extra,
    _source,
    _delivered_on,
    _object_key,
    _row_number,
    _row_part,
    _object_modified_at,
    coalesce(
        min(valid_from) over (
            partition by {{ key | join(", ") }}
            order by version_number
            rows between 1 following and unbounded following
        ),
        {{ end_of_time() }}
    ) as valid_to,
    version_number = max(version_number) over (partition by {{ key | join(", ") }}) as is_current
from dated
{%- if as_of != "" %}
where valid_from < {{ as_of }}
{%- endif %}
{%- endmacro %}
