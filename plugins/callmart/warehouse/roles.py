"""Who may do what in the warehouse: the pipeline's own roles, readers, and the teams they see.

Roles belong to the server, rights to a database. `ensure_roles` is part of every migration; people
are let in by `callmart roles`. What a reader sees of a mart (masks, row-level security) is made by
dbt in the transaction that makes the mart: `dbt/macros/protection.sql`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from callmart.settings import Settings

LOADER = "callmart_loader"
TRANSFORMER = "callmart_transformer"
READER = "bi_reader"
READER_PII = "bi_reader_pii"
BY_TEAM = "bi_by_team"
ALL_TEAMS = "bi_all_teams"
ROLES = (LOADER, TRANSFORMER, READER, READER_PII, BY_TEAM, ALL_TEAMS)

DBT_SCHEMAS = ("seeds", "staging", "intermediate", "marts", "marts_pii")

READER_SETTINGS = {"statement_timeout": "60s", "default_transaction_read_only": "on"}
"""First values of `alter role bi_reader set …`; what an administrator sets later stays."""

LOGIN_TRIGGER = "limit_readers"


class RoleError(RuntimeError):
    """A role cannot be made, changed or found; the message says what to do."""


@dataclass(frozen=True)
class Reader:
    """A role that reads the marts."""

    name: str
    can_login: bool
    sees_personal_data: bool
    teams: tuple[str, ...] | None
    """None: all teams; empty: no row of any team."""


# --- rights, after every migration ----------------------------------------------------------------


def ensure_roles(conn: psycopg.Connection) -> list[str]:
    """Make what is missing of the roles, give all their rights; returns what was made.

    Args:
        conn: of the owner of the schemas, in autocommit.

    Raises:
        RoleError: a role is missing and this user may not create it.
    """
    done = _create_roles(conn)
    with conn.transaction():
        _grant_rights(conn)
        _hand_over(conn)
    return done


def ensure_logins(conn: psycopg.Connection, settings: Settings) -> None:
    """Let loader and transformer log in with the passwords of the settings' connection strings.

    Raises:
        RoleError: a connection string names another user than its role.
    """
    for role, dsn in ((LOADER, settings.loader_dsn), (TRANSFORMER, settings.transformer_dsn)):
        if not dsn:
            continue
        parts = conninfo_to_dict(dsn)
        if parts.get("user") != role:
            raise RoleError(f"the connection string of {role} names the user {parts.get('user')}")
        _set_login(conn, role, str(parts.get("password") or ""))


def _set_login(conn: psycopg.Connection, role: str, password: str) -> None:
    # Hashed here: the server's log never holds the word itself.
    hashed = conn.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    conn.execute(
        sql.SQL("alter role {} login password {}").format(
            sql.Identifier(role), sql.Literal(hashed.decode())
        )
    )


def _create_roles(conn: psycopg.Connection) -> list[str]:
    known = {name for (name,) in conn.execute("select rolname from pg_roles").fetchall()}
    missing = [name for name in ROLES if name not in known]
    done = []
    for name in missing:
        try:
            conn.execute(sql.SQL("create role {} nologin").format(sql.Identifier(name)))
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            continue  # roles belong to the cluster: another database was faster
        except psycopg.errors.InsufficientPrivilege as error:
            commands = " ".join(f"create role {missing_name} nologin;" for missing_name in missing)
            raise RoleError(
                f"the role {name} is missing and this user may not create it; "
                f"let an administrator run: {commands}"
            ) from error
        done.append(f"created role {name}")
    if READER in missing or READER_PII in missing:
        _grant(conn, READER, READER_PII)
    row = conn.execute("select rolconfig from pg_roles where rolname = %s", (READER,)).fetchone()
    known_settings = {str(entry).partition("=")[0] for entry in (row and row[0]) or ()}
    for setting, value in READER_SETTINGS.items():
        if setting not in known_settings:
            conn.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    sql.Identifier(READER), sql.Identifier(setting), sql.Literal(value)
                )
            )
    return done


def _grant_rights(conn: psycopg.Connection) -> None:
    """What each role may do with what this user owns; the same however often."""
    names = {
        "database": sql.Identifier(conn.info.dbname),
        "loader": sql.Identifier(LOADER),
        "transformer": sql.Identifier(TRANSFORMER),
        "reader": sql.Identifier(READER),
    }
    for statement in (
        # A reader makes nothing, not even a temporary table.
        "revoke create, temporary on database {database} from public",
        "grant temporary on database {database} to {loader}",
        "grant create, temporary on database {database} to {transformer}",
        "grant usage on schema raw, facts, ops to {loader}, {transformer}",
        "grant select, insert, update, delete on all tables in schema raw, facts, ops to {loader}",
        # Who could write these could let himself in.
        "revoke insert, update, delete on ops.team_roles, ops.schema_migrations from {loader}",
        "grant select on all tables in schema raw, facts, ops to {transformer}",
        "grant insert on ops.expectation_results to {transformer}",
        "grant insert, delete on ops.dbt_run_results to {transformer}",
        # What an increment of the marts has to look at (0010_increments.sql).
        "grant update on ops.build_state to {transformer}",
        "grant delete on ops.changed_rows to {transformer}",
        "grant insert, truncate on ops.touched_calls, ops.touched_customers,"
        " ops.touched_customer_rows, ops.touched_customer_keys, ops.touched_recordings,"
        " ops.touched_transcripts, ops.touched_days, ops.touched_half_hours, ops.touched_agents"
        " to {transformer}",
        "grant execute on function ops.sees_all_teams(text), ops.visible_agents(text) to {reader}",
    ):
        conn.execute(sql.SQL(statement).format(**names))
    trigger = conn.execute(
        "select exists (select from pg_event_trigger where evtname = %s),"
        " (select rolsuper from pg_roles where rolname = current_user),"
        " current_setting('server_version_num')::integer >= 170000",
        (LOGIN_TRIGGER,),
    ).fetchone()
    if trigger == (False, True, True):
        conn.execute(
            sql.SQL("create event trigger {} on login execute function ops.limit_readers()").format(
                sql.Identifier(LOGIN_TRIGGER)
            )
        )


def _hand_over(conn: psycopg.Connection) -> None:
    """Make the transformer the owner of what dbt has built, whoever it was who ran it.

    Left as it is where this user may not: then it is this user who goes on running dbt.
    """
    may = conn.execute(
        "select rolsuper or pg_has_role(oid, %s, 'set') from pg_roles where rolname = current_user",
        (TRANSFORMER,),
    ).fetchone()
    if may is None or not may[0]:
        return
    owner = sql.Identifier(TRANSFORMER)
    schemas = conn.execute(
        "select nspname from pg_namespace where nspname = any(%s) and nspowner <> %s::regrole",
        (list(DBT_SCHEMAS), TRANSFORMER),
    ).fetchall()
    for (schema,) in schemas:
        conn.execute(sql.SQL("alter schema {} owner to {}").format(sql.Identifier(schema), owner))
    kinds = {"r": "table", "p": "table", "v": "view", "m": "materialized view"}
    relations = conn.execute(
        "select relnamespace::regnamespace::text, relname, relkind from pg_class"
        " where relnamespace::regnamespace::text = any(%s) and relkind = any(%s)"
        "   and relowner <> %s::regrole",
        (list(DBT_SCHEMAS), list(kinds), TRANSFORMER),
    ).fetchall()
    for schema, name, kind in relations:
        conn.execute(
            sql.SQL("alter {} {} owner to {}").format(
                sql.SQL(kinds[kind]), sql.Identifier(schema, name), owner
            )
        )


# --- readers --------------------------------------------------------------------------------------


def add_reader(conn: psycopg.Connection, name: str, password: str | None = None) -> str:
    """Make a login that reads the marts of all teams without personal data; returns its password.

    Raises:
        RoleError: there is such a role.
    """
    chosen = password or secrets.token_urlsafe(18)
    with conn.transaction():
        try:
            conn.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateObject as error:
            raise RoleError(f"there is a role {name}") from error
        _set_login(conn, name, chosen)
        _grant(conn, READER, name)
        _limit(conn, name)
    return chosen


def grant(
    conn: psycopg.Connection,
    name: str,
    *,
    teams: Sequence[str] = (),
    all_teams: bool = False,
    personal_data: bool = False,
) -> None:
    """Let a role read the marts: of `teams` alone, or of all; with personal data, or without.

    Naming teams binds the role to them for good: without a team it then sees none, until
    `all_teams` is granted.

    Raises:
        RoleError: there is no such role, or it is none to restrict; no agent is in such a team.
    """
    _check_reader(conn, name)
    known = known_teams(conn)
    for team in teams:
        if known is not None and team not in known:
            raise RoleError(
                f"no agent is in a team {team}; there are: {', '.join(sorted(known)) or 'none'}"
            )
    with conn.transaction():
        _grant(conn, READER_PII if personal_data else READER, name)
        _limit(conn, name)
        if teams:
            _grant(conn, BY_TEAM, name)
            conn.cursor().executemany(
                "insert into ops.team_roles (role_name, team) values (%s, %s) on conflict do nothing",
                [(name, team) for team in teams],
            )
        if all_teams:
            _grant(conn, ALL_TEAMS, name)


def revoke(
    conn: psycopg.Connection,
    name: str,
    *,
    teams: Sequence[str] = (),
    all_teams: bool = False,
    personal_data: bool = False,
    everything: bool = False,
) -> None:
    """Take back what `grant` gave; what is left never grows by it.

    Without its last team, and without `all_teams`, a role sees no team's rows.

    Raises:
        RoleError: there is no such role.
    """
    _check_reader(conn, name)
    groups = [READER_PII] if personal_data else []
    groups += [ALL_TEAMS] if all_teams else []
    if everything:
        groups = [READER, READER_PII, ALL_TEAMS]
    with conn.transaction():
        if teams or all_teams:
            _grant(conn, BY_TEAM, name)
        if personal_data and not everything:
            _grant(conn, READER, name)
        for group in groups:
            conn.execute(
                sql.SQL("revoke {} from {}").format(sql.Identifier(group), sql.Identifier(name))
            )
        conn.execute(
            "delete from ops.team_roles where role_name = %s and (%s or team = any(%s))",
            (name, everything, list(teams)),
        )


def readers(conn: psycopg.Connection) -> list[Reader]:
    """Everybody who reads the marts, by name."""
    rows = conn.execute(
        """
        select
            roles.rolname, roles.rolcanlogin, pg_has_role(roles.oid, %(pii)s, 'usage'),
            not pg_has_role(roles.oid, %(bound)s, 'usage') or pg_has_role(roles.oid, %(all)s, 'usage'),
            array(
                select distinct team from ops.team_roles
                inner join pg_roles as granted on granted.rolname = team_roles.role_name
                where pg_has_role(roles.oid, granted.oid, 'usage')
                order by team
            )
        from pg_roles as roles
        where pg_has_role(roles.oid, %(reader)s, 'usage') and not roles.rolsuper
            and not roles.rolname = any(%(own)s)
        order by roles.rolname
        """,
        {"pii": READER_PII, "bound": BY_TEAM, "all": ALL_TEAMS, "reader": READER,
         "own": list(ROLES)},
    ).fetchall()  # fmt: skip
    return [
        Reader(name, can_login, personal, None if every else tuple(teams))
        for name, can_login, personal, every, teams in rows
    ]


def known_teams(conn: psycopg.Connection) -> set[str] | None:
    """The teams that agents are in now; None before the first build."""
    row = conn.execute("select to_regclass('staging.stg_callmart__agents')").fetchone()
    if row is None or row[0] is None:
        return None
    found: Iterable[tuple[str]] = conn.execute(
        "select distinct team from staging.stg_callmart__agents where team is not null"
    ).fetchall()
    return {team for (team,) in found}


def _check_reader(conn: psycopg.Connection, name: str) -> None:
    row = conn.execute("select rolsuper from pg_roles where rolname = %s", (name,)).fetchone()
    if row is None:
        raise RoleError(f"there is no role {name}: callmart roles add {name}")
    if row[0] or name in ROLES:
        raise RoleError(f"{name} is no reader to restrict")


def _grant(conn: psycopg.Connection, group: str, member: str) -> None:
    # Without SET nobody takes on the group's role; its rights are inherited.
    conn.execute(
        sql.SQL("grant {} to {} with inherit true, set false").format(
            sql.Identifier(group), sql.Identifier(member)
        )
    )


def _limit(conn: psycopg.Connection, name: str) -> None:
    """Give the role bi_reader's settings of its own where nothing does so at its login."""
    is_done = conn.execute(
        "select 1 from pg_event_trigger where evtname = %s", (LOGIN_TRIGGER,)
    ).fetchone()
    if is_done:
        return
    rows = conn.execute(
        "select unnest(rolconfig) from pg_roles where rolname = %s", (READER,)
    ).fetchall()
    for (entry,) in rows:
        setting, _, value = str(entry).partition("=")
        conn.execute(
            sql.SQL("alter role {} set {} = {}").format(
                sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)
            )
        )
