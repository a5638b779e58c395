"""`callmart sources`: check a source mapping, and try it on a file without a database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmart.settings import Settings

if TYPE_CHECKING:
    from callmart.landing.mappings import Route, SourceMapping

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def sources() -> None:
    """Check source mappings, try them on a file."""


@sources.command()
@click.argument("file", type=_FILE)
@click.argument("sample", type=_FILE, required=False)
@click.option("--key", help="The key that SAMPLE would have in the bucket.  [its path]")
@click.option("--rows", default=3, show_default=True, help="Rows to show of each entity.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def check(
    ctx: click.Context, file: Path, sample: Path | None, key: str | None, rows: int, as_json: bool
) -> None:
    """Say whether the mapping FILE would be taken, else every fault with its line and column.

    With a SAMPLE of what it maps: the first rows of every entity that come of it, and what was not
    understood. Needs neither bucket nor warehouse.

    Exit status: 0 taken (rows may be odd), 1 refused or the sample unreadable, 2 wrong usage.
    """
    from callmart.landing.errors import FileError, MappingError
    from callmart.landing.mappings import parse_mapping, shipped_sources

    try:
        mapping = parse_mapping(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file} is not UTF-8: {error}") from error
    except MappingError as refused:
        if as_json:
            errors = [vars(fault) for fault in refused.faults]
            click.echo(json.dumps({"ok": False, "errors": errors}, ensure_ascii=False, indent=1))
        for fault in refused.faults:
            click.echo(f"{file}: {fault}", err=True)
        ctx.exit(1)
    rules = sum(len(tables.rows) for tables in mapping.tables)
    known = shipped_sources().get(mapping.source)
    mapping = known.merge(mapping) if known else mapping
    found: dict[str, Any] = {"ok": True, "errors": []}
    if sample is not None:
        try:
            route = _route(mapping, sample, key)
            found["sample"] = _try(mapping, route, sample, rows)
        except FileError as error:
            found = {"ok": False, "errors": [{"reason": f"{sample}: {error.reason}"}]}
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1, default=str))
    elif not found["ok"]:
        click.echo(found["errors"][0]["reason"], err=True)
    else:
        click.echo(f"{file}: source {mapping.source}, {rules} rules, no fault")
        if sample is not None:
            _show(found["sample"])
    ctx.exit(0 if found["ok"] else 1)


def _route(mapping: SourceMapping, sample: Path, key: str | None) -> Route:
    """What the sample is by the mapping alone: by its key, by any end of its path, or as its only kind.

    Raises click.UsageError where that is not clear.
    """
    from callmart.landing.mappings import Mappings, compile_glob

    parts = sample.resolve().parts[1:]
    candidates = [key] if key else ["/".join(parts[at:]) for at in range(len(parts))]
    extracts = [tables for tables in mapping.tables if tables.rows]
    globs = [compile_glob(glob) for tables in extracts for glob in tables.keys]
    covered = [one for one in candidates if any(glob.fullmatch(one) for glob in globs)]
    if covered:
        candidate = covered[0]
    elif not key and len(extracts) == 1:
        candidate = sample.name
        alone = extracts[0].model_copy(update={"keys": ["**"]})
        mapping = mapping.model_copy(update={"tables": [alone]})
    else:
        raise click.UsageError(
            f"no keys of the mapping cover {key or sample}; say with --key where it would stand"
        )
    settings = Settings.from_environment()
    mappings = Mappings(
        {mapping.source: mapping}, settings.business_time_zone, settings.default_country
    )
    return mappings.route(candidate, datetime.now(UTC))


def _try(mapping: SourceMapping, route: Route, sample: Path, rows: int) -> dict[str, Any]:
    """What comes of a sample: rows by entity, counts, and what was not understood."""
    from callmart.contracts.outcomes import OUTCOMES
    from callmart.landing.extracts import Extract
    from callmart.landing.rows import Locale

    if route.tables is None:
        raise click.UsageError(f"{sample} is no extract")
    settings = Settings.from_environment()
    locale = Locale(
        route.tables.time_zone or mapping.time_zone or settings.business_time_zone,
        route.tables.country or mapping.country or settings.default_country,
    )
    extract = Extract(route, route.tables, locale)
    shown: dict[str, list[dict[str, Any]]] = {name: [] for name in extract.entities}
    counts = dict.fromkeys(extract.entities, 0)
    words: dict[str, int] = {}
    known = {word.strip().casefold() for word in [*mapping.dispositions, *OUTCOMES]}
    with sample.open("rb") as file:
        for entity, checked in extract.parts(file):
            table = checked.table
            counts[entity.name] += table.num_rows
            wanted = rows - len(shown[entity.name])
            for row in table.slice(0, max(wanted, 0)).to_pylist():
                shown[entity.name].append(
                    {
                        name: value
                        for name, value in row.items()
                        if value is not None and (not name.startswith("_") or name == "_flags")
                    }
                )
            if entity.name == "calls":
                for word in filter(None, table.column("disposition").to_pylist()):
                    if word.strip().casefold() not in known:
                        words[word] = words.get(word, 0) + 1
    return {
        "key": route.key,
        "time_zone": locale.time_zone,
        "country": locale.country,
        "encoding": extract.encoding,
        "delimiter": extract.delimiter,
        "records": extract.rows_read,
        "rows": counts,
        "first_rows": shown,
        "rejected": [
            {"row": row.row_number, "entity": entity, "rule": row.rule, "reason": row.reason}
            for entity, row in extract.rejected
        ],
        "notices": [
            {"kind": kind, "subject": subject, "detail": detail}
            for kind, subject, detail in extract.notices()
        ],
        "unknown_dispositions": words,
    }


def _show(found: dict[str, Any]) -> None:
    click.echo(
        f"{found['records']} records ({found['encoding'] or 'binary'}), times without an offset are"
        f" {found['time_zone']}, national numbers {found['country']}"
    )
    for entity, rows in found["first_rows"].items():
        click.echo(f"\n{entity}: {found['rows'][entity]} rows")
        for row in rows:
            told = {name: value for name, value in row.items() if value != "{}"}
            click.echo("  " + ", ".join(f"{name}={value}" for name, value in told.items()))
    rejected = found["rejected"]
    if rejected:
        click.secho(f"\n{len(rejected)} rows would go to the quarantine:", fg="red")
        for row in rejected[:10]:
            click.echo(f"  row {row['row']} ({row['entity'] or 'any'}): {row['reason']}")
    for notice in found["notices"]:
        subject = " ".join(filter(None, (notice["kind"], notice["subject"])))
        click.secho(f"{subject}: {notice['detail']}", fg="yellow")
    for word, count in sorted(found["unknown_dispositions"].items()):
        click.secho(f"disposition without an outcome: {word} ({count} calls)", fg="yellow")
