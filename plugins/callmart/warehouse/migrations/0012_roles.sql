-- Who reads what, and what dbt did. The roles themselves belong to the server, not to a database:
-- callmart.warehouse.roles makes them and gives them their rights after every migration.

-- Which teams a role may see: a login, or a group of logins. A member of bi_by_team sees the rows of these teams
-- alone, and none where it has no row here.
create table ops.team_roles (
    role_name text not null,
    team text not null,
    granted_at timestamptz not null default now(),
    granted_by text not null default session_user,
    primary key (role_name, team)
);

-- Whose teams count in this session: null where every team is seen. The login decides before the role that it
-- has taken on, so that `set role` leads nobody out of a team; a service that takes on a person's role sees what
-- that person sees. Superusers are members of every role and are no readers.
create function ops.team_bound_role(taken_on text) returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select rolname
    from pg_roles
    where
        rolname in (session_user, taken_on)
        and not rolsuper
        and exists (
            select from pg_roles as bound
            where bound.rolname = 'bi_by_team'
                and (pg_has_role(pg_roles.oid, bound.oid, 'usage') or pg_has_role(pg_roles.oid, bound.oid, 'set'))
        )
        and not exists (
            select from pg_roles as free
            where free.rolname = 'bi_all_teams'
                and (pg_has_role(pg_roles.oid, free.oid, 'usage') or pg_has_role(pg_roles.oid, free.oid, 'set'))
        )
    order by rolname = session_user desc
    limit 1
$$;

create function ops.sees_all_teams(taken_on text) returns boolean
language sql stable security definer set search_path = pg_catalog
as $$
    select ops.team_bound_role(taken_on) is null
$$;

-- The agents who are in a team of the reader now. Staging is found when the query runs, so that no build of dbt
-- depends on a policy or drops one.
create function ops.visible_agents(taken_on text) returns setof text
language plpgsql stable security definer set search_path = pg_catalog
as $$
begin
    return query
    select agents.agent_id
    from staging.stg_callmart__agents as agents
    where agents.team in (
        select grants.team
        from ops.team_roles as grants
        inner join pg_roles as granted on granted.rolname = grants.role_name
        inner join pg_roles as reader on reader.rolname = ops.team_bound_role(taken_on)
        where pg_has_role(reader.oid, granted.oid, 'usage') or pg_has_role(reader.oid, granted.oid, 'set')
    );
end
$$;

-- What `alter role bi_reader set …` says holds for its members too, which PostgreSQL does not do by itself; a
-- login's own settings are left alone. An event trigger calls it when somebody logs in.
create function ops.limit_readers() returns event_trigger
language plpgsql set search_path = pg_catalog
as $$
declare
    setting text;
begin
    for setting in
        select entry
        from pg_roles as readers
        inner join pg_roles as login on login.rolname = session_user
        cross join unnest(readers.rolconfig) as entry
        where readers.rolname = 'bi_reader'
            and not login.rolsuper
            and pg_has_role(login.oid, readers.oid, 'usage')
            and not exists (
                select from unnest(login.rolconfig) as own
                where split_part(own, '=', 1) = split_part(entry, '=', 1)
            )
    loop
        perform set_config(split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1), false);
    end loop;
end
$$;

revoke execute on all functions in schema ops from public;

-- One row a node of a dbt run: also of runs that failed. message is dbt's own, cut.
create table ops.dbt_run_results (
    invocation_id text not null,
    unique_id text not null,
    command text not null,
    started_at timestamptz not null,
    node_type text not null,
    node_name text not null,
    status text not null,
    seconds double precision not null,
    rows_affected bigint,
    message text not null,
    dbt_version text not null,
    callmart_version text not null,
    as_of text,
    is_full_refresh boolean not null,
    primary key (invocation_id, unique_id)
);
create index dbt_run_results_started on ops.dbt_run_results using brin (started_at);
