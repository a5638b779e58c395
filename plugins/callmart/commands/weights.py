"""`callmart weights`: learn weights from outcomes, propose them, put them in force by hand."""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from callmart.settings import Settings

if TYPE_CHECKING:
    from callmart.weights import ComponentsFit, ContactsFit, Outcomes
    from callmart.weights.validation import Quality

DELIMITERS = {"auto": None, "comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


@click.group()
def weights() -> None:
    """Learn weights from outcomes and propose them; nothing is promoted by itself."""


@weights.command()
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A table of contacts with their outcome, instead of the warehouse.",
)
@click.option("--outcome", metavar="COLUMN", help="Of --data: the column with how it ended.")
@click.option(
    "--positive", metavar="WORD", help="Of --outcome: the good end. Default: yes, won, 1 …"
)
@click.option("--exclude", metavar="COLUMNS", default="", help="Of --data, by commas: left out.")
@click.option("--delimiter", type=click.Choice([*DELIMITERS]), default="auto", show_default=True)
@click.option("--groups", metavar="COLUMN", help="Of --data: rows of one group share a fold.")
@click.option(
    "--increasing", metavar="COLUMNS", default="", help="Of --data: curves that only rise."
)
@click.option(
    "--decreasing", metavar="COLUMNS", default="", help="Of --data: curves that only fall."
)
@click.option(
    "--in-order", is_flag=True, help="Foretell each fold from what came before it in time."
)
@click.option(
    "--evaluation", "evaluations", multiple=True, help="Of the warehouse; default: all five."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the proposal here, as CSV in the columns of the seeds.",
)
@click.option("--dry-run", is_flag=True, help="Of the warehouse: propose nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def fit(
    data: Path | None,
    outcome: str | None,
    positive: str | None,
    exclude: str,
    delimiter: str,
    groups: str | None,
    increasing: str,
    decreasing: str,
    in_order: bool,
    evaluations: tuple[str, ...],
    out: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Learn weights from outcomes and print how well they foretell unseen ones.

    From the warehouse: the components of each evaluation as they stood the day before a demand was
    won or lost. Weights are not negative, add up to 100 and are pulled to those in force; what is
    better on unseen customers becomes a proposed version (callmart weights list).
    From --data: a curve and a weight for each column of any table of contacts.
    Exit status: 0 done (also: nothing to propose), 1 the work failed or the data do not allow it,
    2 wrong usage.
    """
    import psycopg

    from callmart.weights import TableError, TooFewOutcomesError, VersionError

    try:
        if data is not None:
            if outcome is None:
                raise click.UsageError("--data needs --outcome COLUMN")
            if evaluations:
                raise click.UsageError("--evaluation is of the warehouse, not of --data")
            document = _fit_file(
                data,
                outcome,
                positive,
                _names(exclude),
                DELIMITERS[delimiter],
                groups,
                _names(increasing),
                _names(decreasing),
                in_order,
                out,
                as_json,
            )
        else:
            document = _fit_warehouse(evaluations, in_order, out, dry_run, as_json)
    except (
        psycopg.Error,
        OSError,
        LookupError,
        TableError,
        TooFewOutcomesError,
        VersionError,
        ValueError,
    ) as error:
        click.echo(f"callmart weights fit: {_reason(error)}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(_plain(document), ensure_ascii=False, allow_nan=False))


@weights.command()
@click.option("--evaluation", "evaluations", multiple=True, help="Default: all five.")
@click.option("--dry-run", is_flag=True, help="Propose nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def priors(evaluations: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Propose the centre's own averages as the priors to which little evidence is pulled.

    A component's prior becomes the mean of its curve over the customers of whom something is known,
    where there are enough of them; all else stays. Exit status as of `fit`.
    """
    from callmart.weights import EVALUATIONS, centre_averages, propose

    strange = sorted(set(evaluations) - set(EVALUATIONS))
    if strange:
        raise click.UsageError(f"--evaluation is one of {', '.join(EVALUATIONS)}, not {strange[0]}")

    def work(settings: Settings) -> dict[str, Any]:
        found = {name: centre_averages(settings, name) for name in evaluations or EVALUATIONS}
        changes = {
            name: {one.component: {"prior": one.average} for one in averages}
            for name, averages in found.items()
            if averages
        }
        number = None
        if changes and not dry_run:
            source = f"callmart weights priors of {_today(settings)}: the centre's average"
            number = propose(
                settings,
                changes,
                dict.fromkeys(changes, source),
                "the centre's averages as priors",
                {name: {"averages": [asdict(one) for one in found[name]]} for name in changes},
            )
        return {"averages": found, "proposed_version": number}

    document = _warehouse("priors", work)
    if as_json:
        document["averages"] = {
            name: [asdict(one) for one in averages]
            for name, averages in document["averages"].items()
        }
        click.echo(json.dumps(_plain(document), ensure_ascii=False))
        return
    for name, averages in document["averages"].items():
        moved = sum(one.weight * (one.average - one.prior) for one in averages)
        click.echo(
            f"{name}: {len(averages)} components; who is unknown moves by {moved:+.2f} points"
        )
        for one in averages:
            click.echo(
                f"  {one.component:<34}{one.prior:>8.4f} → {one.average:.4f}  ({one.customers} customers)"
            )
    if document["proposed_version"] is not None:
        click.echo(
            f"version {document['proposed_version']} is proposed; the tiers' bounds (seed quality_tiers)"
            " rest on the total of the priors: look at them before you promote it"
        )


@weights.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(as_json: bool) -> None:
    """List the versions beside the shipped ones."""
    from callmart.weights import list_versions

    found = _warehouse("list", lambda settings: list_versions(settings))
    if as_json:
        short = [
            {
                "rule_version": one.rule_version,
                "evaluation": one.evaluation,
                "status": one.status,
                "effective_from": one.effective_from,
                "effective_to": one.effective_to,
                "created_at": one.created_at,
                "note": one.note,
            }
            for one in found
        ]
        click.echo(json.dumps(_plain(short), ensure_ascii=False))
        return
    if not found:
        click.echo("no versions beside the shipped ones")
    for one in found:
        span = (
            f" from {one.effective_from} to {one.effective_to or '…'}" if one.effective_from else ""
        )
        click.echo(
            f"{one.rule_version:>4} {one.evaluation:<16} {one.status}{span}"
            f"  {one.created_at:%Y-%m-%d %H:%M}  {one.note}"
        )


@weights.command()
@click.argument("rule_version", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(rule_version: int, as_json: bool) -> None:
    """Show the weights of a version, and what the fit said of them."""
    from callmart.weights import VersionError, list_versions

    def read(settings: Settings) -> Any:
        found = list_versions(settings, rule_version)
        if not found:
            raise VersionError(f"there is no version {rule_version} beside the shipped ones")
        return found

    found = _warehouse("show", read)
    if as_json:
        click.echo(json.dumps(_plain([asdict(one) for one in found]), ensure_ascii=False))
        return
    for one in found:
        click.echo(f"{one.evaluation}, version {one.rule_version}, {one.status}: {one.note}")
        before = one.report.get("weights_in_force", {})
        for average in one.report.get("averages", []):
            click.echo(
                f"  {average['component']:<34}{average['prior']:>8.4f} → {average['average']:.4f}"
                " (prior)"
            )
        if not before:
            continue
        for row in sorted(one.weights, key=lambda row: -row["weight"]):
            old = before.get(row["component"])
            click.echo(f"  {row['component']:<34}{_number(old):>8} → {row['weight']:6.2f}")


@weights.command()
@click.argument("rule_version", type=int)
@click.option(
    "--from", "first", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day."
)
@click.option(
    "--to", "end", type=click.DateTime(["%Y-%m-%d"]), help="First day after the last one."
)
def promote(rule_version: int, first: datetime, end: datetime | None) -> None:
    """Put a proposed version in force from a day on; scores follow with the next build."""
    from callmart.weights import promote as put_in_force

    to = end.date() if end else None
    done = _warehouse(
        "promote", lambda settings: put_in_force(settings, rule_version, first.date(), to)
    )
    click.echo(f"version {rule_version} of {', '.join(done)} is in force from {first.date()}")


@weights.command()
@click.argument("rule_version", type=int)
def discard(rule_version: int) -> None:
    """Discard a proposed version; it stays on record."""
    from callmart.weights import discard as put_aside

    done = _warehouse("discard", lambda settings: put_aside(settings, rule_version))
    click.echo(f"version {rule_version} of {', '.join(done)} is discarded")


def _warehouse(name: str, work: Any) -> Any:
    import psycopg

    from callmart.weights import VersionError

    try:
        return work(Settings.from_environment())
    except (psycopg.Error, VersionError, ValueError) as error:
        click.echo(f"callmart weights {name}: {_reason(error)}", err=True)
        sys.exit(1)


def _reason(error: Exception) -> str:
    from psycopg.errors import UndefinedTable

    text = " ".join(str(error).split())
    return f"the marts are not built yet ({text})" if isinstance(error, UndefinedTable) else text


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _fit_file(
    data: Path,
    outcome: str,
    positive: str | None,
    exclude: list[str],
    delimiter: str | None,
    groups: str | None,
    increasing: list[str],
    decreasing: list[str],
    in_order: bool,
    out: Path | None,
    as_json: bool,
) -> dict[str, Any]:
    from callmart.weights import fit_contacts, read_table, seed_rows

    table = read_table(data, outcome, positive, exclude, delimiter, groups)
    found = fit_contacts(table, increasing, decreasing, in_order)
    for name in found.suspects:
        click.echo(
            f"warning: {name!r} alone ranks with AUC {found.column_aucs[name]:.3f}. Was it known before"
            f" the outcome? If not: --exclude {name}",
            err=True,
        )
    if not as_json:
        _print_contacts(found, table.positive, in_order)
    document = {
        "rows": found.rows,
        "good": found.good,
        "auc": found.quality.auc,
        "peer": {"name": "gradient boosted trees (scikit-learn)", **found.peer.as_dict()},
        "published": [
            {**asdict(known), "is_comparable": comparable} for known, comparable in found.published
        ],
        "quality": found.quality.as_dict(),
        "column_aucs": found.column_aucs,
        "suspects": found.suspects,
        "notes": found.notes,
        "intercept": found.score.intercept,
        "slope": found.score.slope,
        "curves": [asdict(curve) for curve in found.score.curves],
    }
    if out is not None:
        name = data.name.split(".")[0]
        settings = Settings.from_environment()
        rows, knots = seed_rows(found, name, 1, _today(settings).isoformat())
        written = _write(out, rows, knots)
        document["written"] = written
        if not as_json:
            click.echo(f"proposal written: {', '.join(written)}")
    return document


def _fit_warehouse(
    evaluations: tuple[str, ...], in_order: bool, out: Path | None, dry_run: bool, as_json: bool
) -> dict[str, Any]:
    from callmart.weights import (
        EVALUATIONS,
        TooFewOutcomesError,
        fit_components,
        list_versions,
        propose,
        read_outcomes,
    )

    strange = sorted(set(evaluations) - set(EVALUATIONS))
    if strange:
        raise click.UsageError(f"--evaluation is one of {', '.join(EVALUATIONS)}, not {strange[0]}")
    settings = Settings.from_environment()
    document: dict[str, Any] = {"evaluations": {}, "proposed_version": None}
    better: dict[str, dict[str, dict[str, float]]] = {}
    reports: dict[str, dict[str, Any]] = {}
    sources: dict[str, str] = {}
    for evaluation in evaluations or EVALUATIONS:
        seen = read_outcomes(settings, evaluation)
        try:
            found = fit_components(seen.worths, seen.won, seen.customers, seen.weights, in_order)
        except TooFewOutcomesError as error:
            document["evaluations"][evaluation] = {"is_proposed": False, "reason": str(error)}
            if not as_json:
                click.echo(f"{evaluation}: {error}")
            continue
        report = _component_report(seen, found)
        document["evaluations"][evaluation] = report
        if not as_json:
            _print_components(seen, found)
        if found.is_better:
            better[evaluation] = {
                name: {"weight": weight} for name, weight in report["weights"].items()
            }
            reports[evaluation] = report
            sources[evaluation] = (
                f"callmart weights fit of {_today(settings)}: {found.good} won of {found.rows} closed"
                f" demands, cross-validated AUC {found.quality.auc:.4f}"
                f" (version {seen.rule_version}: {found.in_force.auc:.4f})"
            )
    if better and not dry_run:
        number = propose(
            settings, better, sources, f"learnt from outcomes: {', '.join(better)}", reports
        )
        document["proposed_version"] = number
        if not as_json:
            click.echo(
                f"version {number} is proposed for {', '.join(better)}; nothing changes until"
                f" callmart weights promote {number} --from DAY"
            )
        if out is not None:
            rows: list[dict[str, Any]] = []
            knots: list[dict[str, Any]] = []
            for one in list_versions(settings, number):
                key = {"evaluation": one.evaluation, "rule_version": number}
                dates = {"effective_from": _today(settings).isoformat(), "effective_to": ""}
                rows += [{**key, **row, **dates} for row in one.weights]
                knots += [{**key, **knot, "reason": "as before"} for knot in one.knots]
            document["written"] = _write(out, rows, knots)
    elif not better and not as_json:
        click.echo("nothing is proposed")
    return document


def _write(out: Path, rows: list[dict[str, Any]], knots: list[dict[str, Any]]) -> list[str]:
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, lines in (("evaluation_weights.csv", rows), ("evaluation_knots.csv", knots)):
        with (out / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
        written.append(str(out / name))
    return written


def _component_report(seen: Outcomes, found: ComponentsFit) -> dict[str, Any]:
    from callmart.weights import KEEP

    return {
        "is_proposed": found.is_better,
        "rule_version_in_force": seen.rule_version,
        "rows": found.rows,
        "won": found.good,
        "customers": found.groups,
        "without_evidence": seen.without_evidence,
        "pull": None if found.learnt.pull == KEEP else found.learnt.pull,
        "pull_by_fold": [None if pull == KEEP else pull for pull in found.pull_by_fold],
        "weights": dict(zip(seen.components, map(float, found.learnt.weights), strict=True)),
        "weights_in_force": dict(zip(seen.components, map(float, seen.weights), strict=True)),
        "learnt": found.quality.as_dict(),
        "in_force": found.in_force.as_dict(),
    }


def _print_contacts(found: ContactsFit, positive: str, in_order: bool) -> None:
    for note in found.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{found.rows} contacts, {found.good} {positive!r} ({found.good / found.rows:.2%});"
        f" {'forward in time' if in_order else 'cross-validated'},"
        f" {len(found.quality.auc_by_fold)} folds"
    )
    _print_qualities({"additive score": found.quality, "boosted trees": found.peer})
    for known, comparable in found.published:
        click.echo(
            f"published for {known.name}: AUC {known.auc:.2f}"
            + (
                ""
                if comparable
                else f" without {', '.join(known.without)}, so not comparable with this run"
            )
            + f" ({known.source})"
        )
    click.echo("\ncolumn                    weight   AUC alone   worth least at → most at")
    for curve in sorted(found.score.curves, key=lambda curve: -curve.weight):
        points = [(worth, f"{raw:g}") for raw, worth in curve.knots]
        points += [(worth, word) for word, worth in curve.levels]
        low, high = min(points)[1], max(points)[1]
        click.echo(
            f"{curve.name:<24}{curve.weight:>8.2f}{found.column_aucs[curve.name]:>12.3f}   {low} → {high}"
        )


def _print_components(seen: Outcomes, found: ComponentsFit) -> None:
    from callmart.weights import KEEP

    click.echo(
        f"{seen.evaluation}: {found.rows} closed demands of {found.groups} customers, {found.good} won;"
        f" {seen.without_evidence} left out, of customers of whom nothing was known the day before"
    )
    _print_qualities({"learnt": found.quality, f"version {seen.rule_version}": found.in_force})
    if found.learnt.pull == KEEP:
        click.echo("the weights in force stand: nothing learnt foretells better\n")
        return
    click.echo(f"pulled to the weights in force as by {found.learnt.pull:g} outcomes")
    for name, weight, old in sorted(
        zip(seen.components, found.learnt.weights, seen.weights, strict=True),
        key=lambda row: -row[1],
    ):
        click.echo(f"  {name:<34}{old:>8.2f} → {weight:6.2f}")
    if not found.is_better:
        click.echo("on unseen customers they are no better than those in force: not proposed")
    click.echo()


def _print_qualities(qualities: dict[str, Quality]) -> None:
    both = list(qualities.values())
    click.echo("".join([" " * 34, *(f"{name:>18}" for name in qualities)]))
    for label, field in (
        ("AUC", "auc"),
        ("log loss", "log_loss"),
        ("Brier score", "brier"),
        ("Brier skill", "brier_skill"),
        ("expected calibration error", "expected_calibration_error"),
        ("calibration slope", "calibration_slope"),
    ):
        click.echo("".join([f"{label:<34}", *(f"{getattr(one, field):>18.4f}" for one in both)]))
    click.echo(
        "AUC by fold: "
        + " | ".join(" ".join(f"{value:.3f}" for value in one.auc_by_fold) for one in both)
    )
    click.echo(
        "lift by decile (share of all good ends so far) | reliability: said → seen, lowest first"
    )
    first = both[0]
    for i, decile in enumerate(first.deciles):
        lifts = "".join(
            f"{one.deciles[i].lift:>10.2f} ({one.deciles[i].cumulative_share:>4.0%})"
            for one in both
            if i < len(one.deciles)
        )
        said = "".join(
            f"   {one.reliability[i].predicted:.3f} → {one.reliability[i].observed:.3f}"
            for one in both
            if i < len(one.reliability)
        )
        click.echo(f"{decile.decile:>3} {lifts}{said}")


def _today(settings: Settings) -> date:
    return datetime.now(ZoneInfo(settings.business_time_zone)).date()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _plain(value: Any) -> Any:
    """For JSON: days as text, NaN and infinity as null, tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
