{#- What the models of the rule types have in common (docs/contracts.md). -#}

{#- Whether a span of a rule covers a call: in force when the call started, a null campaign or region meaning all. -#}
{% macro rule_covers_call(rules, calls) -%}
{{ calls }}.started_at >= {{ rules }}.in_force_from
and {{ calls }}.started_at < {{ rules }}.in_force_to
and ({{ rules }}.campaign_id is null or {{ rules }}.campaign_id = {{ calls }}.campaign_id)
and ({{ rules }}.region is null or {{ rules }}.region = {{ calls }}.customer_region)
{%- endmacro %}

{#-
A number of a rule's parameters, 0 to 1 000 000 (in hours a hundred years, so that no moment runs out of the
calendar); null where it is none, so that one bad rule does not stop the others.
-#}
{% macro rule_number(expression) -%}
{#- The cast stands outside the check: a constant inside would be cast by the planner before anything is checked. -#}
{%- set number -%}
(case when pg_input_is_valid({{ expression }}, 'double precision') then {{ expression }} end)::double precision
{%- endset -%}
case when {{ number }} between 0 and 1000000 then {{ number }} end
{%- endmacro %}

{#- Whether a parameter is no number of at least at_least, or where it is_whole no whole one; an optional one may be missing. -#}
{% macro lacks_rule_number(name, at_least=0, at_most=1000000, is_whole=false, is_optional=false) -%}
{%- set number = rule_number("parameters ->> '" ~ name ~ "'") -%}
{{ "parameters ->> '" ~ name ~ "' is not null and " if is_optional }}coalesce(
    not ({{ number }}) between {{ at_least }} and {{ at_most }}
    {{ "or trunc(" ~ number ~ ") <> (" ~ number ~ ")" if is_whole }},
    true
)
{%- endmacro %}

{#- The windows of a rule of calling hours: its list, else the rule itself as the only one. -#}
{% macro rule_windows(parameters) -%}
case jsonb_typeof({{ parameters }} -> 'windows')
    when 'array' then {{ parameters }} -> 'windows'
    else jsonb_build_array({{ parameters }})
end
{%- endmacro %}

{#- The days of a window as a JSON array of mon … sun: its own, else the rule's, else all of them. -#}
{% macro rule_days(parameters, window) -%}
lower(coalesce(
    {{ window }} -> 'days', {{ parameters }} -> 'days', '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]'::jsonb
)::text)::jsonb
{%- endmacro %}

{#-
Whether a moment of the customer's clock lies in [from, to) on a day of a window. A window that ends before it
begins runs over midnight and belongs to the day on which it began.
-#}
{% macro within_window(local_time, parameters, window) -%}
{%- set opens = "coalesce(" ~ window ~ " ->> 'from', '00:00')::time" -%}
{%- set closes = "coalesce(" ~ window ~ " ->> 'to', '24:00')::time" -%}
case
    when {{ opens }} <= {{ closes }}
        then
            {{ local_time }}::time >= {{ opens }}
            and {{ local_time }}::time < {{ closes }}
            and ({{ rule_days(parameters, window) }}) ? to_char({{ local_time }}, 'dy')
    when {{ local_time }}::time >= {{ opens }}
        then ({{ rule_days(parameters, window) }}) ? to_char({{ local_time }}, 'dy')
    when {{ local_time }}::time < {{ closes }}
        then ({{ rule_days(parameters, window) }}) ? to_char({{ local_time }} - interval '1 day', 'dy')
    else false
end
{%- endmacro %}

{#-
The attempts under one rule type, one row a rule's span and attempt. The window of a rule counts attempts also
before it came into force, so the spans reach back by `reach_back` (an interval expression over rules) and
`is_judged` says which attempts the rule itself judges.
-#}
{% macro attempts_under_rule(rule_type, reach_back="interval '0'") -%}
select
    rules.rule_id,
    rules.rule_type,
    rules.rule_version,
    rules.effective_from,
    rules.severity,
    rules.parameters,
    rules.in_force_from,
    calls.call_id,
    calls.customer_id,
    calls.customer_key,
    calls.campaign_id,
    calls.line_id,
    calls.line_group,
    calls.customer_region,
    calls.consent_status,
    calls.do_not_call,
    calls.hangup_by,
    calls.is_answered,
    calls.is_connected,
    calls.ring_seconds,
    calls.agent_joined_at,
    calls.answer_to_agent_seconds,
    calls.started_at,
    calls.call_date,
    calls.is_abandoned,
    calls.started_at >= rules.in_force_from as is_judged
from {{ ref("int_sales_rules_usable") }} as rules
inner join {{ ref("int_calls_reconciled") }} as calls
    on
        calls.started_at >= rules.in_force_from - {{ reach_back }}
        and calls.started_at < rules.in_force_to
        and (rules.campaign_id is null or rules.campaign_id = calls.campaign_id)
        and (rules.region is null or rules.region = calls.customer_region)
where rules.rule_type = '{{ rule_type }}' and calls.direction = 'outbound'
{%- endmacro %}

{#- The columns with which every violation begins. -#}
{% macro violation_columns() -%}
rule_id,
    rule_type,
    rule_version,
    effective_from,
    severity
{%- endmacro %}

{#-
Rules whose parameters their type cannot be judged by: numbers, times, days and words that are none, and what
would allow or bar everything by a slip (no key of calling hours, an empty window). They are reported in
data_issues and judge nothing. Over a relation with rule_type and parameters; null parameters are {}.
-#}
{% macro has_unusable_parameters() -%}
{%- set time_pattern = "^(([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?|24:00(:00)?)$" -%}
{%- set week = "'[\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]'::jsonb" -%}
coalesce(case
    when jsonb_typeof(parameters) not in ('object', 'null') then true
    when rule_type = 'max_attempts'
        then
            {{ lacks_rule_number("count", is_whole=true) }}
            or {{ lacks_rule_number("per_hours", at_least=0.0001, is_optional=true) }}
    when rule_type = 'min_interval' then {{ lacks_rule_number("minutes") }}
    when rule_type = 'max_abandon_ratio'
        then
            {{ lacks_rule_number("ratio", at_most=1) }}
            or {{ lacks_rule_number("days", at_least=1, at_most=100000, is_whole=true, is_optional=true) }}
    when rule_type in ('answer_to_agent', 'min_ring') then {{ lacks_rule_number("seconds") }}
    when rule_type = 'required_follow_up' then {{ lacks_rule_number("within_hours") }}
    when rule_type = 'inbound_routing'
        then
            coalesce(parameters ->> 'queue', parameters ->> 'max_wait_seconds') is null
            or coalesce(jsonb_typeof(parameters -> 'queue'), 'null') not in ('string', 'null')
            or coalesce(jsonb_typeof(parameters -> 'segment'), 'null') not in ('string', 'null')
            or {{ lacks_rule_number("max_wait_seconds", is_optional=true) }}
    when rule_type = 'line_assignment'
        then
            coalesce(parameters, '{}'::jsonb) in ('{}'::jsonb, 'null'::jsonb)
            or exists (
                select 1
                from jsonb_path_query(parameters, '$.*') as groups (value)
                where jsonb_typeof(groups.value) not in ('string', 'null')
            )
    when rule_type = 'line_mode'
        then
            coalesce(parameters ->> 'mode', '') not in ('single', 'multiple')
            or (
                parameters ->> 'mode' = 'multiple'
                and ({{ lacks_rule_number("after_attempts", at_least=1, is_whole=true) }})
            )
    when rule_type = 'calling_hours'
        then
            not coalesce(parameters ?| array['from', 'to', 'windows', 'days', 'holidays'], false)
            or coalesce(jsonb_typeof(parameters -> 'holidays'), 'null') not in ('boolean', 'null')
            or coalesce(jsonb_typeof(parameters -> 'windows'), 'null') not in ('array', 'null')
            or coalesce(parameters -> 'windows' = '[]'::jsonb, false)
            or exists (
                select 1
                from jsonb_array_elements({{ rule_windows("parameters") }}) as windows (value)
                where
                    jsonb_typeof(windows.value) <> 'object'
                    or coalesce(windows.value ->> 'from', '00:00') !~ '{{ time_pattern }}'
                    or coalesce(windows.value ->> 'to', '24:00') !~ '{{ time_pattern }}'
                    or windows.value ->> 'from' = windows.value ->> 'to'
                    or windows.value -> 'days' = '[]'::jsonb
                    or not lower(coalesce(
                        nullif(windows.value -> 'days', 'null'::jsonb),
                        nullif(parameters -> 'days', 'null'::jsonb),
                        {{ week }}
                    )::text)::jsonb <@ {{ week }}
                    or coalesce(jsonb_typeof(windows.value -> 'days'), 'null') not in ('array', 'null')
            )
            or coalesce(jsonb_typeof(parameters -> 'days'), 'null') not in ('array', 'null')
    else false
end, false)
{%- endmacro %}
