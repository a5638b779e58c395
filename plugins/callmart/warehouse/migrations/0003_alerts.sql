-- One row an alert from the moment its cause was seen until it was gone.
create table ops.alerts (
    alert_id bigint generated always as identity primary key,
    check_name text not null,
    subject text not null,
    severity text not null check (severity in ('critical', 'major', 'minor')),
    message text not null,
    opened_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    mailed_at timestamptz,
    closed_at timestamptz
);
create unique index alerts_open on ops.alerts (check_name, subject) where closed_at is null;
