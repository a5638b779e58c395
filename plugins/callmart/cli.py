"""The `callmart` command.

Commands are loaded when they are called, so that `callmart inspect` does not pay for Airflow,
dbt or pandas. One file a command in `callmart.commands`.
"""

from __future__ import annotations

import importlib
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from callmart.settings import Settings

# command name → ("module:attribute", one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("callmart.commands.demo:demo", "Run the main job on a demo day or on a folder."),
    "up": ("callmart.commands.stack:up", "Start the embedded stack."),
    "down": ("callmart.commands.stack:down", "Stop the embedded stack."),
    "status": ("callmart.commands.stack:status", "Say what runs, and how far the data are."),
    "psql": ("callmart.commands.stack:psql", "Open the warehouse in psql."),
    "doctor": ("callmart.commands.doctor:doctor", "Say what this machine lacks, how to get it."),
    "requeue": ("callmart.commands.requeue:requeue", "Drive quarantined items again."),
    "report": ("callmart.commands.report:report", "Make one report by hand."),
    "inspect": ("callmart.commands.inspect:inspect", "Hear recordings: outcome, speech, emotion."),
    "emotion": ("callmart.commands.emotion:emotion", "Train, evaluate and apply emotion models."),
    "phrases": ("callmart.commands.phrases:phrases", "Find prohibited and missing phrases."),
    "transcribe": (
        "callmart.commands.transcribe:transcribe",
        "Recognise the speech of recordings.",
    ),
    "rules": ("callmart.commands.rules:rules", "Check phrase rules."),
    "sources": ("callmart.commands.sources:sources", "Check source mappings, try them."),
    "search": ("callmart.commands.search:search", "Find what was said in all transcripts."),
    "weights": ("callmart.commands.weights:weights", "Learn weights from outcomes, propose them."),
    "replay": ("callmart.commands.replay:replay", "Compute a past range under other versions."),
    "review": ("callmart.commands.review:review", "Phrase hits to inspectors, verdicts back."),
    "roles": ("callmart.commands.roles:roles", "Say who reads the marts, and let people in."),
    "bench": ("callmart.commands.bench:bench", "Measure callmart beside its peers."),
}


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module_name, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module_name), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="callmart")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Joins dialler, CRM and recordings of a call centre in a warehouse and hands the result back.

    Exit status: 0 done, 1 the work failed, 2 wrong usage.
    """
    if ctx.invoked_subcommand in ("up", "demo"):
        ctx.with_resource(interruptible())
    if ctx.invoked_subcommand not in ("up", "down", "status", "demo", "doctor"):
        _use_embedded_stack()


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, the end of the terminal or a `kill` is cleaned up after just as Ctrl-C is."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _use_embedded_stack() -> None:
    """Take the variables that `callmart up` wrote, where the shell names no warehouse of its own."""
    if "CALLMART_WAREHOUSE_DSN" in os.environ:
        return
    file = Settings.from_environment().home / "env"
    if file.exists():
        for word in shlex.split(file.read_text(encoding="utf-8"), comments=True):
            name, _, value = word.partition("=")
            os.environ.setdefault(name, value)
