select
    ledger.contribution_id,
    ledger.call_id
from {{ ref("evaluation_ledger") }} as ledger
left join {{ ref("int_calls_reconciled") }} as calls on ledger.call_id = calls.call_id
where
    ledger.evaluation in ('conversation', 'inspection')
    and ledger.evidence_type = 'call'
    and calls.is_connected is not true
