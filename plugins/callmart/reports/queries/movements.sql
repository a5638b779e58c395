-- The customers whose total moved most from before the period to its end, with the reason of the last change.
with earlier as (
    select customer_id, tier, total_score from marts.customer_quality
    where valid_from < %(start)s and (valid_to is null or valid_to >= %(start)s)
)

select
    later.customer_id,
    later.tier,
    earlier.tier as previous_tier,
    later.total_score,
    later.total_score - earlier.total_score as change,
    array_remove(array[later.change_reason_en, later.reason_1_en], null) as reasons_en,
    array_remove(array[later.change_reason_zh, later.reason_1_zh], null) as reasons_zh,
    count(*) over () as found
from marts.customer_quality as later
inner join earlier on later.customer_id = earlier.customer_id
where
    later.valid_from between %(start)s and %(end)s and (later.valid_to is null or later.valid_to > %(end)s)
    and later.total_score <> earlier.total_score
order by abs(later.total_score - earlier.total_score) desc, later.customer_id
limit 8
