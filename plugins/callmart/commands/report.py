"""`callmart report`: make one report by hand."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click


@click.command()
@click.option(
    "--period", required=True, type=click.DateTime(["%Y-%m-%d"]), help="A business day, YYYY-MM-DD."
)
@click.option(
    "--lang", "language", type=click.Choice(["zh", "en"]), default="en", show_default=True
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the page."
)
@click.option("--preview", is_flag=True, help="Open the page in the browser.")
def report(period: datetime, language: str, out: Path | None, preview: bool) -> None:
    """Make the report of one business day from the marts, without sending it."""
    import psycopg

    from callmart.reports import render
    from callmart.settings import Settings

    settings = Settings.from_environment()
    day: date = period.date()
    try:
        page = render(settings, day, language, page_place=None).page
    except psycopg.errors.UndefinedTable as error:
        raise click.ClickException(
            "the marts are not built yet: run `callmart demo`, or the DAG build_marts"
        ) from error
    except (psycopg.Error, ValueError) as error:
        raise click.ClickException(str(error).strip()) from error
    path = out or settings.home / "reports" / f"daily-{day}.{language}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    click.echo(path)
    if preview:
        click.launch(str(path))
