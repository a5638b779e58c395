-- Versions of the evaluations' weights and curves besides those which the seeds ship. A version is never changed:
-- it is proposed, and then promoted from a day on or discarded; the models read what is promoted.
create table ops.evaluation_versions (
    evaluation text not null check (evaluation in ('conversation', 'inspection', 'rules_and_lines', 'fit', 'engagement')),
    rule_version integer not null check (rule_version > 0),
    status text not null default 'proposed' check (status in ('proposed', 'promoted', 'discarded')),
    -- In force on [effective_from, effective_to) once promoted.
    effective_from date,
    effective_to date,
    -- Rows as in the seeds evaluation_weights and evaluation_knots, without evaluation, version and dates.
    weights jsonb not null,
    knots jsonb not null,
    note text not null,
    -- What the fit found: folds, metrics beside the version before, the data it saw.
    report jsonb not null,
    created_at timestamptz not null default now(),
    created_by text not null default current_user,
    decided_at timestamptz,
    decided_by text,
    primary key (evaluation, rule_version),
    check ((status = 'proposed') = (decided_at is null)),
    check ((status = 'promoted') = (effective_from is not null)),
    check (effective_to > effective_from)
);
comment on table ops.evaluation_versions is
'Versions of weights and curves besides the shipped ones: proposed, promoted, discarded / 评估权重与曲线的其他版本：提议、生效、弃用';
