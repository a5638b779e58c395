"""Each role logs in and tries what it must not, and what it must be able to; also after a rebuild."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from built_marts import Marts
from click.testing import CliRunner
from psycopg import sql

from callmart.cli import main
from callmart.landing import discover, load_objects
from callmart.settings import Settings
from callmart.warehouse import connect, migrate
from callmart.warehouse.dbt import DbtError, build
from callmart.warehouse.expectations import validate
from callmart.warehouse.roles import (
    LOADER,
    TRANSFORMER,
    RoleError,
    add_reader,
    ensure_logins,
    grant,
    readers,
    revoke,
)

pytestmark = pytest.mark.postgres

PASSWORD = uuid.uuid4().hex + " /%"


def as_login(dsn: str, name: str, password: str = PASSWORD) -> str:
    parts = urlsplit(dsn)
    place = f"{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{place}"))


class Reader:
    """A login of its own, and what it asks the warehouse."""

    def __init__(self, dsn: str, name: str) -> None:
        self.name = name
        self.dsn = as_login(dsn, name)

    def ask(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement.encode(), arguments or None).fetchall()

    def agents(self, table: str = "marts.calls") -> set[str | None]:
        return {agent for (agent,) in self.ask(f"select distinct agent_id from {table}")}


@pytest.fixture(scope="module")
def make_reader(marts: Marts) -> Iterator[Callable[..., Reader]]:
    """Makes logins; they and what was granted to them go afterwards."""
    made: list[str] = []
    # Rights on the database itself do not come along with a template.
    migrate(marts.settings)

    def make(**rights: Any) -> Reader:
        name = f"reader_{uuid.uuid4().hex[:10]}"
        with connect(marts.settings, autocommit=True) as owner:
            add_reader(owner, name, PASSWORD)
            made.append(name)
            if rights:
                grant(owner, name, **rights)
        return Reader(marts.settings.warehouse_dsn, name)

    yield make
    with connect(marts.settings, autocommit=True) as owner:
        for name in made:
            owner.execute("delete from ops.team_roles where role_name = %s", (name,))
            owner.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def teams(marts: Marts) -> dict[str, set[str]]:
    """Team → its agents; at least two teams with calls."""
    found: dict[str, set[str]] = {}
    for agent, team in marts.query("select agent_id, team from staging.stg_callmart__agents"):
        found.setdefault(team, set()).add(agent)
    assert len(found) >= 2
    return found


@pytest.fixture(scope="module")
def team(teams: dict[str, set[str]]) -> str:
    """The largest team."""
    return max(teams, key=lambda name: (len(teams[name]), name))


@pytest.fixture(scope="module")
def reader(make_reader: Callable[..., Reader]) -> Reader:
    return make_reader()


@pytest.fixture(scope="module")
def lead(make_reader: Callable[..., Reader], team: str) -> Reader:
    return make_reader(teams=[team])


def published(marts: Marts) -> list[str]:
    return [
        f"marts.{name}"
        for (name,) in marts.query(
            "select relname from pg_class where relnamespace = 'marts'::regnamespace"
            " and relkind in ('r', 'v', 'm', 'p') order by relname"
        )
    ]


def refusal() -> AbstractContextManager[Any]:
    return pytest.raises(psycopg.errors.InsufficientPrivilege)


# --- what a reader must not -----------------------------------------------------------------------

FORBIDDEN = [
    "select * from raw.calls",
    "select * from facts.recordings",
    "select * from ops.team_roles",
    "select * from ops.quarantine",
    "select * from staging.stg_callmart__customers",
    "select * from intermediate.int_calls_reconciled",
    "select * from seeds.outcomes",
    "select * from marts_pii.call_numbers",
    "insert into marts.daily_call_summary (call_date) values (current_date)",
    "update marts.calls set outcome = 'human'",
    "delete from marts.rule_violations",
    "truncate marts.calls",
    "drop table marts.calls",
    "alter table marts.calls disable row level security",
    "drop policy rows_by_agent on marts.calls",
    "create policy mine on marts.calls using (true)",
    "create index on marts.calls (call_date)",
    "comment on table marts.calls is 'mine'",
    "create table marts.mine (a integer)",
    "create table public.mine (a integer)",
    "create temporary table mine (a integer)",
    "create view public.mine as select * from marts.calls",
    "create schema mine",
    "create function public.mine() returns integer language sql as 'select 1'",
    "create role mine",
    "set role callmart_transformer",
    "set role callmart_loader",
    "set role callmart",
    "set role bi_reader_pii",
    "set role bi_all_teams",
    "set session authorization callmart",
    "set row_security = off; select * from marts.calls",
    "copy marts.calls to '/tmp/calls.csv'",
    "copy marts.calls to program 'cat'",
    "select pg_read_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
    "select ops.visible_agents('callmart')",
    "select * from marts.transcript_search('x')",
    "select * from pg_authid",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
@pytest.mark.parametrize("is_lead", [False, True], ids=["reader", "lead"])
def test_a_reader_is_refused(reader: Reader, lead: Reader, statement: str, is_lead: bool) -> None:
    who = lead if is_lead else reader
    with psycopg.connect(who.dsn, autocommit=True) as connection:
        # What a session has for its own protection it may change; rights it may not.
        connection.execute("set default_transaction_read_only = off")
        with refusal():
            connection.execute(statement.encode())


def test_a_session_reads_only_and_not_for_long(reader: Reader, marts: Marts) -> None:
    assert reader.ask(
        "select current_setting('statement_timeout'), current_setting('transaction_read_only')"
    ) == [("1min", "on")]
    with connect(marts.settings, autocommit=True) as owner:
        owner.execute("alter role bi_reader set statement_timeout = '50ms'")
    try:
        with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
            reader.ask("select pg_sleep(30)")
    finally:
        with connect(marts.settings, autocommit=True) as owner:
            owner.execute("alter role bi_reader set statement_timeout = '60s'")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.ask("delete from marts.calls")


def test_a_login_made_by_hand_gets_the_same_limits(marts: Marts) -> None:
    name = f"hand_{uuid.uuid4().hex[:10]}"
    with connect(marts.settings, autocommit=True) as owner:
        owner.execute(f"create role {name} login password '{PASSWORD}'")
        owner.execute(f"grant bi_reader to {name}")
        try:
            by_hand = Reader(marts.settings.warehouse_dsn, name)
            assert by_hand.ask("show statement_timeout") == [("1min",)]
            assert by_hand.ask("select count(*) > 0 from marts.calls") == [(True,)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                by_hand.ask("select from raw.calls")
            assert name in {found.name for found in readers(owner)}
        finally:
            owner.execute(f"drop role {name}")


# --- personal data --------------------------------------------------------------------------------


def personal_words(marts: Marts) -> set[str]:
    """Every number and full name that came in, numbers also without their country."""
    numbers = marts.column(
        "select phone from raw.customers union select phone_delivered from raw.customers"
        " union select from_number from raw.calls union select to_number from raw.calls"
        " union select from_number_delivered from raw.calls"
    )
    names = marts.column("select name from raw.customers union select name from raw.agents")
    plain = {number for number in numbers if number and len(number) >= 7}
    return plain | {number[-8:] for number in plain} | {name for name in names if name}


def test_no_reader_finds_a_number_or_a_name_in_any_mart(reader: Reader, marts: Marts) -> None:
    words = personal_words(marts)
    assert len(words) > 100
    found = {}
    for table in published(marts):
        # Ids and hashes are opaque by contract; where they hold digits is no leak.
        columns = reader.ask(
            "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0"
            " and atttypid in ('text'::regtype, 'jsonb'::regtype)"
            " and not attname ~ '(_id|_sha256|_hash|_key)$'",
            table,
        )
        for (column,) in columns:
            values = reader.ask(f'select distinct "{column}"::text from {table}')
            text = "\n".join(value for (value,) in values if value)
            if hit := {word for word in words if word in text}:
                found[f"{table}.{column}"] = sorted(hit)[:3]
    assert found == {}


def test_a_mask_keeps_what_tells_numbers_apart(reader: Reader, marts: Marts) -> None:
    [(masked, clear)] = marts.query(
        "select calls.to_number, numbers.to_number from marts.calls"
        " join marts_pii.call_numbers as numbers using (call_id)"
        " where numbers.to_number is not null order by call_id limit 1"
    )
    assert masked == clear[:6] + "*" * (len(clear) - 8) + clear[-2:]
    assert reader.ask("select count(distinct customer_key) from marts.customer_attempts") == [
        (marts.column("select count(distinct customer_key) from intermediate.int_calls_reconciled"
                      " where direction = 'outbound' and customer_key is not null")[0],)
    ]  # fmt: skip


def test_personal_data_come_with_their_own_role(
    make_reader: Callable[..., Reader], marts: Marts, teams: dict[str, set[str]], team: str
) -> None:
    clerk = make_reader(personal_data=True)
    assert clerk.ask("select from_number, to_number from marts_pii.call_numbers order by call_id") == (
        marts.query("select from_number, to_number from raw.calls where _row_part = 0"
                    " and (call_id, coalesce(updated_at, 'epoch'), _object_key, _row_number) in ("
                    "  select distinct on (call_id) call_id, coalesce(updated_at, 'epoch'), _object_key,"
                    "  _row_number from raw.calls order by call_id, updated_at desc nulls last,"
                    "  _delivered_on desc, _object_key desc, _row_number desc) order by call_id")
    )  # fmt: skip
    assert clerk.ask("select count(*) > 0 from marts_pii.customer_contacts") == [(True,)]
    for statement in ("select from raw.customers", "delete from marts_pii.call_numbers"):
        with pytest.raises(
            (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
        ):
            clerk.ask(statement)

    bound = make_reader(personal_data=True, teams=[team])
    for table in ("call_numbers", "customer_contacts", "phrase_quotes", "agent_names"):
        assert bound.agents(f"marts_pii.{table}") <= teams[team], table
    assert bound.agents("marts_pii.agent_names") == teams[team]


# --- teams ----------------------------------------------------------------------------------------

BY_AGENT = [
    "calls",
    "call_emotions",
    "connection_disputes",
    "traffic",
    "agent_work",
    "agent_scorecard",
    "rule_violations",
    "phrase_violations",
]


def test_a_lead_sees_the_team_and_nobody_else(
    lead: Reader, reader: Reader, marts: Marts, teams: dict[str, set[str]], team: str
) -> None:
    own = teams[team]
    for table in BY_AGENT:
        everybody = {
            agent for (agent,) in marts.query(f"select distinct agent_id from marts.{table}")
        }
        assert lead.agents(f"marts.{table}") == everybody & own, table
        assert reader.agents(f"marts.{table}") == everybody, table
    assert len(lead.agents()) >= 2
    assert lead.agents("marts.customer_timeline") <= own | {None}
    assert lead.ask("select count(*) from marts.data_issues") == [(0,)]
    same = "select count(*) from marts.daily_call_summary"
    assert lead.ask(same) == marts.query(same)


@pytest.mark.parametrize("table", BY_AGENT)
def test_no_way_around_the_policy(
    lead: Reader, table: str, teams: dict[str, set[str]], team: str
) -> None:
    others = sorted(set().union(*teams.values()) - teams[team])
    for question in (
        f"select agent_id from marts.{table} where agent_id = any(%s)",
        f"select t.agent_id from (select * from marts.{table} offset 0) as t where agent_id = any(%s)",
        f"with t as materialized (select * from marts.{table}) select agent_id from t"
        " where agent_id = any(%s)",
    ):
        assert lead.ask(question, others) == []
    # A cast that fails must not name the value of a row that is not seen.
    assert (
        lead.ask(
            f"select 1 from marts.{table} where agent_id = any(%s) and agent_id::integer > 0",
            others,
        )
        == []
    )


def test_taking_on_a_role_leads_nobody_out_of_a_team(
    lead: Reader, marts: Marts, teams: dict[str, set[str]], team: str
) -> None:
    # An administrator may have granted more than `callmart roles` does: with SET.
    with connect(marts.settings, autocommit=True) as owner:
        owner.execute(f"grant bi_reader to {lead.name} with set true")
    with psycopg.connect(lead.dsn, autocommit=True) as connection:
        connection.execute("set role bi_reader")
        seen = {a for (a,) in connection.execute("select distinct agent_id from marts.calls")}
    assert seen
    assert seen <= teams[team]


def test_a_service_that_takes_on_a_lead_sees_what_the_lead_sees(
    lead: Reader, marts: Marts, teams: dict[str, set[str]], team: str
) -> None:
    with connect(marts.settings, autocommit=True) as owner:
        owner.execute(f"set role {lead.name}")
        seen = {a for (a,) in owner.execute("select distinct agent_id from marts.calls")}
    assert seen == lead.agents()


def test_managers_see_all_and_who_loses_a_team_sees_none(
    make_reader: Callable[..., Reader], marts: Marts, teams: dict[str, set[str]], team: str
) -> None:
    first, second, *_ = sorted(teams)
    everybody = set(marts.column("select distinct agent_id from marts.calls"))
    person = make_reader(teams=[first])
    with connect(marts.settings, autocommit=True) as owner:
        grant(owner, person.name, teams=[second])
        assert person.agents() == everybody & (teams[first] | teams[second])
        grant(owner, person.name, all_teams=True)
        assert person.agents() == everybody
        revoke(owner, person.name, all_teams=True)
        revoke(owner, person.name, teams=[first, second])
        assert person.agents() == set()
        # Who never was in a team and loses "all teams" sees no more than before either.
        manager = make_reader(all_teams=True)
        revoke(owner, manager.name, all_teams=True)
        assert manager.agents() == set()
        revoke(owner, person.name, everything=True)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            person.agents()
        for name in (TRANSFORMER, "bi_reader", "callmart"):
            with pytest.raises(RoleError, match="no reader to restrict"):
                grant(owner, name, teams=[first])
        with pytest.raises(RoleError, match="no agent is in a team Nowhere"):
            grant(owner, manager.name, teams=["Nowhere"])


def test_members_of_a_group_see_the_teams_of_the_group(
    make_reader: Callable[..., Reader], marts: Marts, teams: dict[str, set[str]], team: str
) -> None:
    group = f"group_{uuid.uuid4().hex[:10]}"
    member = make_reader()
    with connect(marts.settings, autocommit=True) as owner:
        owner.execute(f"create role {group} nologin")
        try:
            grant(owner, group, teams=[team])
            owner.execute(f"grant {group} to {member.name}")
            assert member.agents() <= teams[team]
            assert len(member.agents()) >= 2
        finally:
            owner.execute("delete from ops.team_roles where role_name = %s", (group,))
            owner.execute(f"drop role {group}")


def test_the_command_lets_people_in_and_out(
    marts: Marts, teams: dict[str, set[str]], team: str
) -> None:
    name = f"cli_{uuid.uuid4().hex[:10]}"

    def run(*arguments: str) -> str:
        env = {"CALLMART_WAREHOUSE_DSN": marts.settings.warehouse_dsn}
        done = CliRunner().invoke(main, ["roles", *arguments], env=env)
        assert done.exit_code == 0, done.output
        return done.output

    def listed() -> dict[str, Any]:
        found = {entry["name"]: entry for entry in json.loads(run("list", "--json"))}
        entry: dict[str, Any] = found[name]
        return entry

    made = json.loads(run("add", name, "--team", team, "--json"))
    try:
        dsn = as_login(marts.settings.warehouse_dsn, name, made["password"])
        with psycopg.connect(dsn) as connection:
            rows = connection.execute("select distinct agent_id from marts.calls").fetchall()
        assert {agent for (agent,) in rows} <= teams[team]
        assert listed() == {
            "name": name, "can_login": True, "sees_personal_data": False, "teams": [team],
        }  # fmt: skip
        run("grant", name, "--pii", "--all-teams")
        assert (listed()["sees_personal_data"], listed()["teams"]) == (True, None)
        run("revoke", name, "--pii", "--all-teams", "--team", team)
        assert (listed()["sees_personal_data"], listed()["teams"]) == (False, [])
        refused = CliRunner().invoke(main, ["roles", "revoke", name])
        assert refused.exit_code == 2
    finally:
        with connect(marts.settings, autocommit=True) as owner:
            owner.execute(f"drop role {name}")


# --- every table, every build ---------------------------------------------------------------------


def test_every_published_table_is_under_a_policy(marts: Marts) -> None:
    tables = marts.query(
        "select c.oid::regclass::text, c.relkind, c.relrowsecurity,"
        " array(select polname::text from pg_policy where polrelid = c.oid)"
        " from pg_class as c where c.relnamespace in"
        " ('marts'::regnamespace, 'marts_pii'::regnamespace) and c.relkind in ('r', 'v', 'm', 'p')"
    )
    assert len(tables) > 25
    for table, kind, is_protected, policies in tables:
        assert (kind, is_protected, len(policies)) == ("r", True, 1), table


def test_a_rebuild_keeps_masks_and_policies(
    lead: Reader, reader: Reader, marts: Marts, teams: dict[str, set[str]], team: str
) -> None:
    before = lead.agents(), reader.ask("select count(*) from marts.calls")
    build(marts.settings, "run", select="calls agent_scorecard", full_refresh=True)
    build(marts.settings, "run", select="calls agent_scorecard")
    assert (lead.agents(), reader.ask("select count(*) from marts.calls")) == before
    assert lead.agents("marts.agent_scorecard") <= teams[team]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.ask("select from marts_pii.call_numbers")


def test_a_table_that_came_without_its_hook_shows_nobody_a_row(
    reader: Reader, marts: Marts
) -> None:
    with connect(marts.settings) as owner:
        owner.execute("set role callmart_transformer")
        owner.execute("create table marts.smuggled as select agent_id from marts.calls")
        owner.execute("grant select on marts.smuggled to bi_reader")
    try:
        build(marts.settings, "run", select="daily_call_summary")
        assert reader.agents("marts.smuggled") == set()
    finally:
        with connect(marts.settings) as owner:
            owner.execute("drop table marts.smuggled")


# --- the pipeline's own roles ---------------------------------------------------------------------


@pytest.fixture
def split(make_database: Callable[[], str], tmp_path: Path, s3: Any) -> Settings:
    """A warehouse of its own where loader and transformer log in by themselves."""
    dsn = make_database()
    settings = replace(
        Settings.from_environment(),
        home=tmp_path,
        warehouse_dsn=dsn,
        loader_dsn=as_login(dsn, LOADER),
        transformer_dsn=as_login(dsn, TRANSFORMER),
    )
    migrate(settings)
    with connect(settings, autocommit=True) as owner:
        ensure_logins(owner, settings)
    calls = io.StringIO()
    writer = csv.writer(calls)
    writer.writerow(["call_id", "direction", "agent_id", "to_number", "started_at", "disposition"])
    writer.writerow(["c1", "outbound", "a1", "+8613812345678", "2026-11-16T09:00:00+08:00", "SALE"])
    s3.client.put_object(
        Bucket=s3.name, Key="crm/calls/dt=2026-11-16/calls.csv", Body=calls.getvalue().encode()
    )
    return settings


def test_the_pipeline_runs_as_its_own_roles_and_these_do_no_more(split: Settings) -> None:
    loader, transformer = split.as_loader(), split.as_transformer()
    for batch in discover(loader):
        assert load_objects(loader, batch["object_ids"]).failed == 0
    build(transformer, select="+data_freshness +agent_names", unit_tests=False, data_tests=False)
    assert validate(transformer, "raw").findings

    with connect(split) as owner:
        owners = owner.execute(
            "select distinct relowner::regrole::text from pg_class"
            " where relnamespace::regnamespace::text = any(%s) and relkind in ('r', 'v')",
            (["seeds", "staging", "intermediate", "marts", "marts_pii"],),
        ).fetchall()
        assert owners == [(TRANSFORMER,)]
        assert owner.execute("select entity, rows_loaded from marts.data_freshness").fetchall() == [
            ("calls", 1)
        ]
    refused = [
        (loader, ["select from marts.data_freshness", "select from staging.stg_callmart__agents",
                  "insert into ops.team_roles (role_name, team) values ('x', 'y')",
                  "create schema mine", "create table raw.mine (a integer)", "drop table raw.calls",
                  "update ops.schema_migrations set checksum = ''", "create role mine",
                  "set role callmart_transformer"]),
        (transformer, ["insert into ops.team_roles (role_name, team) values ('x', 'y')",
                       "delete from raw.calls", "update facts.recordings set outcome = 'human'",
                       "delete from ops.quarantine", "drop table raw.calls", "create role mine",
                       "delete from ops.expectation_results", "set role callmart_loader"]),
    ]  # fmt: skip
    for settings, statements in refused:
        for statement in statements:
            with connect(settings) as connection, refusal():
                connection.execute(statement.encode())

    # Somebody built as the owner in between: the next migration hands it over.
    with connect(split) as owner:
        owner.execute("alter table marts.data_freshness owner to callmart")
    migrate(split)
    build(transformer, "run", select="data_freshness")


def test_a_connection_string_of_another_user_is_refused(split: Settings) -> None:
    wrong = replace(split, loader_dsn=as_login(split.warehouse_dsn, "somebody"))
    with connect(split, autocommit=True) as owner, pytest.raises(RoleError, match="somebody"):
        ensure_logins(owner, wrong)


# --- dbt's results --------------------------------------------------------------------------------


def test_what_dbt_did_is_kept_also_when_it_failed(split: Settings) -> None:
    settings = replace(split.as_transformer(), dbt_results_days=2)
    with connect(split) as owner:
        owner.execute(
            "insert into ops.dbt_run_results select 'old', 'model.x', 'run', now() - interval '3 days',"
            " 'model', 'x', 'success', 0, null, '', '1', '1', null, false"
        )
        owner.execute("drop table raw.campaigns")
    with pytest.raises(DbtError):
        build(
            settings,
            select="stg_callmart__campaigns_versions+1 outcomes",
            as_of="2026-11-16",
            unit_tests=False,
        )
    with connect(split) as owner:
        rows = owner.execute(
            "select node_name, command, node_type, status, seconds >= 0, dbt_version like '1.%%',"
            " as_of, message, count(*) over (partition by invocation_id) from ops.dbt_run_results"
        ).fetchall()
    found = {row[0]: row for row in rows}
    assert "x" not in found
    broken = found["stg_callmart__campaigns_versions"]
    assert broken[1:7] == ("build", "model", "error", True, True, "2026-11-16")
    assert "raw.campaigns" in broken[7]
    assert found["stg_callmart__campaigns"][3] == "skipped"
    assert found["outcomes"][1:4] == ("build", "seed", "success")
