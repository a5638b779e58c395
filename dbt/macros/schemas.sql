{#- Schemas are named as they are, without the profile's schema in front. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}

{#- dbt's grants give SELECT on the tables and leave out USAGE of the schema; the role comes from the migrations. -#}
{% macro grant_marts_to_readers() -%}
do $$
begin
    if to_regnamespace('marts') is not null then
        grant usage on schema marts to bi_reader;
    end if;
end
$$
{%- endmacro %}
