-- The three evaluations, averaged over the customers judged by the end of the period.
with standing as (
    select * from marts.customer_quality
    where valid_from <= %(end)s and (valid_to is null or valid_to > %(end)s)
)

select 'conversation' as evaluation, round(avg(conversation_score), 1) as score from standing
union all
select 'inspection', round(avg(inspection_score), 1) from standing
union all
select 'rules_and_lines', round(avg(rules_and_lines_score), 1) from standing
