-- Customers by tier as of the end of the day.
select tier, count(*) as customers
from marts.customer_quality
where valid_from <= %(day)s and (valid_to is null or valid_to > %(day)s)
group by tier
order by tier
