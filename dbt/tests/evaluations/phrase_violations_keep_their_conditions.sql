-- What wants a connection has one; a prohibited phrase names its place in the transcript; a missing one has none.
select violations.phrase_violation_id
from {{ ref("phrase_violations") }} as violations
inner join {{ ref("int_calls_reconciled") }} as calls on violations.call_id = calls.call_id
where
    (violations.kind = 'missing' and violations.start_ms is not null)
    or (violations.kind = 'prohibited' and (violations.char_start is null or violations.quoted_text is null))
    or (
        calls.is_connected is not true
        and exists (
            select 1
            from {{ ref("stg_callmart__phrase_hits") }} as hits
            where
                hits.transcript_sha256 = calls.transcript_sha256
                and hits.rule_hash = violations.rule_hash
                and hits.condition = 'connected'
        )
    )
