{#- What the models of the rule types have in common (docs/contracts.md). -#}

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

{#- The days of a window as a JSON array of mon … sun: its own, else the rule's, else all of them. -#}
{% macro rule_days(parameters, window) -%}
lower(coalesce(
    {{ window }} -> 'days', {{ parameters }} -> 'days', '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]'::jsonb
)::text)::jsonb
{%- endmacro %}

{#- Whether a time of day lies in [from, to) of a window; one that ends before it begins runs over midnight. A
    window whose times cannot be read allows nothing, and the rule is reported (data_issues). -#}
{% macro within_window(time_of_day, window) -%}
case
    when not pg_input_is_valid(coalesce({{ window }} ->> 'from', '00:00'), 'time') then false
    when not pg_input_is_valid(coalesce({{ window }} ->> 'to', '24:00'), 'time') then false
    when coalesce({{ window }} ->> 'from', '00:00')::time <= coalesce({{ window }} ->> 'to', '24:00')::time
        then
            {{ time_of_day }} >= coalesce({{ window }} ->> 'from', '00:00')::time
            and {{ time_of_day }} < coalesce({{ window }} ->> 'to', '24:00')::time
    else
        {{ time_of_day }} >= coalesce({{ window }} ->> 'from', '00:00')::time
        or {{ time_of_day }} < coalesce({{ window }} ->> 'to', '24:00')::time
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
    calls.line_mode,
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
from {{ ref("int_sales_rules_effective") }} as rules
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

{#- Rules whose parameters their type cannot be judged by; they are reported and judge nothing. -#}
{% macro has_unusable_parameters() -%}
case rule_type
    when 'max_attempts' then {{ rule_number("parameters ->> 'count'") }} is null
    when 'min_interval' then {{ rule_number("parameters ->> 'minutes'") }} is null
    when 'max_abandon_ratio' then {{ rule_number("parameters ->> 'ratio'") }} is null
    when 'answer_to_agent' then {{ rule_number("parameters ->> 'seconds'") }} is null
    when 'min_ring' then {{ rule_number("parameters ->> 'seconds'") }} is null
    when 'required_follow_up' then {{ rule_number("parameters ->> 'within_hours'") }} is null
    when 'line_mode'
        then
            coalesce(parameters ->> 'mode', '') not in ('single', 'multiple')
            or (parameters ->> 'mode' = 'multiple' and {{ rule_number("parameters ->> 'after_attempts'") }} is null)
    when 'calling_hours'
        then exists (
            select 1
            from jsonb_path_query(parameters, '$.**') as parts (part)
            where
                jsonb_typeof(parts.part) = 'object'
                and not (
                    pg_input_is_valid(coalesce(parts.part ->> 'from', '00:00'), 'time')
                    and pg_input_is_valid(coalesce(parts.part ->> 'to', '24:00'), 'time')
                )
        )
    else false
end
{%- endmacro %}
