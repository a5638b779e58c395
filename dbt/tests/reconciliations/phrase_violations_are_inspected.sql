-- What a call lost by prohibited phrases is what phrase_violations tell of it: each rule's points once, down to 0.
-- Calls with a verdict are left out: there the score changes from day to day.
with broken as (
    select
        call_id,
        rule_id,
        max(points) as points
    from {{ ref("phrase_violations") }}
    where kind = 'prohibited' and is_connected and customer_id is not null
    group by call_id, rule_id
),

lost as (
    select
        call_id,
        greatest(100 - sum(points), 0) as phrase_score
    from broken
    group by call_id
),

inspected as (
    select distinct
        call_id,
        phrase_score
    from {{ ref("int_phrases_measured") }}
)

select
    coalesce(lost.call_id, inspected.call_id) as call_id,
    lost.phrase_score,
    inspected.phrase_score as inspected_score
from inspected
full outer join lost on inspected.call_id = lost.call_id
where
    coalesce(lost.phrase_score, 100) is distinct from coalesce(inspected.phrase_score, -1)::numeric
    and not exists (
        select 1
        from {{ ref("phrase_violations") }} as reviewed
        where
            reviewed.call_id = coalesce(lost.call_id, inspected.call_id)
            and reviewed.review_verdict is not null
    )
