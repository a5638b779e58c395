-- The latest analysis of each recording; a version is later when it was written later.
select *
from (
    select
        *,
        row_number() over (
            partition by content_hash
            order by analysed_at desc, analyser_version desc
        ) = 1 as is_latest
    from {{ source("facts", "recordings") }}
) as analysed
where is_latest
