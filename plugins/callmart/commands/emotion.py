"""`callmart emotion`: train, evaluate and apply the three families of emotion models."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ml.emotion.corpus import Corpus, RowFault
    from ml.emotion.model import EmotionModel
    from ml.emotion.training import Evaluation

_MANIFEST = click.option(
    "--manifest",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV with the columns path,speaker,label; paths relative to it.",
)
_FAMILY = click.option(
    "--family", type=click.Choice(["pca", "neural", "gmm"]), help="One family; default: all three."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.group()
def emotion() -> None:
    """Train, evaluate and apply emotion models (angry, happy, neutral, sad)."""


@emotion.command()
@_MANIFEST
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for <family>.npz, <family>.json (the card), evaluation.json, gate.json and "
    "COMPARISON.md.",
)
@_FAMILY
@click.option("--data", help="What the recordings are, for the card; default: the folder's name.")
@click.option("--licence", default="not stated", show_default=True, help="Theirs, for the card.")
@_JSON
def train(
    manifest: Path, out: Path, family: str | None, data: str | None, licence: str, as_json: bool
) -> None:
    """Evaluate by speaker, then train on everybody; save models, cards and a page comparing them.

    The same recordings, settings and library versions give the same models, bit for bit. Each is
    held against the model in force; nothing is put in force by this (see `emotion promote`).
    """
    from ml.emotion import ModelError, training
    from ml.emotion.corpus import ManifestError

    try:
        trained = training.train_families(
            manifest, out, _families(family), data, licence, _in_force(), _progress()
        )
    except (ManifestError, ModelError) as error:
        raise click.ClickException(str(error)) from error
    _show_left_out(manifest, trained.faults)
    for name, candidate in trained.candidates.items():
        verdict = candidate.verdict
        click.echo(f"{name}: saved {out / name}.npz as {candidate.version}", err=True)
        click.echo(
            f"{name}: {'passes' if verdict.passes else 'does NOT pass'} the gate against "
            f"{verdict.compared_with}: {verdict.reason}",
            err=True,
        )
    _print_evaluation([each.evaluation for each in trained.candidates.values()], as_json)


@emotion.command()
@_MANIFEST
@click.option(
    "--groups",
    type=click.Choice(["speaker"]),
    default="speaker",
    show_default=True,
    help="The column whose values are held out whole.",
)
@_FAMILY
@_JSON
def evaluate(manifest: Path, groups: str, family: str | None, as_json: bool) -> None:
    """Grouped cross-validation: nothing of a held-out speaker is seen in training."""
    from ml.emotion import training

    corpus = _load(manifest)
    _print_evaluation([training.evaluate(corpus, name) for name in _families(family)], as_json)


@emotion.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@_FAMILY
@click.option(
    "--models",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of models of your own; default: those that come with callmart.",
)
@_JSON
def predict(files: Sequence[Path], family: str | None, models: Path | None, as_json: bool) -> None:
    """Judge recordings by every family (or one), by side and by segment."""
    from ml.audio.decode import UnreadableAudio, decode
    from ml.emotion import ModelError, describe_families, load_model
    from ml.emotion.describe import voiced_intervals
    from ml.emotion.model import shipped_model

    try:
        load = shipped_model if models is None else partial(load_model, folder=models)
        judges = {name: load(name) for name in _families(family)}
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    items: list[dict[str, Any]] = []
    for path in files:
        try:
            recording = decode(path)
        except (UnreadableAudio, OSError) as error:
            items.append({"path": str(path), "error": str(error)})
            click.echo(f"{path}: not readable: {error}", err=True)
            continue
        samples, sides = recording.samples, recording.sides
        speech = {side: voiced_intervals(samples[place]) for place, side in enumerate(sides)}
        described = describe_families(samples, recording.sampling_rate, speech, sides, judges)
        judged = {
            name: {
                side: described[side][name].as_facts() if side in described else None
                for side in sides
            }
            for name in judges
        }
        items.append({"path": str(path), "emotion": judged})
    if as_json:
        click.echo(json.dumps(items, ensure_ascii=False))
    else:
        _print_verdicts(items)
    if any("error" in item for item in items):
        raise SystemExit(1)


def _families(family: str | None) -> list[str]:
    from ml.emotion import FAMILIES

    return [family] if family else list(FAMILIES)


@emotion.command()
@click.argument("version")
@click.option("--force", is_flag=True, help="Also where the gate said no.")
def promote(version: str, force: bool) -> None:
    """Put a model that train_emotion_model proposed in force.

    VERSION as `emotion models` shows it; shipped:FAMILY goes back to the model that comes with
    callmart. Every recording is heard again under the new version; the facts of the old one stay.
    """
    import getpass

    import psycopg

    from callmart.recordings.emotion_models import promote as put_in_force
    from callmart.settings import Settings

    try:
        said = put_in_force(Settings.from_environment(), version, getpass.getuser(), force)
    except (LookupError, ValueError, psycopg.Error) as error:
        raise click.ClickException(str(error.args[0] if error.args else error)) from error
    click.echo(said)


@emotion.command()
@_JSON
def models(as_json: bool) -> None:
    """The models that were trained in this warehouse, with the gate's verdicts, newest first."""
    import psycopg

    from callmart.recordings.emotion_models import list_models
    from callmart.settings import Settings

    try:
        found = list_models(Settings.from_environment())
    except (ValueError, psycopg.Error) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(found, default=str, ensure_ascii=False, indent=1))
        return
    for row in found:
        gate = "passed the gate" if row["passes_gate"] else "did not pass the gate"
        click.echo(
            f"{row['model_version']}  {row['status']}  {row['corpus']}: UAR {row['uar']:.3f}"
            f" ({row['uar_low']:.3f} to {row['uar_high']:.3f}), n {row['n']},"
            f" {row['speakers']} speakers; {gate}: {row['gate_reason']}"
        )


def _in_force() -> dict[str, EmotionModel]:
    """The models that judge now, by family; one that cannot be used is named and left out."""
    from ml.emotion import ModelError
    from ml.emotion.model import shipped_model

    models = {}
    for name in _families(None):
        try:
            models[name] = shipped_model(name)
        except ModelError as error:
            click.echo(f"no {name} model in force: {error}", err=True)
    return models


def _progress() -> Callable[[int, int], None] | None:
    def show(done: int, total: int) -> None:
        click.echo(f"\r{done}/{total} recordings", nl=done == total, err=True)

    return show if sys.stderr.isatty() else None


def _show_left_out(manifest: Path, faults: Sequence[RowFault]) -> None:
    for fault in faults:
        click.echo(f"left out: {manifest}: {fault}", err=True)


def _load(manifest: Path) -> Corpus:
    """The corpus, with what was left out said on standard error; exit 1 on a bad manifest."""
    from ml.emotion.corpus import ManifestError, load_corpus

    try:
        corpus = load_corpus(manifest, _progress())
    except ManifestError as error:
        raise click.ClickException(str(error)) from error
    _show_left_out(manifest, corpus.faults)
    return corpus


def _print_evaluation(evaluations: Sequence[Evaluation], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({each.family: each.as_dict() for each in evaluations}))
        return
    first = evaluations[0]
    chance = 1 / len(first.labels)
    click.echo(
        f"{len(first.truth)} recordings by {len(set(first.speakers))} speakers, each judged by a "
        f"model that never heard its speaker. Guessing gives UAR {chance:.3f}."
    )
    click.echo(f"Features: {first.realtime_factor:.0f} × real time. Intervals are of 95 %.")
    rows = [["", *(each.family for each in evaluations)]]
    intervals = [each.intervals() for each in evaluations]
    names = ["UAR", *(f"recall of {label}" for label in first.labels)]
    for place, name in enumerate(names, start=-1):
        cells = []
        for each, (low, high) in zip(evaluations, intervals, strict=True):
            table = each.confusion()
            recall = table[place, place] / table[place].sum()
            value = each.uar if place < 0 else recall
            cells.append(f"{value:.3f} ({low[place]:.3f}–{high[place]:.3f})")
        rows.append([name, *cells])
    for name, figure in (
        ("UAR with each speaker's baseline", "speaker_baseline_uar"),
        ("calibration error", "calibration_error"),
    ):
        rows.append([name, *(f"{getattr(each, figure):.3f}" for each in evaluations)])
    accuracies = [float((each.truth == each.guesses).mean()) for each in evaluations]
    rows.append(["accuracy", *(f"{value:.3f}" for value in accuracies)])
    _print_table(rows)
    for each in evaluations:
        click.echo(f"\n{each.family}: truth in rows, judgement in columns")
        counts = zip(each.labels, each.confusion().tolist(), strict=True)
        _print_table([["", *each.labels], *([label, *map(str, row)] for label, row in counts)])


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        click.echo("  ".join(cells).rstrip())


def _print_verdicts(items: Sequence[dict[str, Any]]) -> None:
    for item in items:
        if "error" in item:
            continue
        for name, sides in item["emotion"].items():
            for side, verdict in sides.items():
                head = f"{item['path']}  {side}  {name}:"
                if verdict is None:
                    click.echo(f"{head} too little speech")
                    continue
                share = verdict["probabilities"][verdict["label"]]
                click.echo(
                    f"{head} {verdict['label']} ({share:.0%}), index {verdict['index']:.0f} "
                    f"(start {verdict['start_index']:.0f}, end {verdict['end_index']:.0f}, "
                    f"peak {verdict['peak_index']:.0f}), {verdict['speech_seconds']:.0f} s of voice"
                )
