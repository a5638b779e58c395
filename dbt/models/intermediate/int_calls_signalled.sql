{{ config(
    materialized="incremental",
    unique_key="call_id",
    indexes=[{"columns": ["call_id"], "unique": true}],
    meta={"touched": ["call_id", "calls"]}
) }}
-- One row a call: what signalling says (the vendor's word, SIP, Q.850), before anything was heard.
with calls as (
    select * from {{ ref("int_calls_resolved") }}
    {{ only_touched("call_id", "calls") }}
),

words as (
    -- A word of the mapping, in the form written or in any case.
    select distinct on (source, disposition_folded)
        source,
        disposition_folded,
        outcome
    from {{ ref("stg_callmart__disposition_words") }}
    order by source asc, disposition_folded asc, disposition asc
),

coded as (
    select
        calls.call_id,
        calls.source,
        calls.disposition,
        calls.sip_code,
        calls.q850_cause,
        calls.answered_at,
        coalesce(sources.delivers_answered_at, false) as delivers_answered_at,
        coalesce(calls.billable_seconds > 0, false)
        or coalesce(calls.ended_at > calls.agent_joined_at, false) as has_talk_time,
        words.source is not null or outcomes.outcome is not null as is_known_disposition,
        case when words.source is not null then words.outcome else outcomes.outcome end as disposition_outcome,
        coalesce(sip.outcome, case when calls.sip_code between 500 and 599 then 'congestion' end) as sip_outcome,
        coalesce(sip.confidence, case when calls.sip_code between 500 and 599 then 0.7 end) as sip_confidence,
        q850.outcome as q850_outcome,
        q850.confidence as q850_confidence
    from calls
    left join {{ ref("int_sources_answering") }} as sources on calls.source = sources.source
    left join words on calls.source = words.source and lower(trim(calls.disposition)) = words.disposition_folded
    left join {{ ref("outcomes") }} as outcomes on lower(trim(calls.disposition)) = outcomes.outcome
    left join {{ ref("signalling_codes") }} as sip on sip.code_system = 'sip' and calls.sip_code = sip.code
    left join {{ ref("signalling_codes") }} as q850
        on q850.code_system = 'q850' and calls.q850_cause = q850.code
),

answered as (
    select
        coded.*,
        case
            when coded.answered_at is not null then true
            when coded.delivers_answered_at then false
            when coded.sip_code = 200 then true
            when coded.q850_cause = 16 and coded.has_talk_time then true
            when coded.sip_code is not null or coded.q850_cause is not null then false
        end as is_network_answered,
        classes.is_answered as disposition_is_answered
    from coded
    left join {{ ref("outcomes") }} as classes on coded.disposition_outcome = classes.outcome
),

decided as (
    select
        *,
        case
            when is_network_answered then coalesce(disposition_outcome, 'unknown')
            when is_network_answered is null then disposition_outcome
            when disposition_is_answered is false then disposition_outcome
            when sip_outcome <> 'answered' then sip_outcome
            when q850_outcome <> 'answered' then q850_outcome
        end as signalling_outcome
    from answered
)

select
    call_id,
    is_network_answered,
    is_known_disposition,
    disposition_outcome,
    signalling_outcome,
    case
        when signalling_outcome is null then null
        when is_network_answered is false then false
        when disposition_outcome is not null and disposition_outcome not in ('unknown', 'unreadable')
            then disposition_outcome = 'human'
    end as signalling_is_connected,
    coalesce(is_network_answered, disposition_is_answered) as signalling_is_answered,
    case
        when signalling_outcome is null then null
        when signalling_outcome = disposition_outcome then {{ var("disposition_confidence") }}
        when signalling_outcome = sip_outcome then sip_confidence
        when signalling_outcome = q850_outcome then q850_confidence
    end::double precision as signalling_confidence,
    jsonb_strip_nulls(jsonb_build_object(
        'disposition', disposition,
        'disposition_outcome', disposition_outcome,
        'sip_code', sip_code,
        'sip_outcome', sip_outcome,
        'q850_cause', q850_cause,
        'q850_outcome', q850_outcome,
        'answered_at', answered_at,
        'is_network_answered', is_network_answered
    )) as signalling_evidence
from decided
