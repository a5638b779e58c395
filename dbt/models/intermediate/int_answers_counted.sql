{{ config(
    materialized="incremental",
    unique_key=["source", "call_date"],
    meta={"touched": ["call_date", "days"]}
) }}
-- One row a source and day: its calls, and how many came with the moment of the answer.
select
    source,
    call_date,
    count(*) as calls,
    count(answered_at) as with_answered_at
from {{ ref("int_calls_attributed") }}
{{ only_touched("call_date", "days") }}
group by source, call_date
