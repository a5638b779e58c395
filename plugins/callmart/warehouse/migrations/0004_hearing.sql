-- What hearing keeps beside the first facts: other countries' readings of a tone, one channel parted into two
-- speakers, and emotion by every family with the parameters it extracted.

-- outcome_by_country: ISO code of the called number → outcome, only where that country's meaning of an
-- ambiguous tone differs from `outcome`. The recording is heard without knowing the call's row, so that the
-- order of delivery leaves no trace; which country it was is settled in the marts.
-- is_separated: one channel held both speakers and was parted into two sides (null: nothing to part);
-- separation_confidence: how far the parting is believed, 0–1.
alter table facts.recordings
    add column outcome_by_country jsonb not null default '{}',
    add column is_separated boolean,
    add column separation_confidence double precision;

-- Segments stand beside their side as arrays, one place a segment: a row a segment and family would cost more
-- in keys than it holds. segment_probabilities: segments × (angry, happy, neutral, sad); segment_parameters:
-- segments × what the family extracted (principal-component scores, hidden layer, mixture posteriors);
-- segment_relative_scores: segments × the same four labels, to be read against the speaker's earlier segments.
alter table facts.emotions
    add column segment_start_seconds real[] not null default '{}',
    add column segment_end_seconds real[] not null default '{}',
    add column segment_speech_seconds real[] not null default '{}',
    add column segment_probabilities real[] not null default '{}',
    add column segment_parameters real[] not null default '{}',
    add column segment_relative_scores real[] not null default '{}';

update facts.emotions
set
    segment_start_seconds = kept.starts,
    segment_end_seconds = kept.ends,
    -- Speech by segment was not kept before; its span stands for it.
    segment_speech_seconds = kept.spans,
    segment_probabilities = kept.probabilities,
    segment_parameters = kept.parameters
from (
    select
        content_hash, analyser_version, side, family,
        array_agg(start_seconds::real order by segment_index) as starts,
        array_agg(end_seconds::real order by segment_index) as ends,
        array_agg((end_seconds - start_seconds)::real order by segment_index) as spans,
        array_agg(
            array[
                probability_angry, probability_happy, probability_neutral, probability_sad
            ]::real[] order by segment_index
        ) as probabilities,
        array_agg(parameters order by segment_index) as parameters
    from facts.emotion_segments
    group by content_hash, analyser_version, side, family
) as kept
where emotions.content_hash = kept.content_hash
    and emotions.analyser_version = kept.analyser_version
    and emotions.side = kept.side
    and emotions.family = kept.family;

-- How a model reads relative scores: with r the scores of a segment and S the sum of them over n earlier segments
-- of the speaker, softmax((r - (S + strength * population) / (n + strength) + bias) / temperature).
create table facts.emotion_baselines (
    model_version text primary key,
    population real[] not null,
    bias real[] not null,
    temperature double precision not null,
    strength double precision not null,
    seen_at timestamptz not null default now()
);

-- Views of staging read the old table; the next build makes them anew.
drop table facts.emotion_segments cascade;

-- The manifests of training/ are entered in the ledger too, so that their bad rows find a place in quarantine.
alter table ops.objects drop constraint objects_kind_check;
alter table ops.objects add constraint objects_kind_check
    check (kind in ('crm', 'recording', 'transcript', 'training', 'unknown'));

-- One row a model that was trained here. One of each family may be in force; where none is, the model that
-- comes with callmart is. Its files lie in the bucket below `folder`.
create table ops.emotion_models (
    model_version text primary key,
    family text not null check (family in ('pca', 'neural', 'gmm')),
    folder text not null,
    corpus text not null,
    manifest_sha256 text not null,
    n integer not null,
    speakers integer not null,
    rows_skipped integer not null,
    uar double precision not null,
    uar_low double precision not null,
    uar_high double precision not null,
    uar_speaker_baseline double precision not null,
    compared_with text not null,
    compared_uar double precision,
    passes_gate boolean not null,
    gate_reason text not null,
    status text not null check (status in ('proposed', 'in_force', 'retired')),
    card jsonb not null,
    trained_at timestamptz not null default now(),
    status_changed_at timestamptz not null default now(),
    status_changed_by text
);
create unique index emotion_models_in_force on ops.emotion_models (family) where status = 'in_force';
