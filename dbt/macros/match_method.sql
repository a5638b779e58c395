{#- How an id was found: delivered, by the named means, ambiguous (several matches) or unmatched. -#}
{% macro match_method(delivered, matches, means) -%}
case
    when {{ delivered }} is not null then 'delivered'
    when {{ matches }} = 1 then '{{ means }}'
    when {{ matches }} > 1 then 'ambiguous'
    else 'unmatched'
end
{%- endmacro %}
