-- What was said, made ready for search: canonical is the folded text, terms its words and pairs of ideographs.
-- The server's own parsers know no words of Chinese, and its trigrams need three characters where most Chinese
-- words have two.
create table facts.segment_terms (
    transcript_sha256 text not null,
    segment_index integer not null,
    announcements_version text not null,
    canonical text not null,
    terms text[] not null,
    primary key (transcript_sha256, segment_index)
);
create index segment_terms_terms on facts.segment_terms using gin (terms);
create index transcripts_content on raw.transcripts (content_sha256);
