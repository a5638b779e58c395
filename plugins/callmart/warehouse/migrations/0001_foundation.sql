-- Schemas: ops (what the pipeline did), raw (what arrived), facts (what was measured on a recording or a
-- transcript). dbt builds staging, intermediate and marts from these. Raw tables of CRM entities are made
-- from contracts/entities.yaml, one a kind: the entity's columns plus
--   _object_id, _row_number, _row_part  the place it came from (primary key)
--   _delivered_on, _object_key, _object_modified_at  what orders versions of a row (after updated_at)
--   _source, _extra (unknown columns), _flags (what could not be normalised), _loaded_at
create schema ops;
create schema raw;
create schema facts;

create table ops.objects (
    object_id bigint generated always as identity primary key,
    bucket text not null,
    object_key text not null,
    etag text not null,
    size_bytes bigint not null,
    modified_at timestamptz not null,
    content_sha256 text,
    kind text not null check (kind in ('crm', 'recording', 'transcript', 'unknown')),
    source text,
    entities text[],
    delivered_on date,
    status text not null check (
        status in (
            'discovered', 'loading', 'loaded', 'duplicate', 'quarantined', 'skipped', 'failed', 'erased'
        )
    ),
    duplicate_of bigint references ops.objects,
    encoding text,
    delimiter text,
    compression text,
    rows_read bigint,
    rows_loaded bigint,
    rows_quarantined bigint,
    message text,
    attempts integer not null default 0,
    discovered_at timestamptz not null default now(),
    finished_at timestamptz,
    unique (bucket, object_key, etag, size_bytes)
);
create index objects_status on ops.objects (status) where status in ('discovered', 'loading', 'failed');
create index objects_content on ops.objects (content_sha256);

-- What broke the contract, whole files and single rows. Closed by a requeue that succeeds.
create table ops.quarantine (
    quarantine_id bigint generated always as identity primary key,
    object_id bigint not null references ops.objects,
    object_key text not null,
    scope text not null check (scope in ('file', 'row')),
    entity text,
    row_number integer,
    record_key text,
    rule text not null,
    reason text not null,
    payload jsonb,
    status text not null default 'open' check (status in ('open', 'requeued', 'resolved')),
    quarantined_at timestamptz not null default now(),
    closed_at timestamptz
);
create index quarantine_object on ops.quarantine (object_id);

-- What is odd but loaded: unknown columns, a repaired encoding, a recording shorter than its header says.
create table ops.notices (
    object_id bigint not null references ops.objects,
    kind text not null,
    subject text not null,
    detail text,
    noticed_at timestamptz not null default now(),
    primary key (object_id, kind, subject)
);

-- The outcome of every step of every run, to be queried like any other table.
create table ops.step_runs (
    step_run_id bigint generated always as identity primary key,
    dag_id text not null,
    run_id text not null,
    task_id text not null,
    map_index integer not null default -1,
    try_number integer not null default 1,
    outcome text not null check (outcome in ('succeeded', 'failed', 'skipped')),
    started_at timestamptz not null,
    finished_at timestamptz not null,
    rows_handled bigint,
    detail jsonb
);

-- The vendor's words for how a call ended, from the source mappings. A null outcome is a known word that
-- says nothing about who answered.
create table ops.disposition_words (
    source text not null,
    disposition text not null,
    outcome text,
    primary key (source, disposition)
);

create table ops.report_deliveries (
    delivery_id bigint generated always as identity primary key,
    report text not null,
    period_start date not null,
    period_end date not null,
    audience text not null,
    language text not null,
    channel text not null check (channel in ('bucket', 'mail')),
    recipient text not null,
    content_sha256 text not null,
    status text not null check (status in ('sending', 'sent', 'failed')),
    message text,
    attempted_at timestamptz not null default now(),
    unique (report, period_start, period_end, audience, language, channel, recipient)
);

-- Recordings as they were delivered: one row a file that was not a repetition.
create table raw.recordings (
    object_id bigint primary key references ops.objects,
    call_id text not null,
    side text not null check (side in ('both', 'agent', 'customer')),
    object_key text not null,
    extension text not null,
    content_sha256 text not null,
    size_bytes bigint not null,
    delivered_on date not null,
    loaded_at timestamptz not null default now()
);
create index recordings_call on raw.recordings (call_id);

create table raw.transcripts (
    object_id bigint primary key references ops.objects,
    call_id text not null,
    object_key text not null,
    format text not null,
    language text,
    engine text,
    content_sha256 text not null,
    segments integer not null,
    is_connected boolean,
    problems jsonb not null default '[]',
    delivered_on date not null,
    loaded_at timestamptz not null default now()
);
create index transcripts_call on raw.transcripts (call_id);

create table raw.transcript_segments (
    object_id bigint not null references raw.transcripts,
    segment_index integer not null,
    role text check (role in ('agent', 'customer')),
    start_ms bigint,
    end_ms bigint,
    text text not null,
    words jsonb,
    speaker text,
    speech_start integer not null default 0,
    primary key (object_id, segment_index)
);

-- Which audio belongs to which call. content_hash is the file's SHA-256, or of both sides' hashes joined
-- where a call was delivered as two files. Greatest (delivered_on, object_key) is the call's recording.
create table facts.call_recordings (
    call_id text not null,
    content_hash text not null,
    object_key text not null,
    delivered_on date not null,
    agent_object_id bigint references ops.objects,
    customer_object_id bigint references ops.objects,
    object_id bigint references ops.objects,
    linked_at timestamptz not null default now(),
    primary key (call_id, content_hash)
);

-- What was heard: one row a recording and version of the analyser. Seconds count from the file's start.
create table facts.recordings (
    content_hash text not null,
    analyser_version text not null,
    outcome text not null,
    is_answered boolean,
    is_connected boolean,
    confidence double precision,
    reason text,
    duration_seconds double precision,
    sample_rate_hz integer,
    channels integer,
    codec text,
    ring_seconds double precision,
    answered_at_seconds double precision,
    first_tone_seconds double precision,
    silence_seconds double precision,
    mutual_silence_over_3s_seconds double precision,
    overlap_seconds double precision,
    interruptions integer,
    interruptions_by_agent integer,
    interruptions_by_customer integer,
    response_seconds_median double precision,
    agent_response_seconds_median double precision,
    customer_response_seconds_median double precision,
    notes jsonb not null default '[]',
    processing_seconds double precision,
    analysed_at timestamptz not null default now(),
    primary key (content_hash, analyser_version)
);

create table facts.recording_evidence (
    content_hash text not null,
    analyser_version text not null,
    evidence_index integer not null,
    kind text not null,
    start_seconds double precision,
    end_seconds double precision,
    detail text,
    primary key (content_hash, analyser_version, evidence_index)
);

-- side: agent, customer, or mixed where one channel holds both.
create table facts.speech_sides (
    content_hash text not null,
    analyser_version text not null,
    side text not null check (side in ('agent', 'customer', 'mixed')),
    talk_seconds double precision not null,
    turns integer,
    longest_turn_seconds double precision,
    first_speech_seconds double precision,
    primary key (content_hash, analyser_version, side)
);

create table facts.speech_turns (
    content_hash text not null,
    analyser_version text not null,
    turn_index integer not null,
    side text not null check (side in ('agent', 'customer', 'mixed')),
    start_seconds double precision not null,
    end_seconds double precision not null,
    primary key (content_hash, analyser_version, turn_index)
);

create table facts.emotions (
    content_hash text not null,
    analyser_version text not null,
    side text not null check (side in ('agent', 'customer', 'mixed')),
    family text not null check (family in ('pca', 'neural', 'gmm')),
    model_version text not null,
    label text not null check (label in ('angry', 'happy', 'neutral', 'sad')),
    probability_angry double precision not null,
    probability_happy double precision not null,
    probability_neutral double precision not null,
    probability_sad double precision not null,
    arousal double precision not null,
    valence double precision not null,
    emotion_index double precision not null,
    start_index double precision,
    end_index double precision,
    peak_index double precision,
    trend_per_minute double precision,
    speech_seconds double precision not null,
    primary key (content_hash, analyser_version, side, family)
);

create table facts.emotion_segments (
    content_hash text not null,
    analyser_version text not null,
    side text not null,
    family text not null,
    segment_index integer not null,
    model_version text not null,
    start_seconds double precision not null,
    end_seconds double precision not null,
    label text not null,
    probability_angry double precision not null,
    probability_happy double precision not null,
    probability_neutral double precision not null,
    probability_sad double precision not null,
    arousal double precision not null,
    valence double precision not null,
    emotion_index double precision not null,
    parameters real[] not null,
    primary key (content_hash, analyser_version, side, family, segment_index)
);

-- Every phrase rule that was ever in force, by the hash of its definition. purpose: rule (from the CRM or the
-- shipped library) or signal (what a customer says about a demand).
create table facts.phrase_rules (
    rule_hash text primary key,
    rule_id text not null,
    purpose text not null check (purpose in ('rule', 'signal')),
    origin text not null check (origin in ('crm', 'library')),
    definition jsonb not null,
    severity text not null,
    points double precision not null,
    name_en text,
    name_zh text,
    first_seen_at timestamptz not null default now()
);

-- Which transcript was searched with which set of rules; a transcript without a row was never searched.
create table facts.phrase_scans (
    transcript_sha256 text not null,
    ruleset_hash text not null,
    scanned_at timestamptz not null default now(),
    primary key (transcript_sha256, ruleset_hash)
);

-- Offsets are code points of the segment as delivered, end exclusive. A missing phrase has no place.
-- condition: connected = counts only if the reconciled decision says that a person answered.
create table facts.phrase_hits (
    transcript_sha256 text not null,
    rule_hash text not null references facts.phrase_rules,
    hit_index integer not null,
    rule_id text not null,
    kind text not null check (kind in ('prohibited', 'missing')),
    condition text not null check (condition in ('always', 'connected')),
    role text,
    start_ms bigint,
    end_ms bigint,
    segment_index integer,
    segment_end_index integer,
    char_start integer,
    char_end integer,
    text text,
    context text,
    severity text not null,
    points double precision not null,
    primary key (transcript_sha256, rule_hash, hit_index)
);

-- What an announcement says in words about the fate of a call (vacant number, switched off, voicemail …).
create table facts.transcript_outcomes (
    transcript_sha256 text not null,
    announcements_version text not null,
    outcome text,
    segment_index integer,
    char_start integer,
    char_end integer,
    text text,
    decided_at timestamptz not null default now(),
    primary key (transcript_sha256, announcements_version)
);
