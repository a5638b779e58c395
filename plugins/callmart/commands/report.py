"""`callmart report`: make one report by hand."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--period", required=True, help="A day 2026-11-19, an ISO week 2026-W47 or a month 2026-11."
)
@click.option(
    "--audience",
    type=click.Choice(["management", "team_leads", "quality", "operations"]),
    default="management",
    show_default=True,
)
@click.option("--team", help="One team's agents alone (team_leads, quality).")
@click.option(
    "--lang", "language", type=click.Choice(["zh", "en"]), default="en", show_default=True
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "pdf", "xlsx"]),
    default="html",
    show_default=True,
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the file."
)
@click.option("--preview", is_flag=True, help="Open the file.")
def report(
    period: str,
    audience: str,
    team: str | None,
    language: str,
    form: str,
    out: Path | None,
    preview: bool,
) -> None:
    """Make the report of a day, week or month from the marts, without sending it."""
    import psycopg

    from callmart import reports
    from callmart.reports.sections import AUDIENCES
    from callmart.settings import Settings

    settings = Settings.from_environment()
    try:
        asked = reports.parse(period)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--period") from error
    if team is not None and not AUDIENCES[audience].by_team:
        raise click.BadParameter(f"{audience} cannot be of one team", param_hint="--team")
    try:
        document = reports.make_document(settings, asked, audience, language, team)
        if form == "xlsx":
            content = reports.write_xlsx(document)
        else:
            page = reports.render(document, page_place=None).page
            content = reports.to_pdf(page) if form == "pdf" else page.encode()
    except psycopg.errors.UndefinedTable as error:
        raise click.ClickException(
            "the marts are not built yet: run `callmart demo`, or the DAG build_marts"
        ) from error
    except (psycopg.Error, ValueError, reports.NoPdfError) as error:
        raise click.ClickException(str(error).strip()) from error
    name = f"{asked.kind}-{asked.label}.{audience}.{language}.{form}"
    path = out or settings.home / "reports" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    click.echo(path)
    if preview:
        click.launch(str(path))
