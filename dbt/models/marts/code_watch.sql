-- One row a word that nobody has defined: the source table and column it came in, and the word. Words that the
-- contract refuses arrive by way of the quarantine.
with seen as (
    select
        'calls' as source_table,
        'disposition' as column_name,
        disposition as word,
        call_id,
        source,
        started_at as seen_at,
        'a mapping of the source, dispositions' as defined_in
    from {{ ref("int_calls_reconciled") }}
    where disposition is not null and not is_known_disposition

    union all

    select
        'calls' as source_table,
        'sip_code' as column_name,
        calls.sip_code::text as word,
        calls.call_id,
        calls.source,
        calls.started_at as seen_at,
        'seed signalling_codes' as defined_in
    from {{ ref("int_calls_reconciled") }} as calls
    left join {{ ref("signalling_codes") }} as codes on codes.code_system = 'sip' and calls.sip_code = codes.code
    -- Any 5xx is congestion (docs/metrics.md).
    where calls.sip_code is not null and codes.code is null and calls.sip_code not between 500 and 599

    union all

    select
        'calls' as source_table,
        'q850_cause' as column_name,
        calls.q850_cause::text as word,
        calls.call_id,
        calls.source,
        calls.started_at as seen_at,
        'seed signalling_codes' as defined_in
    from {{ ref("int_calls_reconciled") }} as calls
    left join {{ ref("signalling_codes") }} as codes on codes.code_system = 'q850' and calls.q850_cause = codes.code
    where calls.q850_cause is not null and codes.code is null

    union all

    select
        'agent_states' as source_table,
        'state' as column_name,
        states.state as word,
        states.call_id,
        states._source as source,
        states.started_at as seen_at,
        'seed agent_state_activities' as defined_in
    from {{ ref("stg_callmart__agent_states") }} as states
    left join {{ ref("agent_state_activities") }} as known on states.state = known.state
    where states.state is not null and known.state is null

    union all

    select
        'sales_rules' as source_table,
        'rule_type' as column_name,
        rules.rule_type as word,
        null::text as call_id,
        rules._source as source,
        rules.effective_from as seen_at,
        'seed rule_types and a model in intermediate/rules' as defined_in
    from {{ ref("stg_callmart__sales_rules") }} as rules
    left join {{ ref("rule_types") }} as known on rules.rule_type = known.rule_type
    where known.rule_type is null

    union all

    select
        'complaints' as source_table,
        'severity' as column_name,
        severity as word,
        call_id,
        _source as source,
        received_at as seen_at,
        'docs/contracts.md: critical, major, minor' as defined_in
    from {{ ref("stg_callmart__complaints") }}
    where lower(trim(severity)) not in ('critical', 'major', 'minor')

    union all

    select
        'customers' as source_table,
        'language' as column_name,
        language as word,
        null::text as call_id,
        _source as source,
        updated_at as seen_at,
        'BCP 47, e.g. zh-CN' as defined_in
    from {{ ref("stg_callmart__customers") }}
    where language !~* '^[a-z]{2,3}(-[a-z0-9]{2,8})*$'

    union all

    select
        'transcripts' as source_table,
        'language' as column_name,
        transcripts.language as word,
        transcripts.call_id,
        null::text as source,
        calls.started_at as seen_at,
        'BCP 47, e.g. zh-CN' as defined_in
    from {{ ref("stg_callmart__transcripts") }} as transcripts
    left join {{ ref("int_calls_reconciled") }} as calls on transcripts.call_id = calls.call_id
    where transcripts.language !~* '^[a-z]{2,3}(-[a-z0-9]{2,8})*$'

    union all

    -- "stage is none of new, …, reopened: wom"
    select
        entity as source_table,
        split_part(reason, ' ', 1) as column_name,
        regexp_replace(reason, '^[^:]*: ', '') as word,
        payload ->> 'call_id' as call_id,
        null::text as source,
        quarantined_at as seen_at,
        'docs/contracts.md, or words of a mapping' as defined_in
    from {{ ref("stg_callmart__quarantine") }}
    where rule = 'not_in_list' and scope = 'row' and status = 'open'
),

-- What a mapping could not translate: "demands.stage: wom", a file each, with how many rows.
noticed as (
    select
        split_part(subject, '.', 1) as source_table,
        split_part(split_part(subject, ': ', 1), '.', 2) as column_name,
        regexp_replace(subject, '^[^:]*: ', '') as word,
        source,
        noticed_at as seen_at,
        coalesce(substring(detail from '[0-9]+')::integer, 1) as rows_noticed
    from {{ ref("stg_callmart__notices") }}
    where kind = 'unknown_word'
),

-- A number that strayed into a column of codes is no code to be shown.
shown as (
    select
        source_table,
        column_name,
        {{ masked_text("word") }} as word,
        call_id,
        source,
        seen_at,
        defined_in,
        1 as rows_seen
    from seen

    union all

    select
        source_table,
        column_name,
        {{ masked_text("word") }} as word,
        null::text as call_id,
        source,
        seen_at,
        'words of a mapping' as defined_in,
        rows_noticed as rows_seen
    from noticed
)

select
    source_table,
    column_name,
    word,
    min(seen_at) as first_seen_at,
    max(seen_at) as last_seen_at,
    sum(rows_seen)::integer as rows_seen,
    (array_agg(call_id order by seen_at desc, call_id asc) filter (where call_id is not null))[1] as sample_call_id,
    array_to_string(array_agg(distinct source order by source asc) filter (where source is not null), ', ') as sources,
    min(defined_in) as defined_in
from shown
group by source_table, column_name, word
order by source_table, column_name, word
