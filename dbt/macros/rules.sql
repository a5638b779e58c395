{#- What the models of the rule types have in common (CONTRACTS section 2, sales_rules). -#}

{#- Whether a span of a rule covers a call: in force when the call started, a null campaign or region meaning all. -#}
{% macro rule_covers_call(rules, calls) -%}
{{ calls }}.started_at >= {{ rules }}.in_force_from
and {{ calls }}.started_at < {{ rules }}.in_force_to
and ({{ rules }}.campaign_id is null or {{ rules }}.campaign_id = {{ calls }}.campaign_id)
and ({{ rules }}.region is null or {{ rules }}.region = {{ calls }}.customer_region)
{%- endmacro %}

{#- A number of a rule's parameters; null where it is none, so that one bad rule does not stop the others. -#}
{% macro rule_number(expression) -%}
case when pg_input_is_valid({{ expression }}, 'numeric') then ({{ expression }})::double precision end
{%- endmacro %}
