{{ config(
    materialized="incremental",
    unique_key=["call_id", "valid_from"],
    indexes=[{"columns": ["customer_id"]}],
    meta={"touched": ["customer_id", "customers"]}
) }}
-- One row a connected call whose transcript was searched, and span of days in which the same of its hits count:
-- a rejected hit stops counting on the day of the verdict, and counts again from the day of another one. What was
-- known on earlier days stays as it was.
with calls as (
    select
        call_id,
        customer_id,
        call_date
    from {{ ref("int_inspections_measured") }}
    where
        is_searched
        {{ only_touched("customer_id", "customers", "and") }}
),

hits as (
    select
        hits.call_id,
        hits.hit_id,
        hits.kind,
        hits.rule_id,
        hits.points,
        hits.severity,
        hits.start_ms
    from {{ ref("int_phrase_hits_judged") }} as hits
    where hits.purpose = 'rule'
),

rejected as (
    select
        hits.call_id,
        hits.hit_id,
        greatest({{ business_date("reviews.known_from") }}, calls.call_date) as from_date,
        coalesce({{ business_date("reviews.known_until") }}, date '9999-01-01') as until_date
    from hits
    inner join calls on hits.call_id = calls.call_id
    inner join {{ ref("int_phrase_reviews_sequenced") }} as reviews on hits.hit_id = reviews.hit_id
    where reviews.verdict = 'rejected'
),

days as (
    select
        call_id,
        call_date as valid_from
    from calls
    union
    select
        call_id,
        from_date as valid_from
    from rejected
    where until_date > from_date
    union
    select
        call_id,
        until_date as valid_from
    from rejected
    where until_date > from_date
),

spans as (
    select
        calls.call_id,
        calls.customer_id,
        calls.call_date,
        days.valid_from,
        coalesce(
            lead(days.valid_from) over (partition by days.call_id order by days.valid_from),
            calls.call_date + {{ evaluation_window_days() }}
        ) as valid_to
    from calls
    inner join days
        on calls.call_id = days.call_id and days.valid_from < calls.call_date + {{ evaluation_window_days() }}
),

-- Every occurrence is a hit; the score takes the points once a rule and call.
rules_broken as (
    select
        spans.call_id,
        spans.valid_from,
        hits.kind,
        hits.rule_id,
        max(hits.points) as points,
        bool_or(hits.severity = 'critical') as is_critical,
        min(hits.start_ms) as first_ms
    from spans
    inner join hits on spans.call_id = hits.call_id
    where
        not exists (
            select 1
            from rejected
            where
                rejected.hit_id = hits.hit_id
                and spans.valid_from >= rejected.from_date
                and spans.valid_from < rejected.until_date
        )
    group by spans.call_id, spans.valid_from, hits.kind, hits.rule_id
),

phrases as (
    select
        call_id,
        valid_from,
        sum(points) filter (where kind = 'prohibited') as prohibited_points,
        sum(points) filter (where kind = 'missing') as missing_points,
        bool_or(is_critical) as has_critical,
        min(first_ms) filter (where points > 0) as first_ms,
        min(first_ms) filter (where is_critical) as critical_ms
    from rules_broken
    group by call_id, valid_from
)

select
    spans.call_id,
    spans.customer_id,
    spans.call_date,
    spans.valid_from,
    spans.valid_to,
    greatest(100 - coalesce(phrases.prohibited_points, 0), 0) as phrase_score,
    coalesce(phrases.missing_points, 0) as missing_phrase_points,
    coalesce(phrases.has_critical, false)::integer as critical_fail,
    phrases.first_ms as phrase_ms,
    phrases.critical_ms
from spans
left join phrases on spans.call_id = phrases.call_id and spans.valid_from = phrases.valid_from
