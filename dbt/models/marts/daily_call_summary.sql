{{ config(
    materialized="incremental", unique_key="call_date", meta={"touched": ["call_date", "days"]}
) }}
with figures as (
    select
        call_date,
        {{ traffic_figures() }},
        count(*) filter (where has_recording)::integer as recorded_calls,
        count(*) filter (where has_transcript)::integer as transcribed_calls,
        count(distinct customer_key) filter (where direction = 'outbound')::integer as customers_called,
        count(distinct customer_key) filter (where direction = 'outbound' and is_connected)::integer
            as customers_reached,
        count(distinct agent_id)::integer as agents,
        count(*) filter (where direction = 'outbound' and outcome = 'human')::integer
            as human_outcomes,
        count(*) filter (where direction = 'outbound' and outcome = 'voicemail')::integer
            as voicemail_outcomes,
        count(*) filter (where direction = 'outbound' and outcome = 'ivr')::integer
            as ivr_outcomes,
        count(*) filter (where direction = 'outbound' and outcome = 'fax')::integer
            as fax_outcomes,
        count(*) filter (where direction = 'outbound' and outcome = 'music')::integer
            as music_outcomes,
        count(*) filter (where direction = 'outbound' and outcome = 'silence')::integer
            as silence_outcomes,
        count(*) filter (where direction = 'outbound' and outcome = 'invalid_number')::integer
            as invalid_number_outcomes,
        count(*) filter (where direction = 'outbound' and outcome = 'congestion')::integer
            as congestion_outcomes
    from {{ ref("int_calls_measured") }}
    {{ only_touched("call_date", "days") }}
    group by call_date
),

attempts as (
    select
        call_date,
        max(attempts_in_24_hours) as most_attempts_in_24_hours,
        max(attempts_on_date) as most_attempts_on_date
    from {{ ref("int_call_attempts_counted") }}
    {{ only_touched("call_date", "days") }}
    group by call_date
),

violations as (
    select
        {{ business_date("violated_at") }} as call_date,
        count(*)::integer as rule_violations,
        count(*) filter (where severity = 'critical')::integer as critical_rule_violations
    from {{ ref("int_rule_violations") }}
    {{ only_touched(business_date("violated_at"), "days") }}
    group by {{ business_date("violated_at") }}
)

select
    figures.*,
    {{ ratio("figures.attempts", "figures.customers_called") }} as attempts_per_customer,
    attempts.most_attempts_in_24_hours,
    attempts.most_attempts_on_date,
    coalesce(violations.rule_violations, 0) as rule_violations,
    coalesce(violations.critical_rule_violations, 0) as critical_rule_violations
from figures
left join attempts on figures.call_date = attempts.call_date
left join violations on figures.call_date = violations.call_date
order by figures.call_date
