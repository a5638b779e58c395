{#- Moments, days and places in words of both languages, in the business time zone. -#}

{#- A day (SQL date): 12 Nov, 11月12日. -#}
{% macro day_in_words(day, language) -%}
{%- if language == "zh" -%}
to_char({{ day }}, 'FMMM"月"FMDD"日"')
{%- else -%}
to_char({{ day }}, 'FMDD Mon')
{%- endif -%}
{%- endmacro %}

{#- A moment: 12 Nov 14:05, 11月12日 14:05. -#}
{% macro moment_in_words(moment, language) -%}
{%- set local_time = "(" ~ moment ~ ") at time zone " ~ business_time_zone() -%}
{%- if language == "zh" -%}
to_char({{ local_time }}, 'FMMM"月"FMDD"日" HH24:MI')
{%- else -%}
to_char({{ local_time }}, 'FMDD Mon HH24:MI')
{%- endif -%}
{%- endmacro %}

{#- A place in a recording, given in milliseconds: 1:05. -#}
{% macro place_in_words(milliseconds) -%}
(({{ milliseconds }}) / 60000) || ':' || lpad(((({{ milliseconds }}) / 1000) % 60)::text, 2, '0')
{%- endmacro %}

{#- What was said, with where it was said; the place is left out where it is not known. -#}
{% macro quote_in_words(quote, call_id, place_ms, language) -%}
{%- if language == "zh" -%}
'“' || coalesce({{ quote }}, '') || '”（通话 ' || {{ call_id }}
|| coalesce(' ' || {{ place_in_words(place_ms) }}, '') || '）'
{%- else -%}
'“' || coalesce({{ quote }}, '') || '” (call ' || {{ call_id }}
|| coalesce(' at ' || {{ place_in_words(place_ms) }}, '') || ')'
{%- endif -%}
{%- endmacro %}

{#- A sentence with its names filled in: pairs of a name and an expression that is not null. -#}
{% macro filled_words(words, pairs) -%}
{%- set state = namespace(expression=words) -%}
{%- for name, value in pairs -%}
{%- set state.expression = "replace(" ~ state.expression ~ ", '{" ~ name ~ "}', " ~ value ~ ")" -%}
{%- endfor -%}
{{ state.expression }}
{%- endmacro %}
