-- The points told in the sentence are those of the columns, what moved adds up to the change of the total (to the rounding of
-- five figures), and every span but a customer's first has its sentence in both languages.
with spans as (
    select
        *,
        coalesce(fit_change, 0) + coalesce(engagement_change, 0) + coalesce(conversation_change, 0)
        + coalesce(inspection_change, 0) + coalesce(rules_and_lines_change, 0) as moved,
        row_number() over (partition by customer_id order by valid_from) as span_number
    from {{ ref("customer_quality") }}
),

told as (
    select
        spans.customer_id,
        spans.valid_from,
        move.name,
        move.change,
        replace(
            substring(spans.change_reason_en from lower(move.name) || ' ([+−][0-9.]+)'), '−', '-'
        )::numeric as told
    from spans
    cross join lateral (
        values
        ('Fit', spans.fit_change),
        ('Engagement', spans.engagement_change),
        ('Conversation', spans.conversation_change),
        ('Inspection', spans.inspection_change),
        ('Rules and lines', spans.rules_and_lines_change)
    ) as move (name, change)
)

select
    customer_id,
    valid_from,
    'a sentence is missing' as disagreement
from spans
where (span_number > 1) <> (change_reason_en is not null and change_reason_zh is not null)

union all

select
    customer_id,
    valid_from,
    'the moves do not add up' as disagreement
from spans
where abs(total_score_change - moved) > 0.04

union all

select
    customer_id,
    valid_from,
    name || ' is told otherwise' as disagreement
from told
where abs(told - change) > 0.051
