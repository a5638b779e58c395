select
    *,
    deleted_at is not null as is_deleted
from {{ ref("stg_callmart__demands_versions") }}
where is_current
