{#-
A day's build makes anew what changed since the last successful one and nothing else; a full refresh gives the same
rows. How:

- ops.build_state says from which transaction on rows may not be in the marts. find_touched() looks those up when a
  build starts and enters whose figures they touch: ops.touched_calls and its like.
- A model that grows is incremental: in an increment `only_touched` limits what it reads to the touched, and the
  strategy `touched` compares what came out with the rows that stand for them. What differs is replaced, and the model
  enters whom else that touches (`touches`), in the same transaction. Who depends on a model runs later and finds it.
- A model without a limit (`touched: all`) is computed whole and compared: small, or dear to limit.

So rows that are touched but come out alike touch nobody, a build that was killed leaves behind what it touched, and
doing a key twice does no harm. Only callmart opens an increment; dbt on its own and a
build beside the published one always make a full refresh.
-#}

{#- Whether the build that runs is an increment; overrides dbt's own, so that nothing goes stale unseen. -#}
{% macro should_full_refresh() -%}
{%- if not execute -%}{{ return(true) }}{%- endif -%}
{%- if flags.FULL_REFRESH or var("replay_prefix", "") != "" -%}{{ return(true) }}{%- endif -%}
{{ return(not run_query("select is_increment from ops.build_state").rows[0][0]) }}
{%- endmacro %}

{#- The touched keys of a kind, as a query. A call that is touched touches its recordings and transcripts. -#}
{% macro touched(kind) -%}
{%- if kind == "calls" -%}
select call_id from ops.touched_calls
{%- elif kind == "recordings" -%}
select content_hash from ops.touched_recordings
union all
select content_hash from facts.call_recordings where call_id in (select call_id from ops.touched_calls)
{%- elif kind == "transcripts" -%}
select transcript_sha256 from ops.touched_transcripts
union all
select content_sha256 from facts.transcripts where call_id in (select call_id from ops.touched_calls)
{%- elif kind == "customers" -%}
select customer_id from ops.touched_customers
{%- elif kind == "customer_rows" -%}
select customer_id from ops.touched_customer_rows
{%- elif kind == "customer_keys" -%}
select customer_key from ops.touched_customer_keys
{%- elif kind == "days" -%}
select day from ops.touched_days
{%- elif kind == "half_hours" -%}
select half_hour_at from ops.touched_half_hours
{%- else -%}
{{ exceptions.raise_compiler_error("nothing is touched by " ~ kind) }}
{%- endif -%}
{%- endmacro %}

{#-
Limits a query to the touched in an increment; nothing in a full refresh. through_view: the limit has to reach the
tables under a view of staging, through its windows over the key; only an array does that. As its length is not known
to the planner, such a model wants `nestloop_off()` in its configuration.
-#}
{% macro only_touched(column, kind, keyword="where", through_view=false) -%}
{#- A unit test has no relation of its own. -#}
{%- if this is not none and is_incremental() -%}
{%- if through_view -%}
{{ keyword }} {{ column }} = any(array({{ touched(kind) }}))
{%- else -%}
{{ keyword }} {{ column }} in ({{ touched(kind) }})
{%- endif -%}
{%- endif -%}
{%- endmacro %}

{% macro nestloop_off() -%}
set local enable_nestloop = off
{%- endmacro %}

{#- A statement for `touches`: the rows of a model that changed (old and new ones) touch keys of a kind. -#}
{% macro touch(kind, expression) -%}
insert into ops.touched_{{ kind }} select distinct {{ expression }} from rows_changed where {{ expression }} is not null
{%- endmacro %}

{#-
The strategy of incremental models. Configuration, below `meta`: touched: [column, kind] or all; touches: statements
over rows_changed (the model's columns and `_change`, before or after; <intermediate> stands for the schema); in_order: the columns by which new rows are
written, so that a day stays together. unique_key: the model's key, without nulls; without one, all that is touched
is written anew where anything differs.
-#}
{% macro get_incremental_touched_sql(arguments) -%}
{%- set target = arguments["target_relation"] -%}
{%- set fresh = arguments["temp_relation"] -%}
{%- set columns = get_quoted_csv(arguments["dest_columns"] | map(attribute="name")) -%}
{%- set meta = config.get("meta", {}) -%}
{%- set key = config.get("unique_key") -%}
{%- set keys = [key] if key is string else key -%}
analyze {{ fresh }};
create temporary table rows_before on commit drop as
select {{ columns }} from {{ target }}
{%- if meta["touched"] != "all" %}
where {{ meta["touched"][0] }} in ({{ touched(meta["touched"][1]) }})
{%- endif %};
create temporary table rows_changed on commit drop as
select 'before' as _change, gone.* from (
    select * from rows_before except all select {{ columns }} from {{ fresh }}
) as gone
union all
select 'after' as _change, new.* from (
    select {{ columns }} from {{ fresh }} except all select * from rows_before
) as new;
analyze rows_changed;
{% if key is none -%}
delete from {{ target }}
where exists (select from rows_changed)
{%- if meta["touched"] != "all" %}
and {{ meta["touched"][0] }} in ({{ touched(meta["touched"][1]) }})
{%- endif %};
{%- else -%}
delete from {{ target }} as standing
using rows_changed as gone
where gone._change = 'before'
{%- for name in keys %} and standing.{{ name }} = gone.{{ name }}{% endfor %};
{%- endif %}
{% for statement in meta.get("touches", []) %}
{{ statement | replace("<intermediate>", target.schema) }};
{% endfor %}
insert into {{ target }} ({{ columns }})
{% if key is none -%}
select {{ columns }} from {{ fresh }} where exists (select from rows_changed)
{%- else -%}
select {{ columns }} from rows_changed where _change = 'after'
order by {{ (meta.get("in_order") or keys) | join(", ") }}
{%- endif %}
{%- endmacro %}

{#-
Post-hook of a table that was made whole: without statistics the planner of the models behind it loops where it
should hash.
-#}
{% macro gather_statistics() -%}
{%- set is_made_whole = model.config.materialized == "table"
    or (model.config.materialized == "incremental" and not is_incremental()) -%}
{%- if execute and is_made_whole -%}
analyze {{ this }}
{%- endif -%}
{%- endmacro %}

{#- A condition: rows of a tracked table that were written since the last successful build. -#}
{% macro written_since() -%}
_transaction_id >= (select built_from from ops.build_state)
{%- endmacro %}

{#- Keys of rows of a tracked table that came, changed or went since the last successful build. -#}
{% macro changed_keys(relation, column) -%}
select {{ column }} from {{ relation }} where {{ written_since() }}
union
select key ->> '{{ column }}' from ops.changed_rows
where relation = '{{ relation }}' and {{ written_since() }}
{%- endmacro %}

{#- At the start of an increment: whom the rows touch that came since the last successful build. -#}
{% macro find_touched() -%}
{%- if not should_full_refresh() -%}
{%- for relation in ["raw.calls", "raw.call_routes", "facts.call_recordings", "raw.transcripts"] %}
insert into ops.touched_calls
{{ changed_keys(relation, "call_id") }};
{%- endfor %}
{%- for relation in [
    "facts.recordings", "facts.recording_evidence", "facts.speech_sides", "facts.speech_turns", "facts.emotions",
    "facts.recognitions"
] %}
insert into ops.touched_recordings
{{ changed_keys(relation, "content_hash") }};
{%- endfor %}
insert into ops.touched_recordings
select recognitions.content_hash
from facts.recognised_segments as segments
inner join facts.recognitions on segments.recognition_id = recognitions.recognition_id
where segments.{{ written_since() }};
insert into ops.touched_recordings
{{ changed_keys("facts.call_recordings", "content_hash") }};
{%- for relation in ["facts.phrase_scans", "facts.phrase_hits", "facts.transcript_outcomes"] %}
insert into ops.touched_transcripts
{{ changed_keys(relation, "transcript_sha256") }};
{%- endfor %}
insert into ops.touched_transcripts
select transcripts.content_sha256
from raw.transcript_segments as segments
inner join raw.transcripts on segments.object_id = transcripts.object_id
where segments.{{ written_since() }};
insert into ops.touched_calls
select call_id from facts.call_recordings
where content_hash in (select content_hash from ops.touched_recordings);
insert into ops.touched_calls
select call_id from facts.transcripts
where content_sha256 in (select transcript_sha256 from ops.touched_transcripts);
insert into ops.touched_customer_rows
{{ changed_keys("raw.customers", "customer_id") }};
insert into ops.touched_customers
select coalesce(merged.surviving_customer_id, complaints.customer_id, calls.customer_id)
from ({{ changed_keys("raw.complaints", "complaint_id") }}) as changed (complaint_id)
inner join raw.complaints as complaints on changed.complaint_id = complaints.complaint_id
left join {{ target.schema }}.int_customers_merged as merged on complaints.customer_id = merged.customer_id
left join {{ target.schema }}.int_calls_reconciled as calls on complaints.call_id = calls.call_id
where coalesce(complaints.customer_id, calls.customer_id) is not null
union
select calls.customer_id
from ({{ changed_keys("raw.complaints", "complaint_id") }}) as changed (complaint_id)
inner join raw.complaints as complaints on changed.complaint_id = complaints.complaint_id
inner join {{ target.schema }}.int_calls_reconciled as calls on complaints.call_id = calls.call_id
where calls.customer_id is not null
union
select evidence.customer_id
from ({{ changed_keys("raw.complaints", "complaint_id") }}) as changed (complaint_id)
inner join {{ target.schema }}.int_evaluation_evidence_collected as evidence
    on evidence.evidence_type = 'complaint' and changed.complaint_id = evidence.evidence_id;
{%- for kind in ["calls", "recordings", "transcripts", "customer_rows"] %}
analyze ops.touched_{{ kind }};
{%- endfor %}
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}

{#-
Rows of customers that changed touch the calls that name one of them, whoever survived them, and the calls that find
one by number.
-#}
{% macro touch_calls_of_customers() -%}
insert into ops.touched_calls
select calls.call_id
from (
    select customer_id from rows_changed
    union
    select merged.surviving_customer_id
    from rows_changed
    inner join <intermediate>.int_customers_merged as merged on rows_changed.customer_id = merged.customer_id
) as customers
inner join <intermediate>.int_calls_attributed as calls on customers.customer_id = calls.customer_id
union all
select calls.call_id
from (select distinct phone from rows_changed) as customers
inner join <intermediate>.int_calls_attributed as calls on customers.phone = calls.customer_number
{%- endmacro %}

{#- Rows of customers touch them, and whoever survived them. -#}
{% macro touch_survivors() -%}
insert into ops.touched_customers
select customer_id from rows_changed
union
select merged.surviving_customer_id
from rows_changed
inner join <intermediate>.int_customers_merged as merged on rows_changed.customer_id = merged.customer_id
{%- endmacro %}

{#- Merges that changed touch the calls of everybody in them, also those that found nobody by number alone. -#}
{% macro touch_calls_of_merges() -%}
insert into ops.touched_calls
select calls.call_id
from (
    select customer_id from rows_changed
    union
    select surviving_customer_id from rows_changed
) as customers
inner join <intermediate>.int_calls_attributed as calls on customers.customer_id = calls.customer_id
union all
select calls.call_id
from (select distinct customer_id from rows_changed) as customers
inner join <intermediate>.int_customers_located as versions on customers.customer_id = versions.customer_id
inner join <intermediate>.int_calls_attributed as calls on versions.phone = calls.customer_number
{%- endmacro %}

{#- An attempt that changed touches the inbound calls that may belong to its campaign. -#}
{% macro touch_inbound_calls() -%}
insert into ops.touched_calls
select inbound.call_id
from rows_changed as attempts
inner join <intermediate>.int_calls_attributed as inbound
    on
        attempts.customer_id = inbound.customer_id
        and attempts.started_at < inbound.started_at
        and attempts.started_at >= inbound.started_at - interval '{{ var("inbound_campaign_days") }} days'
where
    attempts.direction = 'outbound'
    and inbound.direction = 'inbound'
    and inbound.delivered_campaign_id is null
{%- endmacro %}

{#-
Calls that are touched touch their customers, also where the call itself came out alike and only its recording or
transcript says something else; and what an agent did in a half hour is context of all the agent's calls in it.
-#}
{% macro touch_customers_of_calls() -%}
insert into ops.touched_customers
select customer_id from <intermediate>.int_calls_reconciled
where customer_id is not null and call_id in (select call_id from ops.touched_calls);
-- A complaint may name a call of somebody else, or one that came after it.
insert into ops.touched_customers
select coalesce(merged.surviving_customer_id, complaints.customer_id)
from raw.complaints as complaints
left join <intermediate>.int_customers_merged as merged on complaints.customer_id = merged.customer_id
where complaints.customer_id is not null and complaints.call_id in (select call_id from ops.touched_calls);
{{ touch_customers_of_half_hours() }}
{%- endmacro %}

{#- What an agent did in a half hour touches the customers of the agent's calls in it. -#}
{% macro touch_customers_of_half_hours() -%}
insert into ops.touched_customers
select distinct calls.customer_id
from rows_changed
inner join <intermediate>.int_calls_reconciled as calls
    on rows_changed.agent_id = calls.agent_id and rows_changed.half_hour_at = calls.half_hour_at
where calls.customer_id is not null
{%- endmacro %}

{#- A campaign that lost too many calls on a day did so with everybody whom it called that day. -#}
{% macro touch_customers_of_campaigns() -%}
insert into ops.touched_customers
select distinct calls.customer_id
from rows_changed
inner join <intermediate>.int_calls_reconciled as calls
    on
        rows_changed.campaign_id = calls.campaign_id
        and {{ business_date("rows_changed.violated_at") }} = calls.call_date
where rows_changed.call_id is null and calls.customer_id is not null
{%- endmacro %}

{#-
When the as-of day moves, evidence comes into a window or leaves it without any row having changed. A version that
comes into force in between touches everybody.
-#}
{% macro touch_customers_of_days() -%}
insert into ops.touched_customers
select distinct evidence.customer_id
from <intermediate>.int_evaluation_evidence_collected as evidence
cross join (
    select
        min(as_of_date) as from_date,
        max(as_of_date) as to_date
    from rows_changed
) as days
where
    (evidence.valid_from > days.from_date and evidence.valid_from <= days.to_date)
    or (evidence.valid_to > days.from_date and evidence.valid_to <= days.to_date)
    or exists (
        select 1
        from (
            select effective_from from <intermediate>.int_evaluation_versions
            union all
            select effective_from from <intermediate>.int_quality_versions
        ) as versions
        where versions.effective_from > days.from_date and versions.effective_from <= days.to_date
    )
{%- endmacro %}

{#- A demand that changed touches everybody whose it was in any of its versions. -#}
{% macro touch_customers_of_demands() -%}
insert into ops.touched_customers
select customer_id from rows_changed
union
select customer_id from <intermediate>.int_demand_versions_ordered
where demand_id in (select demand_id from rows_changed)
{%- endmacro %}

{#- A verdict touches the customer of the hit. -#}
{% macro touch_customers_of_hits() -%}
insert into ops.touched_customers
select distinct hits.customer_id
from rows_changed inner join <intermediate>.int_phrase_hits_judged as hits on rows_changed.hit_id = hits.hit_id
where hits.customer_id is not null
{%- endmacro %}

{#- Figures of calls that changed touch their days and half hours. -#}
{% macro touch_times_of_calls() -%}
insert into ops.touched_days
select distinct calls.call_date
from rows_changed inner join <intermediate>.int_calls_attributed as calls on rows_changed.call_id = calls.call_id;
insert into ops.touched_half_hours
select distinct calls.half_hour_at
from rows_changed inner join <intermediate>.int_calls_attributed as calls on rows_changed.call_id = calls.call_id
{%- endmacro %}
