-- What the CRM is told. A feed is a numbered step from what it knew to what it should know: its rows are fixed here in
-- one transaction before a file is written, so that a feed that was cut off is written again and not made anew.
create table ops.crm_feeds (
    target text not null,
    sequence bigint not null check (sequence > 0),
    status text not null default 'planned' check (status in ('planned', 'written')),
    rows integer not null,
    planned_at timestamptz not null default now(),
    written_at timestamptz,
    manifest jsonb,
    primary key (target, sequence)
);
-- One feed of a target at a time is on its way.
create unique index crm_feeds_planned on ops.crm_feeds (target) where status = 'planned';

create table ops.crm_feed_rows (
    target text not null,
    sequence bigint not null,
    record_type text not null,
    record_id text not null,
    content jsonb not null,
    primary key (target, record_type, record_id, sequence),
    foreign key (target, sequence) references ops.crm_feeds (target, sequence)
);

-- Rows that the CRM would not take, as it said in a file that it dropped back.
create table ops.crm_rejections (
    target text not null,
    object_key text not null,
    row_number bigint not null,
    sequence bigint,
    record_type text,
    record_id text,
    reason text not null,
    read_at timestamptz not null default now(),
    primary key (target, object_key, row_number)
);

-- Messages to the webhook of a target: sent, to be tried again, or given up.
create table ops.crm_webhook_deliveries (
    target text not null,
    sequence bigint not null,
    status text not null default 'waiting' check (status in ('waiting', 'sent', 'dead')),
    attempts integer not null default 0,
    message text,
    attempted_at timestamptz,
    primary key (target, sequence),
    foreign key (target, sequence) references ops.crm_feeds (target, sequence)
);
