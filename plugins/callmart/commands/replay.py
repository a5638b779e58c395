"""`callmart replay`: a past range under other versions, beside what is published."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmart.settings import Settings

if TYPE_CHECKING:
    from callmart.replay import Replay
    from callmart.replay.versions import Kind

_DAY = click.DateTime(["%Y-%m-%d"])
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(invoke_without_command=True)
@click.option("--from", "from_day", type=_DAY, help="First business day, YYYY-MM-DD.")
@click.option("--to", "to_day", type=_DAY, help="Last business day, included.")
@click.option(
    "--rules", metavar="N", help="Phrase and sales rules: a version of `replay versions`."
)
@click.option("--weights", metavar="N", help="Weights, curves, tiers: a version of them.")
@click.option("--model", metavar="N", help="Emotion model: a version, or how it begins.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the pages."
)
@click.option("--preview", is_flag=True, help="Open the page in the browser.")
@_JSON
@click.pass_context
def replay(
    ctx: click.Context,
    from_day: datetime | None,
    to_day: datetime | None,
    rules: str | None,
    weights: str | None,
    model: str | None,
    out: Path | None,
    preview: bool,
    as_json: bool,
) -> None:
    """Compute a past range under other versions beside the published marts, and show what differs.

    Nothing that is published changes until `replay promote`. Without a version the range is computed
    again as it was judged, and nothing may differ. Killed, the same command begins anew; what was
    found in transcripts and recordings until then is kept.
    Exit status: 0 done, 1 it failed, 2 wrong usage (also a version that does not exist).
    """
    if ctx.invoked_subcommand is not None:
        return
    if from_day is None or to_day is None:
        raise click.UsageError("name --from YYYY-MM-DD and --to YYYY-MM-DD")
    from callmart.recordings import judge_batch
    from callmart.replay import (
        UnknownVersionError,
        make,
        plan_judging,
        request,
        search,
        write_pages,
    )

    settings = Settings.from_environment()
    wanted: dict[Kind, str] = {}
    if rules is not None:
        wanted["rules"] = rules
    if weights is not None:
        wanted["weights"] = weights
    if model is not None:
        wanted["model"] = model
    with _failures():
        try:
            asked = request(settings, from_day.date(), to_day.date(), wanted)
        except (UnknownVersionError, ValueError) as error:
            raise click.UsageError(str(error)) from error
        search(settings, asked)
        for batch in plan_judging(settings, asked):
            click.echo(f"judging voices: {batch['label']}", err=True)
            judge_batch(settings, batch["model"], batch["content_hashes"])
        done = make(settings, asked.replay_id)
        pages = write_pages(settings, done, out)
    if as_json:
        click.echo(json.dumps({**_item(done), "pages": [str(page) for page in pages]}, indent=1))
    else:
        _print_difference(done)
        for page in pages:
            click.echo(f"page: {page}")
        number = done.replay_id
        click.echo(f"callmart replay promote {number} · callmart replay discard {number}")
    if preview:
        click.launch(str(pages[0]))


@replay.command("list")
@_JSON
def list_command(as_json: bool) -> None:
    """List the replays, the newest first."""
    from callmart.replay import list_replays
    from callmart.replay.page import described_versions, verdict

    with _failures():
        found = list_replays(Settings.from_environment())
    if as_json:
        click.echo(json.dumps([_item(item, whole=False) for item in found], indent=1))
        return
    for item in found:
        click.echo(
            f"{item.replay_id:>4}  {item.from_date} to {item.to_date}  {item.status:<9}"
            f"  {described_versions(item, 'en')}"
        )
        if item.difference is not None:
            click.echo(f"      {' '.join(verdict(item, 'en'))}")
    if not found:
        click.echo("no replay yet: callmart replay --from YYYY-MM-DD --to YYYY-MM-DD …")


@replay.command()
@_JSON
def versions(as_json: bool) -> None:
    """List what --rules, --weights and --model take."""
    from dataclasses import asdict

    from callmart.replay import list_versions

    with _failures():
        found = list_versions(Settings.from_environment())
    if as_json:
        click.echo(json.dumps([asdict(item) for item in found], ensure_ascii=False, indent=1))
        return
    for item in found:
        click.echo(f"--{item.kind:<8} {item.version:<22} {item.status:<9}  {item.label}")


@replay.command()
@click.argument("replay_id", metavar="ID", type=int)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the pages."
)
@_JSON
def show(replay_id: int, out: Path | None, as_json: bool) -> None:
    """Show the difference of a replay once more."""
    from callmart.replay import get, write_pages

    settings = Settings.from_environment()
    with _failures():
        found = get(settings, replay_id)
        pages = write_pages(settings, found, out)
    if as_json:
        click.echo(json.dumps({**_item(found), "pages": [str(page) for page in pages]}, indent=1))
        return
    _print_difference(found)
    for page in pages:
        click.echo(f"page: {page}")


@replay.command()
@click.argument("replay_id", metavar="ID", type=int)
@_JSON
def promote(replay_id: int, as_json: bool) -> None:
    """Let the versions of replay ID judge its range from now on, and publish its rows.

    One transaction: readers see what was published before, or all of the replay. Later builds give
    the same rows. Where data came since it was computed, it is computed again first.
    """
    from callmart.replay import promote as decide

    with _failures():
        done = decide(Settings.from_environment(), replay_id, getpass.getuser())
    _say_decided(done, as_json)


@replay.command()
@click.argument("replay_id", metavar="ID", type=int)
@_JSON
def discard(replay_id: int, as_json: bool) -> None:
    """Drop the tables of replay ID; nothing that is published changes."""
    from callmart.replay import discard as decide

    with _failures():
        done = decide(Settings.from_environment(), replay_id, getpass.getuser())
    _say_decided(done, as_json)


@contextmanager
def _failures() -> Iterator[None]:
    """What may go wrong with the warehouse, the bucket or a replay, as a message and status 1."""
    import psycopg
    from botocore.exceptions import BotoCoreError, ClientError

    from callmart.replay import ReplayError
    from callmart.warehouse.dbt import DbtError

    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        raise click.ClickException(
            "the warehouse is not built yet (`callmart demo`, or the DAG build_marts), or is older than"
            f" this callmart: {str(error).strip()}"
        ) from error
    except (
        ReplayError,
        DbtError,
        LookupError,
        ValueError,
        psycopg.Error,
        BotoCoreError,
        ClientError,
    ) as error:
        raise click.ClickException(str(error).strip()) from error


def _item(done: Replay, whole: bool = True) -> dict[str, Any]:
    item = {
        "replay_id": done.replay_id,
        "status": done.status,
        "from": done.from_date.isoformat(),
        "to": done.to_date.isoformat(),
        "versions": done.versions,
        "requested_at": done.requested_at.isoformat(),
        "built_at": done.built_at.isoformat() if done.built_at else None,
        "decided_at": done.decided_at.isoformat() if done.decided_at else None,
        "decided_by": done.decided_by,
    }
    return {**item, "difference": done.difference} if whole else item


def _print_difference(done: Replay) -> None:
    from callmart.replay.page import described_versions, verdict

    click.echo(
        f"Replay {done.replay_id}: {done.from_date} to {done.to_date}, "
        f"{described_versions(done, 'en')} ({done.status})"
    )
    if done.difference is None:
        click.echo("not built yet")
        return
    for sentence in verdict(done, "en"):
        click.echo(f"  {sentence}")
    if done.difference["is_identical"]:
        return
    click.echo("  tier   published  replayed")
    for row in done.difference["tiers"]:
        click.echo(f"  {row['tier']:<6} {row['before']:>9}  {row['after']:>8}")
    for row in done.difference["movers"][:5]:
        why = ", ".join(f"{r['label_en']} {r['points']:+.2f}" for r in row["reasons"])
        click.echo(
            f"  {row['customer_id']}: {row['total_before']:.2f} → {row['total_after']:.2f} ({why})"
        )
    for row in done.difference["phrase_rules"]:
        if row["gained"] or row["lost"]:
            click.echo(f"  {row['rule_id']}: {row['gained']} hits gained, {row['lost']} lost")
    for row in done.difference["sales_rules"]:
        if row["gained"] or row["lost"]:
            click.echo(
                f"  {row['rule_type']}: {row['gained']} violations gained, {row['lost']} lost"
            )


def _say_decided(done: Replay, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_item(done), indent=1))
    else:
        click.echo(f"replay {done.replay_id} is {done.status}")
