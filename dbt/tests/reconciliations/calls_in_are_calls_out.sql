-- Every call that was delivered comes out: ids in raw = rows of calls = calls in traffic = calls in the days.
with counted as (
    select
        (
            select count(distinct call_id)
            from {{ source("raw", "calls") }}
            where started_at < (select seen.as_of from {{ ref("int_as_of") }} as seen)
        ) as delivered,
        (select count(*) from {{ ref("calls") }}) as calls,
        (select coalesce(sum(attempts + inbound_calls), 0) from {{ ref("traffic") }}) as in_traffic,
        (select coalesce(sum(attempts + inbound_calls), 0) from {{ ref("daily_call_summary") }}) as in_days,
        (
            select count(*) from {{ ref("calls") }}
            where direction = 'outbound'
        ) as attempts,
        (select coalesce(sum(attempts), 0) from {{ ref("customer_attempts") }}) as of_customers,
        (
            select count(*)
            from {{ ref("calls") }}
            where direction = 'outbound' and coalesce(customer_id, to_number) is not null
        ) as attempts_to_someone,
        (select coalesce(sum(attempts), 0) from {{ ref("line_health") }}) as of_lines,
        (
            select count(*) from {{ ref("calls") }}
            where direction = 'outbound' and line_id is not null)
            as attempts_over_a_line
)

select *
from counted
where
    delivered <> calls
    or calls <> in_traffic
    or calls <> in_days
    or attempts_to_someone <> of_customers
    or attempts_over_a_line <> of_lines
