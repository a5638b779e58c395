{#- A number of the seed evaluation_settings in force on a day (SQL expression of type date). -#}
{% macro evaluation_setting(setting, on_day) -%}
(
    select evaluation_settings.value
    from {{ ref("evaluation_settings") }} as evaluation_settings
    where
        evaluation_settings.setting = '{{ setting }}'
        and evaluation_settings.effective_from <= {{ on_day }}
        and coalesce(evaluation_settings.effective_to, date '9999-01-01') > {{ on_day }}
)
{%- endmacro %}

{#- The length in days of the rolling window of every evaluation (docs/metrics.md). -#}
{% macro evaluation_window_days() -%}
{{ var("evaluation_window_days") }}
{%- endmacro %}

{#-
One row a component that a call says something about. measures: list of [component, value, place in ms].
The relation must hold customer_id, call_id and call_date; the evidence counts from the day of the call for as
long as the window is, or between the days (SQL) valid_from and valid_to.
-#}
{% macro call_evidence(evaluation, relation, measures, valid_from="call.call_date", valid_to=none) -%}
select
    '{{ evaluation }}' as evaluation,
    measure.component,
    call.customer_id,
    'call' as evidence_type,
    call.call_id as evidence_id,
    {{ valid_from }} as valid_from,
    {% if valid_to is none %}call.call_date + {{ evaluation_window_days() }}{% else %}{{ valid_to }}{% endif %} as valid_to,
    round(measure.raw_value::numeric, 6) as raw_value,
    call.call_id,
    measure.place_ms
from {{ relation }} as call
cross join lateral (
    values
    {%- for component, value, place in measures %}
    ('{{ component }}', ({{ value }})::double precision, ({{ place }})::bigint){{ "," if not loop.last }}
    {%- endfor %}
) as measure (component, raw_value, place_ms)
where measure.raw_value is not null
{%- endmacro %}

{#- Milliseconds from the start of a recording, of a place given in seconds. -#}
{% macro place_ms(seconds) -%}
round(({{ seconds }})::numeric * 1000)::bigint
{%- endmacro %}

{#-
The published columns of one evaluation: the score with its evidence, and the window mean of each component
that the seed of weights knows, as a column of its own name.
components: list of component names.
-#}
{% macro evaluation_table(evaluation, components) -%}
with components as (
    select
        customer_id,
        evaluation_date,
        rule_version,
        {%- for component in components %}
        max(mean_value) filter (where component = '{{ component }}')::double precision as {{ component }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from {{ ref("int_evaluation_components_scored") }}
    where
        evaluation = '{{ evaluation }}'
        {{ only_touched("customer_id", "customers", "and") }}
    group by customer_id, evaluation_date, rule_version
)

select
    scores.customer_id,
    scores.evaluation_date,
    scores.rule_version,
    scores.score::numeric(5, 2) as score,
    scores.evidence_count::integer as evidence_count,
    scores.confidence::numeric(5, 4) as confidence,
    scores.is_shrunk,
    scores.evidence_note_en,
    scores.evidence_note_zh,
    scores.reason_1,
    scores.reason_1_points::numeric(6, 2) as reason_1_points,
    scores.reason_1_en,
    scores.reason_1_zh,
    scores.reason_2,
    scores.reason_2_points::numeric(6, 2) as reason_2_points,
    scores.reason_2_en,
    scores.reason_2_zh,
    scores.reason_3,
    scores.reason_3_points::numeric(6, 2) as reason_3_points,
    scores.reason_3_en,
    scores.reason_3_zh,
    {%- for component in components %}
    components.{{ component }},
    {%- endfor %}
    scores.valid_to,
    scores.is_current
from {{ ref("int_evaluation_scores_rounded") }} as scores
inner join components
    on
        scores.customer_id = components.customer_id
        and scores.evaluation_date = components.evaluation_date
        and scores.rule_version = components.rule_version
where
    scores.evaluation = '{{ evaluation }}'
    {{ only_touched("scores.customer_id", "customers", "and") }}
{%- endmacro %}

{#-
The id of a phrase hit: the same for the same call, rule, kind and place, whatever version of the rule or of the
matcher found it and however often. A missing phrase has no place.
-#}
{% macro phrase_hit_id(relation) -%}
md5(
    jsonb_build_array(
        {{ relation }}.call_id, {{ relation }}.rule_id, {{ relation }}.kind, {{ relation }}.segment_index,
        {{ relation }}.char_start
    )::text
)
{%- endmacro %}

{#-
What a phrase rule searches for and costs, with the defaults of docs/contracts.md filled in and without its
name: two definitions with equal content are one rule to the matcher, however they are written.
-#}
{% macro phrase_rule_content(definition) -%}
jsonb_build_object(
    'severity', {{ definition }} -> 'severity',
    'points', coalesce(
        nullif({{ definition }} -> 'points', 'null'::jsonb),
        case {{ definition }} ->> 'severity'
            when 'critical' then '20'::jsonb
            when 'major' then '10'::jsonb
            when 'minor' then '3'::jsonb
        end
    ),
    'homophones', case coalesce({{ definition }} ->> 'homophones', 'no')
        when 'true' then 'strict'
        when 'false' then 'no'
        else coalesce({{ definition }} ->> 'homophones', 'no')
    end,
    'within_seconds', nullif({{ definition }} -> 'within_seconds', 'null'::jsonb),
    {%- for field, value in [
        ["role", '"any"'], ["language", '"any"'], ["when", '"always"'], ["unless_window_chars", "12"],
        ["max_edits", "0"], ["any", "[]"], ["all", "[]"], ["regex", "[]"], ["unless", "[]"], ["require", "[]"]
    ] %}
    '{{ field }}', coalesce(nullif({{ definition }} -> '{{ field }}', 'null'::jsonb), '{{ value }}'::jsonb)
    {{- "," if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}

{#- A share of a whole, at most 1 (measured seconds round); null where either is missing, unlike least(). -#}
{% macro share(part, whole) -%}
case when {{ ratio(part, whole) }} > 1 then 1 else {{ ratio(part, whole) }} end
{%- endmacro %}

{#- Arousal or valence of four shares (share_angry …), by the labels' places in the plane. -#}
{% macro plane_mean(quantity, shares, planes) -%}
(
    {{ shares }}.share_angry * {{ planes }}.{{ quantity }}_angry
    + {{ shares }}.share_happy * {{ planes }}.{{ quantity }}_happy
    + {{ shares }}.share_neutral * {{ planes }}.{{ quantity }}_neutral
    + {{ shares }}.share_sad * {{ planes }}.{{ quantity }}_sad
)
{%- endmacro %}
