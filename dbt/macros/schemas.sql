{#- Schemas are named as they are, without the profile's schema in front. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}

{#- Readers of the marts: a role without login, made where the warehouse does not know it yet. -#}
{% macro create_reader_role() -%}
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'bi_reader') then
        create role bi_reader nologin;
    end if;
exception when insufficient_privilege or duplicate_object then
    null;
end
$$
{%- endmacro %}

{#- dbt's grants give SELECT on the tables and leave out USAGE of the schema. -#}
{% macro grant_marts_to_readers() -%}
do $$
begin
    if to_regnamespace('marts') is not null then
        grant usage on schema marts to bi_reader;
    end if;
end
$$
{%- endmacro %}
