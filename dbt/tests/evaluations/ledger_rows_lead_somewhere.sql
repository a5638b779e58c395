-- A contribution of evidence leads to a call, unless the customer had none by then; a call with a recording has its
-- key; a place lies in a recording, and not behind its end.
select
    ledger.contribution_id,
    ledger.call_id
from {{ ref("evaluation_ledger") }} as ledger
left join {{ ref("int_calls_reconciled") }} as calls on ledger.call_id = calls.call_id
where
    (ledger.is_prior and ledger.call_id is not null)
    or (
        not ledger.is_prior
        and ledger.call_id is null
        and exists (
            select 1
            from {{ ref("int_calls_reconciled") }} as earlier
            where earlier.customer_id = ledger.customer_id and earlier.call_date <= ledger.evidence_date
        )
    )
    or ledger.recording_key is distinct from calls.recording_key
    or (ledger.place_ms is not null and ledger.call_relation is distinct from 'evidence')
    or ledger.place_ms < 0
    or ledger.place_ms > 1000 * calls.recording_duration_seconds + 1
