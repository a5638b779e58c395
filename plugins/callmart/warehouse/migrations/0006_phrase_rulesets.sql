-- What a set of rules held, so that a transcript it has searched is searched again only for rules that are new.
-- announcements_version holds the matcher's: sets of an older matcher count for nothing.
create table facts.phrase_rulesets (
    ruleset_hash text primary key,
    announcements_version text not null,
    rule_hashes text[] not null
);
