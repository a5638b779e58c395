-- Search from SQL: select * from marts.transcript_search('保证收益'). What is asked is folded as what was said was, by
-- the table below, which the matcher fills from its own (recordings/search.py): one definition of folding.
-- Characters of code points first to last: shift leads to the folded one; kind is spaced (a letter or digit of a
-- script with blanks between words), word (of one without), sign (kept, but not said), or how it vanishes: blank,
-- mark (punctuation), stop (a full stop, kept before a blank), unseen (zero width), symbol.
create table facts.character_ranges (
    first_code integer primary key,
    last_code integer not null,
    shift integer not null,
    kind text not null,
    announcements_version text not null
);

-- What is asked for in the form of facts.segment_terms: a part of the canonical text, and the terms wanted; the same
-- as ml.phrases.terms makes of a text, without the blanks at its edges where no word of letters stands there.
create function facts.quotation(query text, out canonical text, out terms text[])
language sql stable parallel safe
begin atomic
    with characters as (
        select
            piece.place,
            ascii(piece.character) + coalesce(range.shift, 0) as code,
            coalesce(range.kind, 'word') as kind
        from regexp_split_to_table(query, '') with ordinality as piece (character, place)
        cross join lateral (
            select * from facts.character_ranges
            where first_code <= ascii(piece.character)
            order by first_code desc
            limit 1
        ) as range
        where piece.character <> ''
    ),

    seen as (
        select
            place,
            code,
            kind,
            -- Of what shows, the next: a full stop counts where a blank follows.
            lead(kind) over (order by place) as next_kind
        from characters
        where kind <> 'unseen'
    ),

    signs as (
        select
            place,
            code,
            case when kind = 'stop' then case when next_kind = 'blank' then 'sign' else 'mark' end else kind end as kind
        from seen
    ),

    gaps as (
        select
            *,
            count(*) filter (where kind in ('spaced', 'word', 'sign')) over (order by place) as kept_before
        from signs
        where kind <> 'symbol'
    ),

    kept as (
        select
            max(code) filter (where kind in ('spaced', 'word', 'sign')) as code,
            max(kind) filter (where kind in ('spaced', 'word', 'sign')) as kind,
            bool_or(kind in ('blank', 'mark')) as is_cut_behind,
            kept_before as place
        from gaps
        where kept_before > 0
        group by kept_before
    ),

    starts as (
        select
            *,
            kind <> 'spaced'
            or coalesce(lag(kind) over (order by place) <> 'spaced', true)
            or lag(is_cut_behind) over (order by place) as is_start
        from kept
    ),

    numbered as (
        select *, count(*) filter (where is_start) over (order by place) as token_no from starts
    ),

    tokens as (
        select token_no, min(kind) as kind, string_agg(chr(code), '' order by place) as token
        from numbered
        group by token_no
    ),

    paired as (
        select
            *,
            case when kind = 'word' and lag(kind) over (order by token_no) = 'word'
                then lag(token) over (order by token_no) || token
            end as pair
        from tokens
    ),

    wanted as (
        select
            btrim(
                regexp_replace(
                    string_agg(
                        case kind when 'spaced' then ' ' || token || ' ' when 'word' then token else ' ' end,
                        '' order by token_no
                    ),
                    ' +', ' ', 'g'
                )
            ) as bare,
            (array_agg(kind order by token_no) filter (where kind <> 'sign'))[1] as first_kind,
            (array_agg(kind order by token_no desc) filter (where kind <> 'sign'))[1] as last_kind
        from paired
    )

    select
        case when bare is null or bare = '' then ''
            else
                case when first_kind = 'spaced' then ' ' else '' end || bare
                || case when last_kind = 'spaced' then ' ' else '' end
        end,
        coalesce(
            (
                select array_agg(distinct term)
                from paired
                cross join lateral (values (token), (pair)) as said (term)
                where kind <> 'sign' and term is not null
            ),
            '{}'
        )
    from wanted;
end;

create schema if not exists marts;

-- The segments in which the words of a query stand together, of the newest calls first. The index gives the segments
-- that hold all terms, the canonical text those that hold them side by side; of a word that everybody says, 10 000
-- segments are looked at. Reading a whole table to find the first 10 000 would be slower than the index in any case
-- that matters, and the planner cannot know the query: enable_seqscan. The raw tables are made after the migrations:
-- the body is checked when it is first called.
set local check_function_bodies = off;
create function marts.transcript_search(query text, side text default null, max_rows integer default 100)
returns table (
    call_id text,
    segment_index integer,
    role text,
    start_ms bigint,
    end_ms bigint,
    text text,
    started_at timestamptz,
    recording_key text,
    context text
)
language sql stable
set enable_seqscan = off
as $$
    with asked as materialized (
        select * from facts.quotation(query)
    ),

    found as materialized (
        select words.transcript_sha256, words.segment_index
        from asked
        inner join facts.segment_terms as words
            on words.terms @> asked.terms and strpos(words.canonical, asked.canonical) > 0
        where cardinality(asked.terms) > 0
        limit 10000
    ),

    -- The same content delivered for two calls is two calls.
    segments as materialized (
        select
            transcripts.call_id, segments.object_id, segments.segment_index, segments.role, segments.start_ms,
            segments.end_ms, segments.text
        from found
        inner join facts.transcripts on found.transcript_sha256 = transcripts.content_sha256
        inner join facts.transcript_segments as segments
            on transcripts.object_id = segments.object_id and found.segment_index = segments.segment_index
        where side is null or segments.role = side
    ),

    calls as (
        select calls.call_id, max(calls.started_at) as started_at
        from raw.calls
        where calls.call_id in (select segments.call_id from segments)
        group by calls.call_id
    ),

    chosen as (
        select segments.*, calls.started_at
        from segments
        left join calls on segments.call_id = calls.call_id
        order by calls.started_at desc nulls last, segments.call_id, segments.segment_index
        limit max_rows
    )

    select
        chosen.call_id, chosen.segment_index, chosen.role, chosen.start_ms, chosen.end_ms, chosen.text,
        chosen.started_at,
        (select max(recordings.object_key) from raw.recordings where recordings.call_id = chosen.call_id),
        (
            select string_agg(near.text, ' ' order by near.segment_index)
            from facts.transcript_segments as near
            where near.object_id = chosen.object_id
                and near.segment_index between chosen.segment_index - 1 and chosen.segment_index + 1
        )
    from chosen
    order by chosen.started_at desc nulls last, chosen.call_id, chosen.segment_index
$$;

comment on function marts.transcript_search is
    'Where something was said: the segments that hold the words of the query side by side, newest calls first; width, case, traditional characters and punctuation do not matter, English is whole words. / 全文检索：查出说过该内容的片段，新通话在前；不计全半角、大小写、繁简和标点，英文按整词。';
revoke execute on function marts.transcript_search from public;
