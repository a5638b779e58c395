{{ config(materialized="view") }}
-- One row a call with what the traffic figures count: the call and its wait in the queue.
select
    calls.*,
    queued.queue_wait_seconds,
    queued.is_queue_answered,
    queued.call_id is not null as is_queued,
    coalesce(
        queued.is_queue_answered and queued.queue_wait_seconds <= {{ var("service_level_seconds", 20) }}, false
    ) as is_within_service_level,
    coalesce(
        not queued.is_queue_answered and queued.queue_wait_seconds <= {{ var("short_abandon_seconds", 5) }}, false
    ) as is_short_abandon
from {{ ref("int_calls_reconciled") }} as calls
left join {{ ref("int_calls_queued") }} as queued on calls.call_id = queued.call_id
