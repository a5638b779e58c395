{{ config(
    materialized="incremental",
    unique_key="source",
    meta={
        "touched": "all",
        "touches": [
            "insert into ops.touched_calls select calls.call_id from <intermediate>.int_calls_attributed as calls"
            " where calls.source in (select source from rows_changed)"
        ]
    }
) }}
-- One row a source: whether it delivers answered_at at all. Where it never does, codes say whether a call was
-- answered (docs/contracts.md).
select
    source,
    sum(with_answered_at) > 0 as delivers_answered_at
from {{ ref("int_answers_counted") }}
group by source
