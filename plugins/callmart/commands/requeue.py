"""`callmart requeue`: drive quarantined files and rows again."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from callmart.settings import Settings


@click.command()
@click.option(
    "--key", metavar="GLOB", help="Items of these keys, e.g. 'crm/calls/dt=2026-11-*/**'."
)
@click.option("--id", "quarantine_id", type=int, help="The item with this quarantine_id.")
@click.option("--all", "everything", is_flag=True, help="All that is open.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def requeue(key: str | None, quarantine_id: int | None, everything: bool, as_json: bool) -> None:
    """Drive quarantined items again, after a mapping, the contract or a file was put right.

    What is open stands in the table ops.quarantine. An item's whole file is read anew in one
    transaction: nothing is doubled, and what fails again stays open with today's reason.
    Exit status 0: done, whether or not items stay open; 1: the work failed.
    """
    import psycopg
    from botocore.exceptions import BotoCoreError, ClientError

    from callmart.landing import MappingError, RequeueSelector
    from callmart.landing import requeue as drive_again

    if sum((key is not None, quarantine_id is not None, everything)) != 1:
        raise click.UsageError("name either --key, --id or --all")
    selector = RequeueSelector(key, quarantine_id, everything)
    try:
        summary = drive_again(Settings.from_environment(), selector)
    except (
        LookupError, MappingError, ValueError, psycopg.Error, BotoCoreError, ClientError,
    ) as error:  # fmt: skip
        click.echo(f"callmart requeue: {error}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(asdict(summary), ensure_ascii=False, indent=1))
    else:
        click.echo(
            f"{summary.items} items in {summary.objects} files driven again: "
            f"{summary.resolved} resolved, {summary.still_open} still open"
        )
        for message in summary.load.messages:
            click.echo(f"  {message}")
    if summary.load.failed:
        sys.exit(1)
