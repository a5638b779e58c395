with unknown_agents as (
    select
        'unknown_agent' as issue_type,
        calls.agent_id as subject,
        calls.call_id,
        calls.source,
        'call' as detail,
        calls.started_at as occurred_at
    from {{ ref("int_calls_reconciled") }} as calls
    left join {{ ref("stg_callmart__agents") }} as agents on calls.agent_id = agents.agent_id
    where calls.agent_id is not null and agents.agent_id is null
    union all
    select
        'unknown_agent' as issue_type,
        states.agent_id as subject,
        states.call_id,
        states._source as source,
        'agent state ' || states.state as detail,
        states.started_at as occurred_at
    from {{ ref("stg_callmart__agent_states") }} as states
    left join {{ ref("stg_callmart__agents") }} as agents on states.agent_id = agents.agent_id
    where agents.agent_id is null
),

unknown_ids as (
    select
        'unknown_customer' as issue_type,
        calls.original_customer_id as subject,
        calls.call_id,
        calls.source,
        'the call names a customer that no extract holds' as detail,
        calls.started_at as occurred_at
    from {{ ref("int_calls_reconciled") }} as calls
    left join {{ ref("stg_callmart__customers") }} as customers on calls.original_customer_id = customers.customer_id
    where calls.original_customer_id is not null and customers.customer_id is null
    union all
    select
        'unknown_line' as issue_type,
        calls.line_id as subject,
        calls.call_id,
        calls.source,
        'the call names a line that no extract holds' as detail,
        calls.started_at as occurred_at
    from {{ ref("int_calls_reconciled") }} as calls
    left join {{ ref("stg_callmart__lines") }} as lines on calls.line_id = lines.line_id
    where calls.line_id is not null and lines.line_id is null
    union all
    select
        'unknown_campaign' as issue_type,
        calls.campaign_id as subject,
        calls.call_id,
        calls.source,
        'the call names a campaign that no extract holds' as detail,
        calls.started_at as occurred_at
    from {{ ref("int_calls_reconciled") }} as calls
    left join {{ ref("stg_callmart__campaigns") }} as campaigns on calls.campaign_id = campaigns.campaign_id
    where calls.campaign_id is not null and campaigns.campaign_id is null
),

parties as (
    select
        call_id,
        source,
        started_at,
        customer_match_method,
        line_match_method,
        agent_match_method,
        customer_number,
        case when direction = 'outbound' then from_number else to_number end as line_number
    from {{ ref("int_calls_reconciled") }}
),

matches as (
    select
        case customer_match_method when 'ambiguous' then 'ambiguous_customer' else 'unmatched_customer' end
            as issue_type,
        {{ masked_phone("customer_number") }} as subject,
        call_id,
        source,
        'no id was delivered; by number or extension as of the start: ' || customer_match_method as detail,
        started_at as occurred_at
    from parties
    where customer_match_method in ('ambiguous', 'unmatched') and customer_number is not null
    union all
    select
        case line_match_method when 'ambiguous' then 'ambiguous_line' else 'unmatched_line' end as issue_type,
        {{ masked_phone("line_number") }} as subject,
        call_id,
        source,
        'no id was delivered; by number or extension as of the start: ' || line_match_method as detail,
        started_at as occurred_at
    from parties
    where line_match_method in ('ambiguous', 'unmatched') and line_number is not null
    union all
    select
        case agent_match_method when 'ambiguous' then 'ambiguous_agent' else 'unmatched_agent' end as issue_type,
        call_id as subject,
        call_id,
        source,
        'no id was delivered; by number or extension as of the start: ' || agent_match_method as detail,
        started_at as occurred_at
    from parties
    where agent_match_method = 'ambiguous'
),

recordings as (
    select
        'recording_without_call' as issue_type,
        recordings.object_key as subject,
        recordings.call_id,
        objects.source,
        'no row in calls belongs to this recording' as detail,
        recordings.delivered_on::timestamp at time zone {{ business_time_zone() }} as occurred_at
    from {{ source("raw", "recordings") }} as recordings
    inner join {{ ref("stg_callmart__objects") }} as objects on recordings.object_id = objects.object_id
    left join {{ ref("int_calls_resolved") }} as calls on recordings.call_id = calls.call_id
    where calls.call_id is null
    union all
    select
        'transcript_without_call' as issue_type,
        transcripts.object_key as subject,
        transcripts.call_id,
        objects.source,
        'no row in calls belongs to this transcript' as detail,
        transcripts.delivered_on::timestamp at time zone {{ business_time_zone() }} as occurred_at
    from {{ source("raw", "transcripts") }} as transcripts
    inner join {{ ref("stg_callmart__objects") }} as objects on transcripts.object_id = objects.object_id
    left join {{ ref("int_calls_resolved") }} as calls on transcripts.call_id = calls.call_id
    where calls.call_id is null
    union all
    select
        'call_without_recording' as issue_type,
        calls.recording_key as subject,
        calls.call_id,
        calls.source,
        'the call names a recording that never came' as detail,
        calls.started_at as occurred_at
    from {{ ref("int_calls_resolved") }} as calls
    left join {{ source("raw", "recordings") }} as recordings on calls.call_id = recordings.call_id
    where calls.recording_key is not null and recordings.call_id is null
    union all
    select
        'unreadable_recording' as issue_type,
        calls.recording_key as subject,
        calls.call_id,
        calls.source,
        coalesce(calls.recording_reason, 'unreadable') as detail,
        calls.started_at as occurred_at
    from {{ ref("int_calls_reconciled") }} as calls
    where calls.recording_outcome = 'unreadable'
),

notices as (
    select
        kind as issue_type,
        subject,
        null::text as call_id,
        source,
        concat_ws(': ', object_key, detail) as detail,
        noticed_at as occurred_at
    from {{ ref("stg_callmart__notices") }}
),

judgements as (
    select
        'unknown_disposition' as issue_type,
        disposition as subject,
        call_id,
        source,
        'the source mapping does not know this word' as detail,
        started_at as occurred_at
    from {{ ref("int_calls_reconciled") }}
    where disposition is not null and not is_known_disposition
    union all
    select
        'unknown_agent_state' as issue_type,
        state as subject,
        call_id,
        null::text as source,
        'seconds in it count as other states' as detail,
        started_at as occurred_at
    from {{ ref("int_agent_states_sessionised") }}
    where not is_known_state
    union all
    select
        'open_agent_state' as issue_type,
        agent_id as subject,
        call_id,
        null::text as source,
        state || ' has no end; closed at ' || to_char(ended_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            as detail,
        started_at as occurred_at
    from {{ ref("int_agent_states_sessionised") }}
    where is_open_ended
    union all
    select
        'unknown_rule_type' as issue_type,
        rules.rule_id as subject,
        null::text as call_id,
        rules._source as source,
        'no model judges rules of type ' || rules.rule_type as detail,
        rules.effective_from as occurred_at
    from {{ ref("stg_callmart__sales_rules") }} as rules
    left join {{ ref("rule_types") }} as types on rules.rule_type = types.rule_type
    where types.rule_type is null
    union all
    select
        'unusable_rule_parameters' as issue_type,
        rule_id as subject,
        null::text as call_id,
        _source as source,
        rule_type || ' cannot be judged by ' || coalesce(parameters::text, 'null') as detail,
        effective_from as occurred_at
    from {{ ref("stg_callmart__sales_rules") }}
    where {{ has_unusable_parameters() }}
    union all
    select
        'unknown_time_zone' as issue_type,
        customer_id as subject,
        null::text as call_id,
        null::text as source,
        'not a zone of the IANA list; the region, the number or the site decides' as detail,
        null::timestamptz as occurred_at
    from {{ ref("int_customers_located") }}
    where is_current and has_unknown_time_zone
    union all
    select
        'review_without_hit' as issue_type,
        reviews.hit_id as subject,
        null::text as call_id,
        reviews.source,
        'no phrase hit of a rule in force has this id' as detail,
        reviews.reviewed_at as occurred_at
    from {{ ref("int_phrase_reviews_sequenced") }} as reviews
    left join {{ ref("int_phrase_hits_judged") }} as hits
        on reviews.hit_id = hits.hit_id and hits.purpose = 'rule'
    where reviews.is_current and hits.hit_id is null
),

issues as (
    select * from unknown_agents
    union all
    select * from unknown_ids
    union all
    select * from matches
    union all
    select * from recordings
    union all
    select * from notices
    union all
    select * from judgements
)

select
    md5(concat_ws(
        '|', issue_type, coalesce(subject, ''), coalesce(call_id, ''), coalesce(source, ''), coalesce(detail, ''),
        coalesce(extract(epoch from occurred_at)::text, '')
    )) as data_issue_id,
    issue_type,
    subject,
    call_id,
    source,
    detail,
    occurred_at
from issues
group by issue_type, subject, call_id, source, detail, occurred_at
order by issue_type, occurred_at, subject
