{#-
Who holds a number or an extension, of the versions that hold it at a moment. The first version of a row counts from
the beginning of time; where one holder is known to have come later (`existed` is false) and another is not, the
number was the other's. Who came later counts where nobody else does: the CRM learns of a caller after the call.
-#}
{% macro holders(holder_id, existed) -%}
coalesce(
    nullif(count(distinct {{ holder_id }}) filter (where {{ existed }}), 0), count(distinct {{ holder_id }})
)
{%- endmacro %}

{#- The holder, where `holders` says that there is one. -#}
{% macro holder(holder_id, existed) -%}
coalesce(min({{ holder_id }}) filter (where {{ existed }}), min({{ holder_id }}))
{%- endmacro %}

{#- Whether a customer existed when the call started: not known to have been created later. -#}
{% macro existed_customer() -%}
coalesce(customers.created_at <= calls.started_at, true)
{%- endmacro %}

{#- Whether an agent worked here on the day of the call: not known to have been hired later. -#}
{% macro existed_agent() -%}
coalesce(agents.hired_on <= {{ business_date("calls.started_at") }}, true)
{%- endmacro %}
