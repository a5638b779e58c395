"""`callmart demo`: the main job, seen from outside."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmart.commands.stack import program
from callmart.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from callmart.local.airflow_client import TaskEvent
    from callmart.local.demo import Agreement
    from callmart.local.stack import Stack

# What is shown of a task's states: style and mark.
MARKS = {
    "success": ("green", "✔"),
    "failed": ("red", "✘"),
    "upstream_failed": ("red", "✘"),
    "up_for_retry": ("yellow", "↻"),
}


class Display:
    """A line a step: a live one at a terminal, plain ones when piped, nothing with `--json`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._start = time.monotonic()
        self._worked: set[tuple[str, str]] = set()
        self._status = console.status("") if console.is_terminal else None
        if self._status:
            self._status.start()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._status:
            self._status.stop()

    def step(self, text: str) -> None:
        """A step that is done, with the time since the start."""
        self.console.print(f"[dim]{time.monotonic() - self._start:6.1f} s[/]  {text}")

    def doing(self, text: str) -> None:
        """What is going on; at a terminal only, since each replaces the one before."""
        if self._status:
            self._status.update(text)

    def counting(self, text: str) -> Callable[[int, int], None]:
        """A counter of `done of all` behind `text`."""
        return lambda done, total: self.doing(f"{text} {done} of {total}")

    def event(self, event: TaskEvent) -> None:
        """A task or a run has come into a new state; what had nothing to do is not shown."""
        if event.task_id is None:
            if event.state == "failed" or (event.dag_id, event.run_id) in self._worked:
                mark = "[green]✔[/]" if event.state == "success" else "[red]✘[/]"
                self.step(f"{mark} [bold]{event.dag_id}[/] {event.state}")
            return
        label = f" [dim]{event.label}[/]" if event.label else ""
        name = f"{event.dag_id}.{event.task_id}{label}"
        if event.state not in MARKS:
            self.doing(f"{name} {event.state}")
            return
        self._worked.add((event.dag_id, event.run_id))
        style, mark = MARKS[event.state]
        took = f" [dim]took {event.seconds:.1f} s[/]" if event.seconds is not None else ""
        self.step(f"  [{style}]{mark}[/] {name}{took}")


@click.command()
@click.option(
    "--landing",
    type=click.Path(path_type=Path),
    help="A folder laid out as the landing bucket; without it a demo day is made.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON document.")
def demo(landing: Path | None, as_json: bool) -> None:
    """Run the main job on the embedded stack: land, ingest, analyse, build, report.

    The stack stays up afterwards, so that one can look around; `callmart down` stops it. Ctrl-C stops
    it at once.
    """
    from rich.console import Console

    from callmart.local.processes import ServiceError
    from callmart.local.stack import Stack

    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    display = Display(console)
    stack = Stack(Settings.from_environment().home)
    try:
        summary = _run(stack, landing, display)
    except KeyboardInterrupt:
        display.stop()
        console.print("interrupted: stopping the stack")
        stack.down()
        sys.exit(130)
    except ServiceError as error:
        display.stop()
        raise click.ClickException(str(error)) from error
    finally:
        display.stop()
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False, default=str))
    else:
        _show(console, summary)
    if summary["failed_runs"]:
        sys.exit(1)


def _run(stack: Stack, landing: Path | None, display: Display) -> dict[str, Any]:
    """The whole pass; the summary as a document."""
    from callmart.local import demo as job
    from callmart.local.airflow_client import AirflowClient

    folder = landing.resolve() if landing else _demo_day(stack.home, display)
    try:
        job.check_landing(folder)
    except job.DemoError as error:
        raise click.UsageError(str(error)) from error
    display.doing("starting the embedded stack")
    stack.up(display.doing)
    display.step("the embedded stack is up: PostgreSQL, S3, mail sink, Airflow")
    os.environ.update(stack.environment())
    settings = Settings.from_environment()
    user, password = stack.login()
    client = AirflowClient(stack.address(), user, password)
    state = job.DemoState(stack.home)
    before = state.filled_from()
    try:
        if before is not None and before != str(folder):
            display.doing(f"emptying warehouse and bucket of the demo on {before}")
            job.empty_stack(client, settings)
            display.step(f"warehouse and bucket were emptied of the demo on {before}")
        state.remember(folder)
        job.set_up_sources(settings, folder)
        at_first = job.fingerprint(settings)
        uploaded = job.upload(settings, folder, display.counting("uploading"))
        display.step(f"bucket: {uploaded.new} files new, {uploaded.unchanged} unchanged")
        flow = job.Flow(client, settings)
        for event in flow.run():
            display.event(event)
        at_last = job.fingerprint(settings)
        truth = folder / "truth.csv"
        return {
            "landing": str(folder),
            "uploaded": {"new": uploaded.new, "unchanged": uploaded.unchanged},
            "changed": at_first != at_last,
            "failed_runs": [f"{event.dag_id} {event.run_id}" for event in flow.failed],
            **job.summarise(settings),
            "truth": _agreement(settings, truth),
            "places": _places(stack, settings, job.save_reports(settings)),
        }
    except job.DemoError as error:
        raise click.ClickException(str(error)) from error
    finally:
        client.close()


def _agreement(settings: Settings, truth: Path) -> dict[str, Any] | None:
    from callmart.local import demo as job

    if not truth.exists() or job.newest_day(settings) is None:
        return None
    return vars(job.compare_with_truth(settings, truth))


def _demo_day(home: Path, display: Display) -> Path:
    """The demo day's folder, made at the first call and kept as long as its generator stays."""
    from callmart.local import demo_day

    folder = home / "demo" / demo_day.source_hash()
    is_new = not (folder / "demo.yaml").exists()
    if is_new:
        folder.parent.mkdir(parents=True, exist_ok=True)
        demo_day.generate(
            folder,
            progress=lambda step, done, of: display.doing(f"demo day: {step} {done} of {of}"),
        )
    display.step(f"the demo day {'was made' if is_new else 'is there already'}: {folder}")
    return folder


def _places(stack: Stack, settings: Settings, pages: list[Path]) -> dict[str, Any]:
    user, password = stack.login()
    documentation = [page for page in pages if page.parent.name == "dbt_docs"]
    return {
        "reports": [str(page) for page in pages if page not in documentation],
        "pages": f"{stack.address()}/plugin/callmart",
        "airflow": stack.address(),
        "airflow_login": f"{user} / {password}",
        "warehouse": f"{program()} psql",
        "mail": str(stack.home / "mail"),
        "data_docs": str(settings.home / "expectations" / "index.html"),
        "dbt_docs": [str(page) for page in documentation if page.suffix == ".html"],
    }


def _show(console: Console, summary: dict[str, Any]) -> None:
    """Print the summary for a person."""
    from rich.table import Table

    console.rule("summary")
    if not summary["changed"]:
        console.print("Nothing was new: no row was added or changed by this run.")
    if not summary["calls"]:
        console.print("The marts were not built: see the failed task's log on the Airflow page.")
        _show_places(console, summary["places"])
        return
    calls = summary["calls"][0]
    figures = Table.grid(padding=(0, 3))
    attempts, connected = calls["attempts"], calls["connected"]
    ratio = f" ({connected / attempts:.1%} of attempts)" if attempts else ""
    figures.add_row("calls", f"{calls['calls']} from {calls['first_day']} to {calls['last_day']}")
    figures.add_row("attempts", str(attempts))
    figures.add_row("answered", str(calls["answered"]))
    figures.add_row("connected", f"{connected}{ratio}")
    figures.add_row(
        "heard", f"{calls['with_recording']} recordings, {calls['with_transcript']} transcripts"
    )
    for row in summary["evaluations"]:
        figures.add_row(
            f"evaluation {row['evaluation']}",
            f"{row['customers']} customers, average {row['average_score']}",
        )
    figures.add_row("tiers", _joined(summary["tiers"], "{tier}: {customers}"))
    figures.add_row("rules broken", _joined(summary["violations"], "{rule} {violations}"))
    figures.add_row("phrases", _joined(summary["phrases"], "{rule} ({kind}) {hits}"))
    figures.add_row("demands", _joined(summary["demands"], "{stage} {demands}"))
    figures.add_row("open alerts", _joined(summary["alerts"], "{severity} {alerts}"))
    console.print(figures)
    _show_truth(console, summary["truth"])
    if summary["quarantine"]:
        console.print("in quarantine:")
    for row in summary["quarantine"]:
        place = "" if row["row"] is None else f" row {row['row']}"
        console.print(f"  {row['file']}{place}: {row['reason']}")
    _show_places(console, summary["places"])


def _show_places(console: Console, places: dict[str, Any]) -> None:
    console.rule("where to look")
    pages = [Path(place) for place in places["reports"] if place.endswith(".html")]
    # Of the newest day; weeks and months lie beside them.
    days = sorted({page.parent for page in pages if page.parent.name.startswith("dt=")})
    newest = {**places, "reports": [str(page) for page in pages if page.parent in days[-1:]]}
    for name, value in newest.items():
        for line in [value] if isinstance(value, str) else value:
            console.print(f"{name.replace('_', ' '):<14} {line}")
    console.print(f"`{program()} down` stops the stack; what it holds stays.")


def _show_truth(console: Console, truth: dict[str, Any] | Agreement | None) -> None:
    if not isinstance(truth, dict):
        return
    console.print(
        f"against the written truth: {truth['decided']} of {truth['recordings']} recordings decided,"
        f" outcome right in {truth['outcome_right']},"
        f" connection right in {truth['connected_right']} of {truth['connected_known']}"
    )
    for row in truth["differing"]:
        console.print(f"  {row['call_id']}: truth {row['truth']}, decided {row['decided']}")


def _joined(rows: list[dict[str, Any]], form: str) -> str:
    return ", ".join(form.format(**row) for row in rows) or "none"
