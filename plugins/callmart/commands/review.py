"""`callmart review`: phrase hits out to inspectors, their verdicts back in."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from callmart.settings import Settings


@click.group()
def review() -> None:
    """Send phrase hits to inspectors, take their verdicts back."""


@review.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the XLSX goes.")
@click.option(
    "--csv", "csv_path", type=click.Path(dir_okay=False, path_type=Path), help="The same as CSV."
)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Calls of this day and later.")
@click.option("--rule", metavar="ID", help="Hits of this rule alone.")
@click.option("--limit", type=click.IntRange(1), default=500, show_default=True)
@click.option(
    "--sample",
    type=click.IntRange(1),
    help="Of each rule so many random hits instead of the worst first: what precision rests on.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which random hits.")
@click.option(
    "--recordings-url", metavar="URL", help="What a recording's key follows to be a link."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def export(
    out: Path | None,
    csv_path: Path | None,
    since: datetime | None,
    rule: str | None,
    limit: int,
    sample: int | None,
    seed: int,
    recordings_url: str | None,
    as_json: bool,
) -> None:
    """Write the hits that wait for a verdict: critical ones first, then the newest calls.

    What has a verdict is left out, what was appealed is listed again. The order biases what it
    finds: a rule's precision should rest on --sample, whose hits are drawn without regard to
    anything (and marked `random`).
    Exit status: 0 done, 1 the warehouse did not answer or the file cannot be written, 2 wrong usage.
    """
    import psycopg

    from callmart.reviews import read_hits, write_csv, write_xlsx

    if out is None and csv_path is None:
        raise click.UsageError("name --out FILE.xlsx or --csv FILE.csv")
    settings = Settings.from_environment()
    try:
        hits = read_hits(
            settings,
            since=since.date() if since else None,
            rule=rule,
            limit=limit,
            sample=sample,
            seed=seed,
        )
        if out is not None:
            out.write_bytes(
                write_xlsx(hits, settings.business_time_zone, settings.bucket, recordings_url)
            )
        if csv_path is not None:
            csv_path.write_bytes(write_csv(hits, settings.business_time_zone))
    except (psycopg.Error, OSError) as error:
        click.echo(f"callmart review export: {error}", err=True)
        sys.exit(1)
    files = [str(path) for path in (out, csv_path) if path is not None]
    if as_json:
        rules = {hit.rule_id for hit in hits}
        click.echo(json.dumps({"hits": len(hits), "rules": len(rules), "files": files}))
    else:
        click.echo(f"{len(hits)} hits wait for a verdict: {', '.join(files)}")


@review.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reviewer", help="Who decided, where a row does not say.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def import_worklist(file: Path, reviewer: str | None, as_json: bool) -> None:
    """Take the verdicts of a filled worklist (XLSX or CSV) into the bucket.

    From there they are loaded like every delivery. Rows with a fault are named and left out, the
    others are taken; what an earlier import brought already is not taken twice.
    Exit status: 0 every filled row taken, 1 a row or the file has a fault, 2 wrong usage.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from callmart.reviews import WorklistError, land_verdicts, read_worklist

    settings = Settings.from_environment()
    try:
        verdicts, faults = read_worklist(file.read_bytes(), settings, reviewer)
        key, new = land_verdicts(settings, verdicts)
    except (WorklistError, OSError, BotoCoreError, ClientError) as error:
        click.echo(f"{file}: {error}", err=True)
        sys.exit(1)
    for fault in faults:
        click.echo(f"{file}: {fault}", err=True)
    if as_json:
        items = [{"row": f.row, "rule_id": f.rule_id, "reason": f.reason} for f in faults]
        summary = {"verdicts": len(verdicts), "new": new, "key": key, "faults": items}
        click.echo(json.dumps(summary, ensure_ascii=False, indent=1))
    else:
        known = len(verdicts) - new
        click.echo(
            f"{new} verdicts taken{f' into {key}' if key else ''}"
            + (f", {known} were here already" if known else "")
            + (f", {len(faults)} rows with faults" if faults else "")
        )
    if faults:
        sys.exit(1)
