"""`callmart rules`: check a rule file, try it on a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ml.phrases import Hit, RuleSet
    from ml.transcripts import Segment

_RULE_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_COLOURS = {"critical": "red", "major": "yellow", "minor": "cyan"}


@click.group()
def rules() -> None:
    """Check phrase rules, try them on a sentence."""


def _load(ctx: click.Context, path: Path, as_json: bool) -> RuleSet:
    """The rules of a file; ends the command with status 1 when they are refused."""
    from ml.phrases import RulesRefusedError, load_rules

    try:
        return load_rules(path.read_bytes())
    except RulesRefusedError as refused:
        if as_json:
            errors = [error.as_item() for error in refused.errors]
            click.echo(json.dumps({"ok": False, "errors": errors}, ensure_ascii=False, indent=1))
        for error in refused.errors:
            click.echo(f"{path}: {error}", err=True)
        ctx.exit(1)


@rules.command()
@click.argument("file", type=_RULE_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def check(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Say whether FILE would be taken, else every fault with its line and column.

    Exit status: 0 taken, 1 refused, 2 wrong usage.
    """
    found = _load(ctx, file, as_json)
    if as_json:
        click.echo(json.dumps({"ok": True, "errors": []}))
    else:
        click.echo(f"{file}: version {found.version}, {len(found.rules)} rules, no fault")


@rules.command()
@click.argument("file", type=_RULE_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def propose(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Enter FILE under its version, so that `callmart replay --rules N` can try it on the past.

    It judges nothing until such a replay is promoted; the same file again changes nothing.
    Exit status: 0 entered, 1 refused, or its version is another set, 2 wrong usage.
    """
    import psycopg

    from callmart.replay import RuleFileError, propose_rules
    from callmart.settings import Settings

    _load(ctx, file, as_json)
    try:
        number = propose_rules(Settings.from_environment(), file)
    except (RuleFileError, psycopg.Error, ValueError) as error:
        raise click.ClickException(str(error).strip()) from error
    if as_json:
        click.echo(json.dumps({"version": number}))
    else:
        click.echo(f"{file} is rules version {number}: callmart replay --rules {number} …")


@rules.command("try")
@click.argument("file", type=_RULE_FILE)
@click.option("--text", "texts", multiple=True, required=True, help="A turn; may be repeated.")
@click.option(
    "--role",
    type=click.Choice(["agent", "customer"]),
    help="Who says it; without it both sides are tried.",
)
@click.option("--language", help="The language of the text, such as zh or en-US.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def try_rules(
    ctx: click.Context,
    file: Path,
    texts: tuple[str, ...],
    role: str | None,
    language: str | None,
    as_json: bool,
) -> None:
    """Show what the rules of FILE find in a text, highlighted.

    Required phrases are not reported as missing: a few turns are no call.
    """
    from ml.phrases import Matcher
    from ml.transcripts import TranscriptError, read_transcript

    matcher = Matcher(_load(ctx, file, as_json).rules)
    hits: list[Hit] = []
    for side in ("agent", "customer") if role is None else (role,):
        document = {
            "call_id": "text",
            "language": language,
            "segments": [{"role": side, "text": text} for text in texts],
        }
        try:
            transcript = read_transcript(json.dumps(document).encode(), "text.json")
        except TranscriptError as error:
            raise click.ClickException(str(error)) from error
        for hit in matcher.find(transcript, is_connected=True):
            # A rule for any side finds the same on both.
            seen = {(h.rule_id, h.segment_index, h.char_start, h.char_end) for h in hits}
            place = (hit.rule_id, hit.segment_index, hit.char_start, hit.char_end)
            if hit.kind == "prohibited" and place not in seen:
                hits.append(hit)
    if as_json:
        click.echo(json.dumps([hit.as_item() for hit in hits], ensure_ascii=False, indent=1))
        return
    for segment in transcript.segments:
        click.echo(_highlight(segment, hits))
    for hit in hits:
        click.echo(f"  {hit.rule_id} ({hit.severity}, {hit.points:g} points): {hit.text!r}")
    if not hits:
        click.echo("  nothing found")


def _highlight(segment: Segment, hits: list[Hit]) -> str:
    """The segment's text with what was found in colour (brackets where colours are taken out)."""
    colours: list[str | None] = [None] * len(segment.text)
    for hit in hits:
        if hit.segment_index is None or hit.char_start is None or hit.char_end is None:
            continue
        last = hit.segment_index if hit.segment_end_index is None else hit.segment_end_index
        if not hit.segment_index <= segment.index <= last:
            continue
        low = hit.char_start if segment.index == hit.segment_index else 0
        high = hit.char_end if segment.index == last else len(segment.text)
        for place in range(low, high):
            colours[place] = _COLOURS[hit.severity]
    parts: list[str] = []
    start = 0
    for place in range(1, len(colours) + 1):
        if place == len(colours) or colours[place] != colours[start]:
            piece = segment.text[start:place]
            colour = colours[start]
            parts.append(
                click.style(f"[{piece}]", fg=colour, bold=True) if colour is not None else piece
            )
            start = place
    return "".join(parts)
