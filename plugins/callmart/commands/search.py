"""`callmart search`: find what was said in all transcripts."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from callmart.settings import Settings


@click.command()
@click.argument("query")
@click.option("--role", type=click.Choice(["agent", "customer"]), help="Only what this side said.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def search(query: str, role: str | None, limit: int, as_json: bool) -> None:
    """Show where QUERY was said, in Chinese or English, the newest calls first.

    The words stand together as in QUERY; width, case, traditional characters and punctuation do not
    matter, English is whole words.
    Exit status: 0 done, whether or not anything was found; 1 the warehouse did not answer; 2 wrong
    usage.
    """
    import psycopg

    from callmart.recordings.search import search_transcripts

    try:
        found = search_transcripts(Settings.from_environment(), query, role, limit)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except psycopg.Error as error:
        click.echo(f"callmart search: {error}", err=True)
        sys.exit(1)
    if as_json:
        items = [asdict(said) for said in found]
        click.echo(json.dumps(items, ensure_ascii=False, indent=1, default=str))
        return
    for said in found:
        day = f" {said.started_at:%Y-%m-%d %H:%M}" if said.started_at else ""
        seconds = "" if said.start_ms is None else f" {said.start_ms / 1000:.1f} s"
        click.echo(f"{said.call_id}{day}{seconds} {said.role or 'unknown side'}: {said.text}")
        click.echo(f"    … {said.context} …")
        if said.recording_key:
            click.echo(f"    {said.recording_key}")
    if not found:
        click.echo("nothing found")
