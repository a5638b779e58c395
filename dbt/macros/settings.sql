{#- Settings and small expressions which more than one model needs. -#}

{% macro business_time_zone() -%}
'{{ var("business_time_zone", env_var("CALLMART_BUSINESS_TIME_ZONE", "Asia/Shanghai")) }}'
{%- endmacro %}

{% macro business_country() -%}
'{{ var("business_country", env_var("CALLMART_DEFAULT_COUNTRY", "CN")) }}'
{%- endmacro %}

{#- The day in the business time zone on which a moment falls. -#}
{% macro business_date(moment) -%}
(({{ moment }}) at time zone {{ business_time_zone() }})::date
{%- endmacro %}

{#- The half hour of the business time zone in which a moment falls, as a timestamptz. -#}
{% macro half_hour(moment) -%}
date_bin(
    interval '30 minutes', {{ moment }}, timestamp '2000-01-01 00:00' at time zone {{ business_time_zone() }}
)
{%- endmacro %}

{#- Seconds from one moment to another; null where either is missing. -#}
{% macro seconds_between(earlier, later) -%}
extract(epoch from ({{ later }}) - ({{ earlier }}))::double precision
{%- endmacro %}

{#- A ratio: null over a zero or missing denominator, never 0 or 100 %. -#}
{% macro ratio(numerator, denominator) -%}
({{ numerator }})::double precision / nullif(({{ denominator }})::double precision, 0)
{%- endmacro %}

{#- A sum that does not depend on the order of the rows, as one of floating-point numbers does in its last digit. -#}
{% macro exact_sum(expression, only=none) -%}
(sum(({{ expression }})::numeric){% if only %} filter (where {{ only }}){% endif %})::double precision
{%- endmacro %}

{#- The edges of time for validity intervals: inside what every driver can read, unlike infinity. -#}
{% macro beginning_of_time() -%}
timestamptz '1900-01-01 00:00:00+00'
{%- endmacro %}

{% macro end_of_time() -%}
timestamptz '9999-01-01 00:00:00+00'
{%- endmacro %}

{#- The moment that `as_of` names (a day means its end), or an empty string where it is not set. -#}
{% macro named_as_of() -%}
{%- set as_of = var("as_of", none) -%}
{%- if as_of is not none and as_of | string | trim != "" -%}
{%- if as_of | string | trim | length == 10 -%}
((date '{{ as_of }}' + 1)::timestamp at time zone {{ business_time_zone() }})
{%- else -%}
(timestamptz '{{ as_of }}')
{%- endif -%}
{%- endif -%}
{%- endmacro %}

{#- Lower or upper bound of the Wilson score interval of a proportion (Wilson 1927). -#}
{% macro wilson(successes, trials, bound) -%}
{%- set z = var("interval_z") | float -%}
case
    when {{ trials }} > 0
        then (
            (({{ successes }})::double precision + {{ z * z / 2 }}) / ({{ trials }} + {{ z * z }})
            {{ "-" if bound == "lower" else "+" }} {{ z }} / ({{ trials }} + {{ z * z }})
            * sqrt(
                greatest(
                    ({{ successes }})::double precision * ({{ trials }} - {{ successes }}) / {{ trials }}
                    + {{ z * z / 4 }},
                    0
                )
            )
        )
end
{%- endmacro %}
