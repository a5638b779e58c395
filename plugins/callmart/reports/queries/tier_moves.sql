-- Customers whose tier is another one at the end of the period than before it.
with earlier as (
    select customer_id, tier from marts.customer_quality
    where valid_from < %(start)s and (valid_to is null or valid_to >= %(start)s)
),

later as (
    select customer_id, tier from marts.customer_quality
    where valid_from <= %(end)s and (valid_to is null or valid_to > %(end)s)
)

select earlier.tier as from_tier, later.tier as to_tier, count(*) as customers
from earlier inner join later on earlier.customer_id = later.customer_id
where earlier.tier <> later.tier
group by 1, 2
order by 3 desc, 1, 2
