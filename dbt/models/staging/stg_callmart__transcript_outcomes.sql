-- What an announcement says in words, by the latest version of the announcements.
select *
from (
    select
        *,
        row_number() over (
            partition by transcript_sha256
            order by decided_at desc, announcements_version desc
        ) = 1 as is_latest
    from {{ source("facts", "transcript_outcomes") }}
) as decided
where is_latest
