-- What a past range is judged by, and what it would be under other versions.

-- The sets of rules that `--rules N` names: what the CRM had in force from some moment on, the shipped library, or a
-- rule file. A set never changes; a correction of the CRM is another set. phrase_rules: rule_id, rule_hash,
-- rule_version, effective_from, definition. sales_rules: the columns of int_sales_rules_effective without its times
-- in force; null where the set says nothing of them, and then those of the CRM stay in force.
create table ops.rule_sets (
    rules_version integer primary key check (rules_version > 0),
    origin text not null check (origin in ('crm', 'library', 'file')),
    label text not null,
    in_force_from timestamptz,
    phrase_rules jsonb not null,
    sales_rules jsonb,
    content_sha256 text not null unique,
    registered_at timestamptz not null default now(),
    registered_by text not null default current_user
);

-- Which version judges which days, where a person decided otherwise than the dates in force say. Only ever added to:
-- of several on a day the one decided last counts, so yesterday's judgement can be read off and computed again.
create table ops.version_pins (
    pin_id bigint generated always as identity primary key,
    kind text not null check (kind in ('rules', 'weights', 'model')),
    version text not null,
    from_date date not null,
    to_date date not null,
    replay_id bigint,
    decided_at timestamptz not null default clock_timestamp(),
    decided_by text not null default current_user,
    check (from_date <= to_date)
);

-- One row a past range computed under other versions. prefix: of the schemas that hold its tables. basis: what the
-- warehouse held when they were built; difference: what they say otherwise than the published ones.
create table ops.replays (
    replay_id bigint generated always as identity primary key,
    status text not null default 'building' check (status in ('building', 'ready', 'promoted', 'discarded')),
    from_date date not null,
    to_date date not null,
    versions jsonb not null,
    prefix text,
    basis jsonb,
    difference jsonb,
    requested_at timestamptz not null default clock_timestamp(),
    requested_by text not null default current_user,
    built_at timestamptz,
    decided_at timestamptz,
    decided_by text,
    check (from_date <= to_date)
);
-- The same request has one replay that waits: asked again, it is built anew in its place.
create unique index replays_waiting on ops.replays (from_date, to_date, versions)
where status in ('building', 'ready');

-- A rule of a file that a replay searched for is a fact like the others.
alter table facts.phrase_rules drop constraint phrase_rules_origin_check;
alter table facts.phrase_rules add constraint phrase_rules_origin_check check (origin in ('crm', 'library', 'file'));

comment on table ops.rule_sets is
'Sets of rules as they stood at some moment, or of a file: what --rules N names / 规则集：某时刻生效的规则或规则文件';
comment on table ops.version_pins is
'Which version judges which days by a person''s decision; the last one counts / 人工指定的各日评判版本，以最后决定为准';
comment on table ops.replays is
'Past ranges computed under other versions, with the difference / 以其他版本重算的历史区间及差异';
