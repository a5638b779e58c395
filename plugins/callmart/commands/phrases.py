"""`callmart phrases`: hold transcripts against a rule file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.command()
@click.option(
    "--rules",
    "rules_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The rule file (YAML).",
)
@click.option(
    "--connected",
    type=click.Choice(["yes", "no"]),
    help="Whether the calls were connected, where a transcript does not say.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.argument(
    "transcripts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRANSCRIPT…"
)
@click.pass_context
def phrases(
    ctx: click.Context,
    rules_path: Path,
    connected: str | None,
    as_json: bool,
    transcripts: tuple[Path, ...],
) -> None:
    """Find prohibited phrases, and missing ones, in transcripts.

    Exit status: 0 done, 1 the rules were refused or a transcript could not be read, 2 wrong usage.
    """
    from ml.phrases import Matcher, RulesRefusedError, load_rules
    from ml.transcripts import TranscriptError, read_transcript

    try:
        matcher = Matcher(load_rules(rules_path.read_bytes()).rules)
    except RulesRefusedError as refused:
        for error in refused.errors:
            click.echo(f"{rules_path}: {error}", err=True)
        if as_json:
            errors = [error.as_item() for error in refused.errors]
            click.echo(json.dumps({"ok": False, "errors": errors}, ensure_ascii=False))
        ctx.exit(1)
    is_connected = None if connected is None else connected == "yes"

    items: list[dict[str, Any]] = []
    is_whole = True
    for path in transcripts:
        try:
            transcript = read_transcript(path.read_bytes(), path.name)
        except (TranscriptError, OSError) as error:
            is_whole = False
            reason = error.strerror if isinstance(error, OSError) else str(error)
            items.append({"path": str(path), "error": reason or type(error).__name__})
            click.echo(f"{path}: {reason}", err=True)
            continue
        hits = matcher.find(transcript, is_connected)
        items.extend(hit.as_item() for hit in hits)
        if not as_json:
            for problem in transcript.problems:
                click.echo(f"{path}: {problem}", err=True)
    if as_json:
        click.echo(json.dumps(items, ensure_ascii=False, indent=1))
    else:
        for item in items:
            if "error" not in item:
                click.echo(_line(item))
    if not is_whole:
        ctx.exit(1)


def _line(item: dict[str, Any]) -> str:
    """One hit for people: call, time, side, rule, quote."""
    seconds = "" if item["start_ms"] is None else f" {item['start_ms'] / 1000:.1f} s"
    side = item["role"] or "unknown side"
    head = f"{item['call_id']}{seconds} {side}: {item['rule_id']} ({item['severity']})"
    if item["kind"] == "missing":
        return f"{head} missing"
    quote = " … ".join(str(item["text"]).splitlines())
    place = f"segment {item['segment_index']}, {item['char_start']}–{item['char_end']}"
    return f"{head} “{quote}” ({place})"
