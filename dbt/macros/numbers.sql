{#- Country and time zone of telephone numbers (a query of one column, number), by the longest known prefix. -#}
{% macro numbers_located(numbers) -%}
select distinct on (numbers.number)
    numbers.number,
    prefixes.country,
    prefixes.time_zone
from ({{ numbers }}) as numbers
cross join generate_series(1, 8) as lengths (digits)
inner join {{ ref("number_prefixes") }} as prefixes
    on prefixes.prefix = substr(numbers.number, 2, lengths.digits)
where numbers.number like '+%'
order by numbers.number asc, lengths.digits desc
{%- endmacro %}
