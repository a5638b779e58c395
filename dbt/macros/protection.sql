{#-
What a reader of the marts may see. Personal data are masked where a mart is made, so that they are not in it at
all; the clear values lie in marts_pii. Which rows a reader sees is row-level security, made in the transaction
that makes the table: between two builds there is no moment without it.
-#}

{#- A phone number with its middle hidden: +8613812345678 becomes +86138******78. -#}
{% macro masked_phone(phone) -%}
case
    when length({{ phone }}) >= 9
        then left({{ phone }}, 6) || repeat('*', length({{ phone }}) - 8) || right({{ phone }}, 2)
    else repeat('*', length({{ phone }}))
end
{%- endmacro %}

{#- A person's name: its first character. -#}
{% macro masked_name(name) -%}
left({{ name }}, 1) || case when {{ name }} <> '' then '**' else '' end
{%- endmacro %}

{#-
Free text without mail addresses, without seven and more digits in a row (also written in Chinese, also in
groups), and without `names`: expressions of the full names of those concerned. A name the warehouse does not
know stays.
-#}
{% macro masked_text(text, names=[]) -%}
{%- set digits = "0-9０-９〇零一二三四五六七八九幺两" -%}
{%- set state = namespace(expression=text) -%}
{%- for name in names -%}
{%- set state.expression =
    "replace(" ~ state.expression ~ ", case when length(" ~ name ~ ") >= 2 then " ~ name ~ " else chr(1) end, '**')" -%}
{%- endfor -%}
regexp_replace(
    regexp_replace({{ state.expression }}, '[[:alnum:]._%+-]+@[[:alnum:].-]+', '***', 'g'),
    '[+＋]?[{{ digits }}]([ -]?[{{ digits }}]){6,}',
    '*******',
    'g'
)
{%- endmacro %}

{#-
A JSON object whose fields nobody vouches for: values of fields with a personal name are hidden whole, the texts of
the others are masked like free text; numbers and flags stay.
-#}
{% macro masked_json(object) -%}
case
    when jsonb_typeof({{ object }}) = 'object'
        then (
            select
                coalesce(
                    jsonb_object_agg(
                        field.key,
                        case
                            when field.value = 'null'::jsonb then field.value
                            when field.key ~* '{{ var("personal_fields") }}' then to_jsonb('***'::text)
                            when jsonb_typeof(field.value) in ('number', 'boolean') then field.value
                            when jsonb_typeof(field.value) = 'string'
                                then to_jsonb({{ masked_text("(field.value #>> '{}')") }})
                            else to_jsonb('***'::text)
                        end
                    ),
                    '{}'::jsonb
                )
            from jsonb_each({{ object }}) as field (key, value)
        )
end
{%- endmacro %}

{#- A value of an attribute (expression of its name) as text: what is nobody's word for a code is free text. -#}
{% macro masked_attribute(attribute, value, is_custom) -%}
case
    when {{ is_custom }} and {{ attribute }} ~* '{{ var("personal_fields") }}' then left({{ value }}, 0) || '***'
    when {{ is_custom }} or {{ attribute }} in ('next_action', 'close_reason') then {{ masked_text(value) }}
    else {{ value }}
end
{%- endmacro %}

{#-
The same for the same number in every build, and not to be turned back by who does not know the key
(CALLMART_PSEUDONYM_KEY, which reaches the session beside the SQL).
-#}
{% macro pseudonym(number) -%}
'number ' || left(
    encode(
        sha256(convert_to(coalesce(current_setting('callmart.pseudonym_key', true), '') || {{ number }}, 'UTF8')),
        'hex'
    ),
    16
)
{%- endmacro %}

{#-
Post-hook of every published table. meta.rows_by says who sees its rows:
  agent      rows of an agent (column agent_id): who sees that agent's team; rows of no agent: who sees all teams
  agent_if_any  the same, but rows of no agent: every reader
  everyone   every reader
  management who sees all teams (also where nothing is said)
Table and policy are made in one transaction. A policy that is in place (an incremental build) is left alone.
-#}
{% macro protect_mart() -%}
{%- set rows_by = (model.config.get("meta") or {}).get("rows_by", "management") -%}
{%- set all_teams = "(select ops.sees_all_teams(current_user))" -%}
{%- if rows_by == "agent" -%}
    {%- set condition =
        all_teams ~ " or agent_id in (select visible.agent_id from ops.visible_agents(current_user) as visible (agent_id))"
    -%}
{%- elif rows_by == "agent_if_any" -%}
    {%- set condition = "agent_id is null or " ~ all_teams
        ~ " or agent_id in (select visible.agent_id from ops.visible_agents(current_user) as visible (agent_id))"
    -%}
{%- elif rows_by == "everyone" -%}
    {%- set condition = "true" -%}
{%- elif rows_by == "management" -%}
    {%- set condition = all_teams -%}
{%- else -%}
    {{ exceptions.raise_compiler_error(
        "rows_by of " ~ this ~ " is agent, agent_if_any, everyone or management, not " ~ rows_by
    ) }}
{%- endif -%}
{%- if execute -%}
do $protect$
begin
    {%- if model.config.materialized == "view" %}
    -- A view would read with its owner's eyes.
    alter view {{ this }} set (security_invoker = true);
    {%- else %}
    if not exists (
        select from pg_class where oid = '{{ this }}'::regclass and relrowsecurity
    ) then
        alter table {{ this }} enable row level security;
    end if;
    if not exists (
        select from pg_policy where polrelid = '{{ this }}'::regclass and polname = 'rows_by_{{ rows_by }}'
    ) or exists (
        select from pg_policy where polrelid = '{{ this }}'::regclass and polname <> 'rows_by_{{ rows_by }}'
    ) then
        drop policy if exists rows_by_agent on {{ this }};
        drop policy if exists rows_by_agent_if_any on {{ this }};
        drop policy if exists rows_by_everyone on {{ this }};
        drop policy if exists rows_by_management on {{ this }};
        create policy rows_by_{{ rows_by }} on {{ this }} for select to bi_reader using ({{ condition }});
    end if;
    {%- endif %}
end
$protect$
{%- endif -%}
{%- endmacro %}
