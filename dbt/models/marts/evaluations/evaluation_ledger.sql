{{ config(
    materialized="incremental",
    unique_key="contribution_id",
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- Points are dealt out in cents by largest remainder, so that they add up to the rounded score exactly.
with scores as (
    select
        customer_id,
        evaluation,
        evaluation_date,
        rule_version,
        score
    from {{ ref("int_evaluation_scores_rounded") }}
    {{ only_touched("customer_id", "customers") }}
),

components as (
    select
        scores.score,
        components.*
    from scores
    inner join {{ ref("int_evaluation_components_scored") }} as components
        on
            scores.customer_id = components.customer_id
            and scores.evaluation = components.evaluation
            and scores.evaluation_date = components.evaluation_date
            and scores.rule_version = components.rule_version
),

contributions as (
    select
        components.customer_id,
        components.evaluation,
        components.evaluation_date,
        components.rule_version,
        components.score,
        components.component,
        components.weight,
        components.evidence_count,
        components.curve_value as component_value,
        false as is_prior,
        evidence.evidence_type,
        evidence.evidence_id,
        evidence.evidence_date,
        evidence.raw_value,
        evidence.call_id,
        evidence.place_ms,
        components.weight * components.trust * components.curve_value
        * evidence.recency_weight / sum(evidence.recency_weight) over (
            partition by
                components.customer_id,
                components.evaluation,
                components.evaluation_date,
                components.rule_version,
                components.component
        ) as exact_points
    from components
    inner join {{ ref("int_evaluation_evidence_weighted") }} as evidence
        on
            components.customer_id = evidence.customer_id
            and components.evaluation = evidence.evaluation
            and components.evaluation_date = evidence.evaluation_date
            and components.rule_version = evidence.rule_version
            and components.component = evidence.component
    {{ only_touched("evidence.customer_id", "customers") }}

    union all

    select
        customer_id,
        evaluation,
        evaluation_date,
        rule_version,
        score,
        component,
        weight,
        evidence_count,
        prior as component_value,
        true as is_prior,
        'prior' as evidence_type,
        component as evidence_id,
        null::date as evidence_date,
        null::numeric as raw_value,
        null::text as call_id,
        null::bigint as place_ms,
        components.weight * (1 - components.trust) * components.prior as exact_points
    from components
    where evidence_count = 0 or prior_strength > 0
),

floored as (
    select
        *,
        floor(round(exact_points * 100, 8)) as cents,
        round(exact_points * 100, 8) - floor(round(exact_points * 100, 8)) as remainder
    from contributions
),

dealt as (
    select
        *,
        round(score * 100) - sum(cents) over whole as cents_left,
        row_number() over (
            partition by customer_id, evaluation, evaluation_date, rule_version
            order by remainder desc, component asc, is_prior asc, evidence_type asc, evidence_id asc
        ) as turn
    from floored
    window whole as (partition by customer_id, evaluation, evaluation_date, rule_version)
),

-- The customer's last call of each day, and the days on which it is the last of all. What has no call of its own (a
-- complaint in writing, a version of a demand, a follow-up that was left out) leads to it.
last_calls as (
    select
        customer_id,
        call_id,
        call_date as valid_from,
        coalesce(lead(call_date) over (partition by customer_id order by call_date), date '9999-01-01') as valid_to
    from (
        select distinct on (customer_id, call_date)
            customer_id,
            call_id,
            call_date
        from {{ ref("int_calls_reconciled") }}
        where customer_id is not null
        order by customer_id asc, call_date asc, started_at desc, call_id desc
    ) as daily
),

traced as (
    select
        dealt.*,
        coalesce(dealt.call_id, last_calls.call_id) as leads_to_call_id,
        case
            when dealt.call_id is not null then 'evidence'
            when last_calls.call_id is not null then 'last_before'
        end as call_relation
    from dealt
    left join last_calls
        on
            dealt.call_id is null
            and dealt.customer_id = last_calls.customer_id
            and dealt.evidence_date >= last_calls.valid_from
            and dealt.evidence_date < last_calls.valid_to
)

select
    md5(
        concat_ws(
            '|',
            traced.evaluation,
            traced.customer_id,
            traced.evaluation_date,
            traced.rule_version,
            traced.component,
            traced.evidence_type,
            traced.evidence_id
        )
    ) as contribution_id,
    traced.evaluation::text as evaluation,
    traced.customer_id,
    traced.evaluation_date,
    traced.rule_version,
    traced.component,
    traced.is_prior,
    traced.evidence_type,
    traced.evidence_id,
    traced.evidence_date,
    traced.evidence_count::integer as evidence_count,
    traced.raw_value::double precision as raw_value,
    traced.component_value::double precision as component_value,
    traced.weight::numeric(6, 2) as weight,
    ((traced.cents + case when traced.turn <= traced.cents_left then 1 else 0 end) / 100)::numeric(6, 2) as points,
    traced.leads_to_call_id as call_id,
    traced.call_relation,
    calls.recording_key,
    traced.place_ms
from traced
left join {{ ref("int_calls_reconciled") }} as calls on traced.leads_to_call_id = calls.call_id
