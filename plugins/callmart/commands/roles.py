"""`callmart roles`: who reads the marts, of which teams, with or without personal data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from callmart.settings import Settings

if TYPE_CHECKING:
    import psycopg

_TEAM = click.option("--team", "teams", multiple=True, metavar="TEAM", help="May be repeated.")
_ALL_TEAMS = click.option("--all-teams", is_flag=True, help="Every team, as a manager.")
_PII = click.option("--pii", "personal_data", is_flag=True, help="Personal data (marts_pii).")


@click.group()
def roles() -> None:
    """Let people and tools read the marts, and take it back.

    Everybody reads without phone numbers and names; --pii adds them, in the schema marts_pii. A role
    that was given a team sees calls and agents of its teams alone. Groups of PostgreSQL count too: what
    a group may, its members may.
    """


@contextmanager
def _warehouse() -> Iterator[psycopg.Connection]:
    import psycopg

    from callmart.warehouse import connect
    from callmart.warehouse.roles import RoleError

    try:
        with connect(Settings.from_environment(), autocommit=True) as connection:
            yield connection
    except (RoleError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except psycopg.Error as error:
        raise click.ClickException(f"warehouse: {str(error).strip()}") from error


@roles.command("add")
@click.argument("name")
@_TEAM
@_ALL_TEAMS
@_PII
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def add(
    name: str, teams: tuple[str, ...], all_teams: bool, personal_data: bool, as_json: bool
) -> None:
    """Make a login NAME; prints its password, which is kept nowhere."""
    from callmart.warehouse.roles import add_reader, grant

    with _warehouse() as connection, connection.transaction():
        password = add_reader(connection, name)
        grant(connection, name, teams=teams, all_teams=all_teams, personal_data=personal_data)
    click.echo(json.dumps({"name": name, "password": password}) if as_json else password)


@roles.command("grant")
@click.argument("name")
@_TEAM
@_ALL_TEAMS
@_PII
def grant_rights(name: str, teams: tuple[str, ...], all_teams: bool, personal_data: bool) -> None:
    """Let the role NAME read the marts, or read more of them."""
    from callmart.warehouse.roles import grant

    with _warehouse() as connection:
        grant(connection, name, teams=teams, all_teams=all_teams, personal_data=personal_data)


@roles.command("revoke")
@click.argument("name")
@_TEAM
@_ALL_TEAMS
@_PII
@click.option("--everything", is_flag=True, help="All reading, of every team.")
def revoke_rights(
    name: str, teams: tuple[str, ...], all_teams: bool, personal_data: bool, everything: bool
) -> None:
    """Take back what was granted; what NAME sees never grows by it."""
    from callmart.warehouse.roles import revoke

    if not (teams or all_teams or personal_data or everything):
        raise click.UsageError("say what is taken back: --team, --all-teams, --pii, --everything")
    with _warehouse() as connection:
        revoke(
            connection,
            name,
            teams=teams,
            all_teams=all_teams,
            personal_data=personal_data,
            everything=everything,
        )


@roles.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_readers(as_json: bool) -> None:
    """Everybody who reads the marts."""
    from callmart.warehouse.roles import readers

    with _warehouse() as connection:
        found = readers(connection)
    if as_json:
        click.echo(json.dumps([asdict(reader) for reader in found], ensure_ascii=False))
        return
    for reader in found:
        teams = "all teams" if reader.teams is None else ", ".join(reader.teams) or "no team"
        kind = "login" if reader.can_login else "group"
        personal = "with personal data" if reader.sees_personal_data else "masked"
        click.echo(f"{reader.name}  {kind}  {personal}  {teams}")
