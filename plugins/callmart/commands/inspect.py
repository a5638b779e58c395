"""`callmart inspect`: hear recordings and say what became of the calls."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLUMNS = 64
_OUTCOME_COLOURS = {"human": "green", "unreadable": "red", "unknown": "yellow"}


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--agent", type=click.Path(path_type=Path), help="The agent's side, in a file of its own."
)
@click.option("--customer", type=click.Path(path_type=Path), help="The customer's side.")
@click.option("--country", help="Country called, e.g. CN: settles which table a tone is read by.")
@click.option(
    "--files-from",
    "list_file",
    type=click.Path(path_type=Path),
    help="A text file with one path a line; - reads standard input.",
)
@click.option(
    "--agent-channel",
    type=click.IntRange(0, 1),
    default=0,
    show_default=True,
    help="Which channel of a stereo file is the agent.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; default: one a core.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list on standard output.")
def inspect(
    files: tuple[Path, ...],
    agent: Path | None,
    customer: Path | None,
    country: str | None,
    list_file: Path | None,
    agent_channel: int,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Say what became of each call, who spoke when, and how they felt.

    A file without sound gets the verdict `unreadable` with the reason, and the rest goes on. A
    path that cannot be read is reported the same way, and the exit status is 1.
    """
    if (agent is None) != (customer is None):
        raise click.UsageError("--agent and --customer belong together")
    work: list[_Work] = [
        ({"path": str(path)}, country, agent_channel) for path in [*files, *_read_list(list_file)]
    ]
    if agent is not None and customer is not None:
        sides = {"agent_path": str(agent), "customer_path": str(customer)}
        work.append((sides, country, agent_channel))
    if not work:
        raise click.UsageError("name at least one recording")

    failed = False
    reports: list[dict[str, Any]] = []
    for page in _inspect_all(work, jobs):
        failed = failed or page["fault"]
        if as_json:
            reports.append(page["report"])
        else:
            _print_page(page)
    if as_json:
        click.echo(json.dumps(reports, ensure_ascii=False, indent=2))
    if failed:
        sys.exit(1)


_Work = tuple[dict[str, str], str | None, int]


def _read_list(list_file: Path | None) -> list[Path]:
    if list_file is None:
        return []
    try:
        text = (
            sys.stdin.read() if str(list_file) == "-" else list_file.read_text(encoding="utf-8-sig")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--files-from {list_file}: {error}") from error
    return [Path(line.strip()) for line in text.splitlines() if line.strip()]


def _inspect_all(work: list[_Work], jobs: int | None) -> Iterator[dict[str, Any]]:
    """Pages in the order of the work; more than a few recordings share the cores."""
    workers = min(jobs or len(os.sched_getaffinity(0)), len(work))
    if workers == 1 or len(work) < 4:
        for item in work:
            yield _inspect_one(item)
        return
    from concurrent.futures import ProcessPoolExecutor

    # One numeric thread a process: more would fight over the same cores.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_inspect_one, work, chunksize=max(1, min(8, len(work) // workers // 4)))


def _inspect_one(item: _Work) -> dict[str, Any]:
    """What is needed to show one recording; a fault of ours or of the disk stays with its file."""
    from ml.inspection import inspect_recording

    paths, country, agent_channel = item
    shown = paths.get("path") or paths["agent_path"]
    try:
        found = inspect_recording(
            path=paths.get("path"),
            agent_path=paths.get("agent_path"),
            customer_path=paths.get("customer_path"),
            country=country,
            agent_channel=agent_channel,
        )
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return {
            "report": {"path": shown, "outcome": "unreadable", "reason": reason},
            "fault": True,
        }
    except Exception as error:
        # Whatever one recording provokes, the others are still heard; the fault is told, not hidden.
        reason = f"analysis failed: {type(error).__name__}: {error}"
        return {
            "report": {"path": shown, "outcome": "unreadable", "reason": reason},
            "fault": True,
        }
    return {
        "report": found.report,
        "fault": False,
        "turns": found.turns,
        "codec": found.codec,
        "notes": found.notes,
    }


def _print_page(page: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.panel import Panel

    report = page["report"]
    outcome = report["outcome"]
    colour = _OUTCOME_COLOURS.get(outcome, "cyan")
    body: RenderableType = report["reason"] if outcome == "unreadable" else _page_body(page, report)
    title = f"[bold {colour}]{outcome}[/] · {escape(Path(str(report['path'])).name)}"
    Console().print(Panel(body, title=title, title_align="left", border_style=colour))


def _page_body(page: dict[str, Any], report: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    answered = report["answered_at_seconds"]
    facts = (
        f"{report['duration_seconds']:.1f} s · {report['sample_rate_hz']} Hz · "
        f"{report['channels']} channel(s) · {page['codec']}\n"
        f"connected: {_yes(report['is_connected'])} · answered: {_yes(report['is_answered'])}"
        + (f" at {answered:.2f} s" if answered is not None else "")
        + f" · rang {report['ring_seconds']:.1f} s · confidence {report['confidence']:.2f}"
    )
    parts: list[RenderableType] = [Text(facts)]
    parts += [Text(f"note: {note}", style="yellow") for note in page["notes"]]
    parts.append(_timeline(page, report))
    evidence = Table("from", "to", "heard", "detail", box=None, padding=(0, 2, 0, 0))
    for item in report["evidence"]:
        evidence.add_row(
            f"{item['start_seconds']:.2f}",
            f"{item['end_seconds']:.2f}",
            item["kind"],
            item["detail"],
        )
    parts.append(evidence)
    speech = report["speech"]
    table = Table(
        "", "talks s", "turns", "longest s", "first s", "emotion", box=None, padding=(0, 2, 0, 0)
    )
    for side in ("agent", "customer"):
        figures, emotion = speech[side], report["emotion"][side]
        if figures is None:
            continue
        first = figures["first_speech_seconds"]
        table.add_row(
            side,
            f"{figures['talk_seconds']:.1f}",
            str(figures["turns"]),
            f"{figures['longest_turn_seconds']:.1f}",
            "–" if first is None else f"{first:.2f}",
            "–" if emotion is None else f"{emotion['label']} (index {emotion['index']:.0f})",
        )
    if table.row_count:
        parts.append(table)
    words = [f"nobody speaks {speech['silence_seconds']:.1f} s"]
    if speech["overlap_seconds"] is not None:
        words.append(f"both speak {speech['overlap_seconds']:.1f} s")
        words.append(f"interruptions {speech['interruptions']}")
    if speech["response_seconds_median"] is not None:
        words.append(f"agent responds after {speech['response_seconds_median']:.2f} s (median)")
    parts.append(Text(" · ".join(words)))
    return Group(*parts)


def _timeline(page: dict[str, Any], report: dict[str, Any]) -> RenderableType:
    """A row a side: █ speech, ♪ music, ~ tones, · nothing."""
    from rich.text import Text

    duration = max(report["duration_seconds"], 1e-3)
    sides = sorted({turn[0] for turn in page["turns"]} | _sides_of(report))
    rows = {side: ["·"] * _COLUMNS for side in sides}

    def draw(side: str, start: float, end: float, mark: str) -> None:
        first = int(start / duration * _COLUMNS)
        last = max(first + 1, round(end / duration * _COLUMNS))
        for column in range(first, min(last, _COLUMNS)):
            rows[side][column] = mark

    for item in report["evidence"]:
        side = item["detail"].split(":", 1)[0]
        if side in rows and item["kind"] != "speech":
            mark = "♪" if item["kind"] in ("music", "colour_ringback") else "~"
            draw(side, item["start_seconds"], item["end_seconds"], mark)
    for side, start, end in page["turns"]:
        draw(side, start, end, "█")
    lines = [f"{side:>9} {''.join(rows[side])}" for side in sides]
    lines.append(f"{'':>9} 0{'':{_COLUMNS - 10}}{duration:>8.1f} s")
    return Text("\n".join(lines), style="cyan")


def _sides_of(report: dict[str, Any]) -> set[str]:
    return {item["detail"].split(":", 1)[0] for item in report["evidence"]}


def _yes(value: bool) -> str:
    return "yes" if value else "no"
