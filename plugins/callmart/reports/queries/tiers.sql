-- Customers by tier as of the end of the period, and of the day before its start.
with ends as (
    select
        count(*) filter (where valid_from <= %(end)s and (valid_to is null or valid_to > %(end)s)) as customers,
        count(*) filter (where valid_from < %(start)s and (valid_to is null or valid_to >= %(start)s)) as before,
        tier
    from marts.customer_quality
    where valid_to is null or valid_to >= %(start)s
    group by tier
)

select tier, customers, before from ends order by tier
