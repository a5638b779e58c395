{#- What the models of the next best action and of the best time to call have in common. -#}

{#- A number of the seed next_action_settings. -#}
{% macro next_action_setting(setting) -%}
(select settings.value from {{ ref("next_action_settings") }} as settings where settings.setting = '{{ setting }}')
{%- endmacro %}

{#- The class of a local day (SQL date) for habits: a holiday is like a weekend. holiday: a column that is null on others. -#}
{% macro day_class(local_day, holiday) -%}
case
    when {{ holiday }} is not null or extract(isodow from {{ local_day }}) in (6, 7) then 'day_off'
    else 'workday'
end
{%- endmacro %}

{#- The mean of a Beta distribution: a share pulled towards a prior that weighs as much as `strength` trials. -#}
{% macro beta_mean(successes, trials, prior, strength) -%}
({{ successes }} + ({{ strength }}) * ({{ prior }})) / ({{ trials }} + ({{ strength }}))
{%- endmacro %}
