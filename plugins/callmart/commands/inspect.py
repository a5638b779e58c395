"""`callmart inspect`: hear recordings and say what became of the calls."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmart.listening.hearing import Heard, Source, expand_folder, hear_all, is_folder, shown
from callmart.listening.wording import languages, length, load_words

if TYPE_CHECKING:
    from rich.console import Console


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
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw the recording; for several, a folder/ or a name with {name} in it.",
)
@click.option("--dark", is_flag=True, help="Draw on a dark ground.")
@click.option(
    "--lang",
    type=click.Choice(languages()),
    default="en",
    show_default=True,
    help="Language of page and picture.",
)
def inspect(
    files: tuple[Path, ...],
    agent: Path | None,
    customer: Path | None,
    country: str | None,
    list_file: Path | None,
    agent_channel: int,
    jobs: int | None,
    as_json: bool,
    plot: Path | None,
    dark: bool,
    lang: str,
) -> None:
    """Say what became of each call, who spoke when, and how they felt.

    FILES are recordings, or folders that are searched for them; in a folder x.agent.wav and
    x.customer.wav are one recording of two sides.

    A file without sound gets the verdict `unreadable` with the reason, and the rest goes on. A
    path that cannot be read is reported the same way, and the exit status is 1.

    \b
    callmart inspect call.wav --plot call.png
    callmart inspect recordings/ --json > heard.json
    """
    if (agent is None) != (customer is None):
        raise click.UsageError("--agent and --customer belong together")
    sources: list[Source] = []
    for path in [*files, *_read_list(list_file)]:
        sources += expand_folder(path) if is_folder(path) else [Source(path)]
    sources = [replace(source, agent_channel=agent_channel) for source in sources]
    if agent is not None and customer is not None:
        sources.append(Source(agent, customer_path=customer))
    if not sources:
        raise click.UsageError("name at least one recording")
    sources = [replace(source, country=country) for source in sources]
    if plot is not None:
        pictures = _picture_paths(plot, sources)
        sources = [
            replace(source, picture=picture, picture_language=lang, picture_is_dark=dark)
            for source, picture in zip(sources, pictures, strict=True)
        ]

    run = _Run(sources, jobs or _cores(), lang)
    try:
        failed = run.as_json() if as_json else run.as_pages()
    except KeyboardInterrupt:
        said = load_words(lang)["summary"]["stopped"]
        click.echo(said.format(done=run.done, count=len(sources)), err=True)
        sys.exit(130)  # as a shell says of a program that Ctrl-C ended
    if failed:
        sys.exit(1)


def _cores() -> int:
    """Those that this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read_list(list_file: Path | None) -> list[Path]:
    if list_file is None:
        return []
    try:
        text = (
            sys.stdin.read() if str(list_file) == "-" else list_file.read_text(encoding="utf-8-sig")
        )
    except OSError as error:
        raise click.UsageError(f"--files-from {list_file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"--files-from {list_file}: byte {error.start} is not UTF-8; a list has one path a line"
        ) from error
    if "\0" in text:
        raise click.UsageError(f"--files-from {list_file}: not a text file")
    return [Path(line.strip()) for line in text.splitlines() if line.strip()]


def _picture_paths(plot: Path, sources: list[Source]) -> list[Path]:
    """Where each recording is drawn to. Raises UsageError for one file name for several."""
    is_many = is_folder(plot) or str(plot).endswith("/") or not plot.suffix
    if is_many:
        plot = plot / "{name}.png"
    if plot.suffix.lower() != ".png":
        raise click.UsageError(f"--plot {plot}: a picture's name ends in .png")
    if "{name}" not in plot.name:
        if len(sources) > 1:
            raise click.UsageError(
                f"--plot {plot}: one picture for {len(sources)} recordings; name a folder "
                "(pictures/) or a pattern (pictures/{name}.png)"
            )
        return [plot]
    used: Counter[str] = Counter()
    paths = []
    for source in sources:
        stem = source.path.name
        if source.customer_path is not None:
            stem = stem.replace(".agent.", ".")
        stem = Path(stem).stem
        used[stem] += 1
        stem += f"-{used[stem]}" if used[stem] > 1 else ""
        paths.append(plot.with_name(plot.name.replace("{name}", stem)))
    return paths


@dataclass
class _Run:
    """Hearing all sources: the printing, the progress and the count."""

    sources: list[Source]
    jobs: int
    language: str
    done: int = 0
    audio_seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    warnings: set[str] = field(default_factory=set)

    def as_json(self) -> bool:
        """One list on standard output, item by item; whether anything failed.

        Each item is written when it and all before it are done, so that a list of any length
        needs no memory; it is closed also where Ctrl-C ends it, and is then a shorter list.
        """
        failed = False
        separator = "["
        try:
            with self._progress(None) as count:
                for heard in hear_all(self.sources, self.jobs, count):
                    failed = failed or heard.is_fault
                    self._warn(heard)
                    click.echo(separator + "\n" + _item(heard.report), nl=False)
                    separator = ","
        finally:
            click.echo("[]" if separator == "[" else "\n]")
        return failed

    def as_pages(self) -> bool:
        """A page a recording; whether anything failed."""
        from rich.console import Console

        from callmart.listening import page

        words = load_words(self.language)
        console = Console(highlight=False, soft_wrap=False)
        failed = False
        with self._progress(console) as count:
            results = hear_all(self.sources, self.jobs, count)
            for source, heard in zip(self.sources, results, strict=True):
                failed = failed or heard.is_fault
                name = shown(source, is_whole=heard.is_fault)
                name = name.encode(console.encoding, "replace").decode(console.encoding)
                if heard.inspection is None:
                    drawn = page.render_unreadable(name, heard.report["reason"], words)
                else:
                    drawn = page.render(name, heard.inspection, words, console.width)
                if console.options.ascii_only:
                    with console.capture() as captured:
                        console.print(drawn)
                    text = captured.get().translate(page.PLAIN)
                    click.echo(text.encode(console.encoding, "replace"), nl=False)
                else:
                    console.print(drawn)
                self._warn(heard)
        return failed

    def _count(self, heard: Heard) -> None:
        self.done += 1
        self.outcomes[heard.report["outcome"]] += 1
        self.audio_seconds += heard.report.get("duration_seconds") or 0.0

    def _warn(self, heard: Heard) -> None:
        """On standard error; what holds for many recordings is said once."""
        for warning in heard.warnings:
            if warning not in self.warnings:
                self.warnings.add(warning)
                click.echo(warning, err=True)

    @contextmanager
    def _progress(self, pages: Console | None) -> Iterator[Callable[[Heard], None]]:
        """What to call as each is done: it counts, and moves a bar where a person looks on.

        The bar goes to standard error. Where the pages go to a terminal, it is drawn by their
        console, for two writers to one screen would overwrite each other. Behind several
        recordings there is a line of what they were.
        """
        if len(self.sources) < 2:
            yield self._count
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        began = time.monotonic()
        console = pages if pages is not None and pages.is_terminal else Console(stderr=True)
        bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=console is pages,
            disable=not console.is_terminal or console.options.ascii_only,
        )
        task = bar.add_task("", total=len(self.sources))

        def count(heard: Heard) -> None:
            self._count(heard)
            speed = self._speed(time.monotonic() - began)
            bar.update(task, completed=self.done, description=speed)

        with bar:
            yield count
        seconds = time.monotonic() - began
        summary = load_words(self.language)["summary"]
        commonest = sorted(self.outcomes, key=lambda outcome: (-self.outcomes[outcome], outcome))
        parts = [
            summary["recordings"].format(count=self.done),
            *(f"{self.outcomes[outcome]} {outcome}" for outcome in commonest),
            summary["took"].format(seconds=length(seconds)),
            self._speed(seconds),
        ]
        click.echo(" · ".join(parts), err=True)

    def _speed(self, seconds: float) -> str:
        speed: str = load_words(self.language)["summary"]["speed"]
        seconds = max(seconds, 1e-3)
        return speed.format(
            files=f"{self.done / seconds:.1f}", factor=f"{self.audio_seconds / seconds:,.0f}"
        )


def _item(report: dict[str, Any]) -> str:
    """One item of the list; a path that is no UTF-8 is written in escapes, so that it can be read."""
    text = json.dumps(report, ensure_ascii=False, indent=2)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(report, indent=2)
    return textwrap.indent(text, "  ")
