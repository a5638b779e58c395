-- The customers whose total moved most on the day.
select
    customer_id,
    tier,
    previous_tier,
    total_score,
    total_score_change as change,
    array_remove(array[change_reason_en, reason_1_en], null) as reasons_en,
    array_remove(array[change_reason_zh, reason_1_zh], null) as reasons_zh
from marts.customer_quality
where valid_from = %(day)s and total_score_change is not null
order by abs(total_score_change) desc, customer_id
limit 8
