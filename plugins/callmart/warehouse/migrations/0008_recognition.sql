-- What a speech recogniser understood of recordings whose calls have no delivered transcript: one row a recording
-- and version (code, settings, models). Without segments nothing was understood, and problems says why; the row
-- keeps it from being tried again. language_found: heard, only (the models speak one), given, none.
-- cpu_seconds is of all cores, realtime_factor seconds of recording a second of the clock; loading excluded.
create table facts.recognitions (
    recognition_id bigint generated always as identity unique,
    content_hash text not null,
    speech_version text not null,
    transcript_sha256 text not null,
    engine text,
    language text,
    language_found text not null check (language_found in ('heard', 'only', 'given', 'none')),
    segments integer not null,
    problems jsonb not null default '[]',
    duration_seconds double precision not null,
    speech_seconds double precision not null,
    processing_seconds double precision not null,
    cpu_seconds double precision not null,
    realtime_factor double precision,
    recognised_at timestamptz not null default now(),
    primary key (content_hash, speech_version)
);
create index recognitions_transcript on facts.recognitions (transcript_sha256);
create index call_recordings_content on facts.call_recordings (content_hash);

create table facts.recognised_segments (
    recognition_id bigint not null references facts.recognitions (recognition_id),
    segment_index integer not null,
    role text check (role in ('agent', 'customer')),
    start_ms bigint not null,
    end_ms bigint not null,
    text text not null,
    words jsonb,
    speaker text,
    primary key (recognition_id, segment_index)
);

-- Every transcript that counts, with the columns of raw.transcripts: those delivered, and for calls without one
-- what the newest recognition of their recording understood (under a negative object_id, which two calls with the
-- same recording share). A delivered transcript takes the place of a recognised one whenever it comes.
create view facts.transcripts as
select
    object_id, call_id, object_key, format, language, engine, content_sha256, segments, is_connected, problems,
    delivered_on, loaded_at, 'delivered'::text as transcript_source
from raw.transcripts
union all
select
    -recognitions.recognition_id, links.call_id, links.object_key, 'recognised', recognitions.language,
    recognitions.engine, recognitions.transcript_sha256, recognitions.segments, null, recognitions.problems,
    links.delivered_on, recognitions.recognised_at, 'recognised'
from facts.recognitions
inner join facts.call_recordings as links on recognitions.content_hash = links.content_hash
where recognitions.segments > 0
    and not exists (
        select from facts.recognitions as newer
        where newer.content_hash = recognitions.content_hash
            and newer.recognition_id > recognitions.recognition_id
    )
    and not exists (select from raw.transcripts where transcripts.call_id = links.call_id);

create view facts.transcript_segments as
select object_id, segment_index, role, start_ms, end_ms, text, words, speaker, speech_start
from raw.transcript_segments
union all
select -recognition_id, segment_index, role, start_ms, end_ms, text, words, speaker, 0
from facts.recognised_segments;
