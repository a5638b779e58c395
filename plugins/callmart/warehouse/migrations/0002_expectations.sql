-- What each expectation found, every time a layer was validated. One run is all rows of one validated_at.
create table ops.expectation_results (
    layer text not null check (layer in ('raw', 'marts')),
    validated_at timestamptz not null,
    table_name text not null,
    rule text not null,
    expectation text not null,
    severity text not null check (severity in ('critical', 'warning', 'info')),
    is_met boolean not null,
    rows_checked bigint,
    rows_unexpected bigint,
    samples jsonb not null default '[]',
    message text not null,
    primary key (layer, validated_at, table_name, rule)
);
