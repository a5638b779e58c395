-- Country and time zone of a telephone number, by its longest known prefix.
with numbers as (
    select phone as number
    from {{ ref("stg_callmart__customers_versions") }}
    where phone is not null
    union
    select case when direction = 'outbound' then to_number else from_number end as number
    from {{ ref("stg_callmart__calls") }}
    where customer_id is null
),

matched as (
    select distinct on (numbers.number)
        numbers.number,
        prefixes.country,
        prefixes.time_zone
    from numbers
    cross join generate_series(1, 8) as lengths (digits)
    inner join {{ ref("number_prefixes") }} as prefixes
        on prefixes.prefix = substr(numbers.number, 2, lengths.digits)
    where numbers.number like '+%'
    order by numbers.number asc, lengths.digits desc
)

select
    number,
    country,
    time_zone
from matched
