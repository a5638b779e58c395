-- One row a phrase hit that counts for a call, of a rule (from the CRM as it stood when the call started; the
-- shipped library only where the CRM never delivered a rule; on days to which a person pinned a set of rules, those
-- of the set and none else) or of a signal of interest.
with configured as (
    select
        rule_id,
        {{ phrase_rule_content("definition") }} as rule_content,
        effective_from,
        valid_from,
        valid_to,
        coalesce(effective_to, {{ end_of_time() }}) as effective_until,
        dense_rank() over (partition by rule_id order by effective_from) as rule_version
    from {{ ref("stg_callmart__phrase_rules_versions") }}
),

shipped as (
    select
        rule_hash,
        row_number() over (
            partition by rule_id, purpose order by first_seen_at desc, rule_hash desc
        ) as age_rank,
        row_number() over (partition by rule_id, purpose order by first_seen_at, rule_hash) as rule_version
    from {{ ref("stg_callmart__phrase_definitions") }}
    where origin = 'library'
),

pinned as (
    select
        rule.rule_hash,
        rule.rule_version,
        rule.effective_from,
        spans.version
    from (
        select distinct version
        from {{ ref("int_versions_pinned") }}
        where version_set = 'phrase_rules'
    ) as spans
    inner join {{ ref("stg_callmart__rule_sets") }} as rule_sets on spans.version = rule_sets.rules_version::text
    cross join
        lateral jsonb_to_recordset(rule_sets.phrase_rules) as rule (
            rule_hash text, rule_version integer, effective_from timestamptz
        )
),

hits as (
    select
        calls.call_id,
        calls.customer_id,
        calls.agent_id,
        calls.campaign_id,
        calls.started_at,
        calls.call_date,
        calls.is_connected,
        transcripts.language,
        hits.rule_hash,
        hits.hit_index,
        hits.rule_id,
        hits.kind,
        hits.condition,
        hits.role,
        hits.start_ms,
        hits.end_ms,
        hits.segment_index,
        hits.segment_end_index,
        hits.char_start,
        hits.char_end,
        hits.text,
        hits.context,
        hits.severity,
        hits.points,
        hits.said_moment,
        definitions.purpose,
        definitions.origin,
        {{ phrase_rule_content("definitions.definition") }} as rule_content,
        definitions.name_en,
        definitions.name_zh,
        spans.version as pinned_version
    from {{ ref("int_calls_reconciled") }} as calls
    inner join {{ ref("stg_callmart__phrase_hits") }} as hits
        on calls.transcript_sha256 = hits.transcript_sha256
    inner join {{ ref("stg_callmart__phrase_definitions") }} as definitions
        on hits.rule_hash = definitions.rule_hash
    left join {{ ref("stg_callmart__transcripts") }} as transcripts
        on
            calls.call_id = transcripts.call_id
            and calls.transcript_sha256 = transcripts.content_sha256
            and transcripts.is_current
    left join {{ ref("int_versions_pinned") }} as spans
        on
            spans.version_set = 'phrase_rules'
            and calls.call_date >= spans.pinned_from
            and calls.call_date < spans.pinned_to
    where hits.condition = 'always' or calls.is_connected
),

-- Of several rows of a rule in force at once, the one that came into force last.
configured_at_start as (
    select distinct on (calls.call_id, configured.rule_id)
        calls.call_id,
        configured.rule_id,
        configured.rule_content,
        configured.effective_from,
        configured.rule_version
    from (
        select distinct
            call_id,
            started_at
        from hits
    ) as calls
    inner join configured
        on
            calls.started_at >= configured.valid_from
            and calls.started_at < configured.valid_to
            and calls.started_at >= configured.effective_from
            and calls.started_at < configured.effective_until
    order by calls.call_id asc, configured.rule_id asc, configured.effective_from desc
),

in_force as (
    select
        hits.*,
        configured_at_start.rule_version,
        configured_at_start.effective_from
    from hits
    inner join configured_at_start
        on
            hits.call_id = configured_at_start.call_id
            and hits.rule_id = configured_at_start.rule_id
            and hits.rule_content = configured_at_start.rule_content
    where hits.purpose = 'rule' and hits.pinned_version is null

    union all

    select
        hits.*,
        pinned.rule_version,
        pinned.effective_from
    from hits
    inner join pinned on hits.pinned_version = pinned.version and hits.rule_hash = pinned.rule_hash
    where hits.purpose = 'rule'

    union all

    select
        hits.*,
        shipped.rule_version,
        null::timestamptz as effective_from
    from hits
    inner join shipped
        on hits.rule_hash = shipped.rule_hash and shipped.age_rank = 1
    where
        hits.origin = 'library'
        and (
            hits.purpose = 'signal'
            or (hits.pinned_version is null and not exists (select 1 from configured))
        )
)

-- What was said is kept twice: without the names and numbers of those concerned for the marts, and as it was.
select
    {{ phrase_hit_id("hits") }} as hit_id,
    hits.call_id,
    hits.customer_id,
    hits.agent_id,
    hits.campaign_id,
    hits.started_at,
    hits.call_date,
    hits.is_connected,
    hits.language,
    hits.purpose,
    hits.origin,
    hits.rule_id,
    hits.rule_version,
    hits.rule_hash,
    hits.effective_from,
    hits.hit_index,
    hits.name_en,
    hits.name_zh,
    hits.kind,
    hits.condition,
    hits.role,
    hits.start_ms,
    hits.end_ms,
    hits.segment_index,
    hits.segment_end_index,
    hits.char_start,
    hits.char_end,
    {{ masked_text("hits.text", ["customers.name", "agents.name"]) }} as text,
    {{ masked_text("hits.context", ["customers.name", "agents.name"]) }} as context,
    hits.text as clear_text,
    hits.context as clear_context,
    hits.severity,
    hits.points,
    hits.said_moment
from in_force as hits
left join {{ ref("stg_callmart__customers") }} as customers on hits.customer_id = customers.customer_id
left join {{ ref("stg_callmart__agents") }} as agents on hits.agent_id = agents.agent_id
