"""`callmart transcribe`: recognise the speech of recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callmart.settings import Settings

if TYPE_CHECKING:
    from ml.transcripts.recognition import Recognition, Transcriber


@click.command()
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    help="The folder of speech models; default: CALLMART_SPEECH_MODELS.",
)
@click.option("--language", help="ISO 639-1, e.g. zh; default: found out.")
@click.option(
    "--agent-channel",
    type=click.IntRange(0, 1),
    default=0,
    show_default=True,
    help="Which channel of a stereo file is the agent.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Cores; default: the setting.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list on standard output.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.pass_context
def transcribe(
    ctx: click.Context,
    models: Path | None,
    language: str | None,
    agent_channel: int,
    threads: int | None,
    as_json: bool,
    files: tuple[Path, ...],
) -> None:
    """Write down what is said in recordings.

    With --json one item a recording: a transcript in the contract's form, with `path` and `cost`
    beside it, or `{path, error}`.

    Exit status: 0 done, 1 there is no model or a recording could not be read, 2 wrong usage.
    """
    from ml.transcripts.recognisers import RecogniserError, usable_models
    from ml.transcripts.recognition import Transcriber

    settings = Settings.from_environment()
    try:
        usable, faults = usable_models(models or settings.speech_models)
        for fault in faults:
            click.echo(f"{fault.folder}: {fault.reason}", err=True)
        transcriber = Transcriber(usable, threads or settings.speech_threads)
    except RecogniserError as error:
        click.echo(str(error), err=True)
        ctx.exit(1)
    items = []
    is_whole = True
    for path in files:
        try:
            recognition = _recognise(transcriber, path, agent_channel, language)
        except (OSError, ValueError, RecogniserError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            click.echo(f"{path}: {reason}", err=True)
            items.append({"path": str(path), "error": reason or type(error).__name__})
            is_whole = False
            continue
        if as_json:
            items.append(_item(path, recognition))
        else:
            click.echo(_page(path, recognition))
    if as_json:
        click.echo(json.dumps(items, ensure_ascii=False, indent=1))
    if not is_whole:
        ctx.exit(1)


def _recognise(
    transcriber: Transcriber, path: Path, agent_channel: int, language: str | None
) -> Recognition:
    """Hear who speaks when, then what is said. Raises UnreadableAudioError for what is no sound."""
    from dataclasses import replace

    from ml.audio import decode
    from ml.inspection import inspect_recording
    from ml.transcripts import call_id_of

    recording = decode(path)
    if agent_channel == 1:
        recording = replace(recording, samples=recording.samples[::-1])
    inspection = inspect_recording(path, agent_channel=agent_channel, with_emotion=False)
    return transcriber.transcribe(call_id_of(path.name), recording, inspection.turns, language)


def _item(path: Path, recognition: Recognition) -> dict[str, Any]:
    from ml.transcripts.recognition import as_document

    factor = recognition.realtime_factor
    return {
        "path": str(path),
        **as_document(recognition.transcript),
        "problems": list(recognition.transcript.problems),
        "cost": {
            "language_found": recognition.language_found,
            "duration_seconds": round(recognition.duration_seconds, 3),
            "speech_seconds": round(recognition.speech_seconds, 3),
            "processing_seconds": round(recognition.processing_seconds, 3),
            "cpu_seconds": round(recognition.cpu_seconds, 3),
            "realtime_factor": None if factor is None else round(factor, 1),
        },
    }


def _page(path: Path, recognition: Recognition) -> str:
    """One recording for people: who said what, when; what it took."""
    transcript = recognition.transcript
    factor = recognition.realtime_factor
    head = [transcript.language or "language unknown", transcript.engine or "no model"]
    if factor is not None:
        head.append(
            f"{recognition.speech_seconds:.1f} s of speech in"
            f" {recognition.processing_seconds:.1f} s, {factor:.1f} × real time"
        )
    lines = [f"{path}: {' · '.join(head)}"]
    for segment in transcript.segments:
        start = (segment.start_ms or 0) / 1000
        minutes, seconds = divmod(start, 60)
        lines.append(f"  {minutes:02.0f}:{seconds:04.1f} {segment.role or '?':<9} {segment.text}")
    if not transcript.segments:
        lines.append("  nothing understood")
    lines += [f"  ({problem})" for problem in transcript.problems]
    return "\n".join(lines)
