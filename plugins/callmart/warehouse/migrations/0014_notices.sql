-- Who was told of an alert and when: a mail server that is away keeps no robot waiting, and nobody is told twice.
create table ops.alert_notices (
    alert_id bigint not null references ops.alerts (alert_id) on delete cascade,
    recipient text not null,
    sent_at timestamptz not null default now(),
    primary key (alert_id, recipient)
);
insert into ops.alert_notices (alert_id, recipient, sent_at)
select alert_id, 'mail', mailed_at from ops.alerts where mailed_at is not null;
alter table ops.alerts drop column mailed_at;

-- Reports also go to the robots of group chats and to webhooks.
alter table ops.report_deliveries drop constraint report_deliveries_channel_check;
alter table ops.report_deliveries add check (channel in ('bucket', 'mail', 'robot'));
alter table ops.report_deliveries add column attempts integer not null default 1;
