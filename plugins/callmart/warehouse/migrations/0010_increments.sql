-- What an incremental build has to look at: which rows are new since the last build, which are gone, and whose
-- figures they touch.

-- Every tracked row says which transaction wrote it (null: before it was tracked), and every row that was changed or
-- removed leaves its key. A row is new to a build when its transaction had not ended when the last successful build
-- began: neither clocks nor sequences tell that, for rows become visible in the order of commits. BRIN costs a COPY
-- next to nothing and finds what was appended.
create table ops.changed_rows (
    relation text not null,
    key jsonb,  -- null: the table was emptied
    _transaction_id bigint not null default pg_current_xact_id()::text::bigint
);

-- With the rights of its owner: whoever may change a row need not see this log.
create function ops.log_changed_rows() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
declare
    key_expression text := (
        select 'jsonb_build_object(' || string_agg(format('%L, %I', name, name), ', ') || ')'
        from unnest(tg_argv) as names (name)
    );
begin
    if tg_op = 'TRUNCATE' then
        insert into ops.changed_rows (relation) values (tg_table_schema || '.' || tg_table_name);
        return null;
    end if;
    execute format(
        'insert into ops.changed_rows (relation, key) select distinct %L, %s from rows_before',
        tg_table_schema || '.' || tg_table_name, key_expression
    );
    if tg_op = 'UPDATE' then
        execute format(
            'insert into ops.changed_rows (relation, key) select distinct %L, %s from rows_after',
            tg_table_schema || '.' || tg_table_name, key_expression
        );
    end if;
    return null;
end
$$;

-- Begins to track a table by the columns of its key; again is harmless.
create function ops.track_changes(tracked regclass, variadic key_columns text[]) returns void language plpgsql as $$
declare
    arguments text := (select string_agg(quote_literal(name), ', ') from unnest(key_columns) as names (name));
begin
    if exists (
        select from pg_attribute where attrelid = tracked and attname = '_transaction_id' and not attisdropped
    ) then
        return;
    end if;
    -- The default comes after the column, so that what is there need not be written anew.
    execute format('alter table %s add column _transaction_id bigint', tracked);
    execute format(
        'alter table %s alter column _transaction_id set default pg_current_xact_id()::text::bigint', tracked
    );
    execute format(
        'create index on %s using brin (_transaction_id) with (pages_per_range = 32, autosummarize = on)', tracked
    );
    execute format(
        'create trigger log_updated_rows after update on %s referencing old table as rows_before'
        ' new table as rows_after for each statement execute function ops.log_changed_rows(%s)',
        tracked, arguments
    );
    execute format(
        'create trigger log_deleted_rows after delete on %s referencing old table as rows_before'
        ' for each statement execute function ops.log_changed_rows(%s)',
        tracked, arguments
    );
    execute format(
        'create trigger log_truncation after truncate on %s'
        ' for each statement execute function ops.log_changed_rows(%s)',
        tracked, arguments
    );
end
$$;

-- The tables of CRM entities begin to be tracked when they are made from contracts/entities.yaml.
select
    ops.track_changes('raw.recordings', 'call_id'),
    ops.track_changes('raw.transcripts', 'call_id'),
    ops.track_changes('raw.transcript_segments', 'object_id'),
    ops.track_changes('facts.call_recordings', 'call_id', 'content_hash'),
    ops.track_changes('facts.recordings', 'content_hash'),
    ops.track_changes('facts.recording_evidence', 'content_hash'),
    ops.track_changes('facts.speech_sides', 'content_hash'),
    ops.track_changes('facts.speech_turns', 'content_hash'),
    ops.track_changes('facts.emotions', 'content_hash'),
    ops.track_changes('facts.recognitions', 'content_hash'),
    ops.track_changes('facts.recognised_segments', 'recognition_id'),
    ops.track_changes('facts.phrase_scans', 'transcript_sha256'),
    ops.track_changes('facts.phrase_hits', 'transcript_sha256'),
    ops.track_changes('facts.transcript_outcomes', 'transcript_sha256');

-- One row: from which transaction on rows may not be in the marts, and what the marts were built by (null: no
-- complete build stands, the next one is a full refresh). The building_ columns belong to the build that runs, or
-- was killed.
create table ops.build_state (
    is_only_row boolean primary key default true check (is_only_row),
    built_from bigint,
    built_by jsonb,
    built_at timestamptz,
    building_from bigint,
    building_by jsonb,
    is_increment boolean not null default false
);
insert into ops.build_state default values;

-- Whose figures have to be made anew. Filled while a build runs, by each model in the transaction that changes its
-- rows, and emptied only when the build succeeded: one that was killed leaves behind what the next must know.
-- Repeated keys are allowed, so that models running at once never wait for each other.
create table ops.touched_calls (call_id text not null);
create table ops.touched_customers (customer_id text not null);
create table ops.touched_customer_rows (customer_id text not null);
create table ops.touched_customer_keys (customer_key text not null);
create table ops.touched_recordings (content_hash text not null);
create table ops.touched_transcripts (transcript_sha256 text not null);
create table ops.touched_days (day date not null);
create table ops.touched_half_hours (half_hour_at timestamptz not null);
create table ops.touched_agents (agent_id text not null, touched_from timestamptz not null);
