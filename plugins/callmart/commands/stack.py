"""`callmart up`, `down` and `status`: the embedded stack."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from callmart.settings import Settings


def _say(line: str) -> None:
    click.echo(line, err=True)


def program() -> str:
    """This command as the person can call it again from where they stand."""
    path = Path(sys.argv[0]).absolute()
    if shutil.which(path.name) == str(path):
        return path.name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _describe(status: dict[str, Any]) -> str:
    """What a person wants to know of a running stack."""
    lines = [
        f"Airflow    {status['airflow']['address']}   "
        f"user {status['airflow']['user']}   password {status['airflow']['password']}",
        f"Warehouse  {program()} psql",
        f"Bucket     {status['s3']['bucket']} at {status['s3']['endpoint']}",
        f"Mail       {status['mail']['folder']}",
        f"Variables  set -a; . {status['home']}/env; set +a",
    ]
    return "\n".join(lines)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def up(as_json: bool) -> None:
    """Start the embedded stack and wait until it is ready; nothing happens if it runs already."""
    from callmart.local.processes import ServiceError
    from callmart.local.stack import Stack

    stack = Stack(Settings.from_environment().home)
    try:
        started = stack.up(_say)
    except KeyboardInterrupt:
        _say("interrupted; nothing is left running")
        sys.exit(1)
    except ServiceError as error:
        _say(str(error))
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(stack.status(), ensure_ascii=False, indent=1))
    else:
        click.echo("The stack is up." if started else "The stack was up already.")
        click.echo(_describe(stack.status()))


@click.command()
@click.option(
    "--delete-data", is_flag=True, help="Delete warehouse, bucket, mails and secrets too."
)
def down(delete_data: bool) -> None:
    """Stop the embedded stack; its data stay."""
    from callmart.local.processes import ServiceError
    from callmart.local.stack import Stack

    stack = Stack(Settings.from_environment().home)
    try:
        if delete_data:
            stack.remove()
            click.echo(f"The stack is down and {stack.home} is deleted.")
            return
        stopped = stack.down(_say)
    except ServiceError as error:
        _say(str(error))
        sys.exit(1)
    click.echo("The stack is down; its data stay." if stopped else "The stack was down already.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(as_json: bool) -> None:
    """Say what runs, how to reach it, and how far the data are."""
    from callmart.local.stack import Stack

    stack = Stack(Settings.from_environment().home)
    found = stack.status()
    if found["is_running"]:
        from callmart.health.state import data_state

        settings = Settings.from_environment(stack.environment())
        found["data"] = {
            name: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
            for name, value in data_state(settings).items()
        }
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    if not found["services"]:
        click.echo(f"There is no stack in {found['home']} yet: callmart up makes one.")
        return
    for service in found["services"]:
        state = f"runs (pid {service['pid']})" if service["is_running"] else "is down"
        click.echo(f"{service['name']:<22} {state:<18} {service['address'] or ''}".rstrip())
    if found["is_running"]:
        click.echo(_describe(found))
        for name, value in found["data"].items():
            click.echo(f"{name.replace('_', ' '):<26} {'–' if value is None else value}")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open the warehouse in the psql that comes with the embedded stack; takes psql's arguments."""
    from callmart.local.postgres import open_psql

    dsn = Settings.from_environment().warehouse_dsn
    if not dsn:
        _say("no warehouse is configured: callmart up makes one, or set CALLMART_WAREHOUSE_DSN")
        sys.exit(1)
    open_psql(dsn, arguments)
