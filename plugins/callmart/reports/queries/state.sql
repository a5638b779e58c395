-- What the footer says: how far the data are, when they last passed their checks, what is wrong with them.
select
    (select max(started_at) from marts.calls) as newest_call_at,
    (
        select max(started_at) from ops.step_runs
        where dag_id = 'build_marts' and task_id = 'validate_marts' and outcome = 'succeeded'
    ) as checked_at,
    (select count(*) from ops.quarantine where status = 'open') as open_items,
    (select count(*) from marts.data_issues) as data_issues
