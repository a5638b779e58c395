{#- Schemas are named as they are, without the profile's schema in front; a replay's have a prefix. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ var("replay_prefix", "") }}{{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}

{#-
dbt's grants give SELECT on the tables and leave out USAGE of the schema; the roles come from the migrations. A
table that came here without the hook of its model (macros/protection.sql) shows readers no row.
-#}
{% macro grant_marts_to_readers() -%}
do $$
declare
    unprotected regclass;
begin
    if to_regnamespace('marts') is not null then
        grant usage on schema marts to bi_reader;
    end if;
    if to_regnamespace('marts_pii') is not null then
        grant usage on schema marts_pii to bi_reader_pii;
    end if;
    for unprotected in
        select oid
        from pg_class
        where relnamespace in (to_regnamespace('marts'), to_regnamespace('marts_pii'))
            and relkind in ('r', 'p') and not relrowsecurity
    loop
        execute format('alter table %s enable row level security', unprotected);
    end loop;
end
$$
{%- endmacro %}
