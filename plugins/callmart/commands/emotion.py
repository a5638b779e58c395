"""`callmart emotion`: train, evaluate and apply the three families of emotion models."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ml.emotion.corpus import Corpus

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
    help="Folder for <family>.npz, <family>.json (the card) and evaluation.json.",
)
@_FAMILY
@click.option("--data", help="What the recordings are, for the card; default: the folder's name.")
@click.option("--licence", default="not stated", show_default=True, help="Theirs, for the card.")
@_JSON
def train(
    manifest: Path, out: Path, family: str | None, data: str | None, licence: str, as_json: bool
) -> None:
    """Evaluate by speaker, then train on everybody and save model, card and evaluation.

    The same recordings, settings and library versions give the same model, bit for bit.
    """
    from ml.emotion import training

    corpus = _load(manifest)
    results: dict[str, Any] = {}
    for name in _families(family):
        evaluation = training.evaluate(corpus, name)
        about = training.about(manifest, data, licence)
        model = training.train(corpus, evaluation, about)
        model.save(out)
        results[name] = evaluation.as_dict()
        click.echo(f"{name}: saved {out / name}.npz as {model.version}", err=True)
    saved = out / "evaluation.json"
    earlier = json.loads(saved.read_text(encoding="utf-8")) if saved.is_file() else {}
    text = json.dumps({**earlier, **results}, indent=2) + "\n"
    saved.write_text(text, encoding="utf-8")
    _print_evaluation(results, as_json)


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
    results = {name: training.evaluate(corpus, name).as_dict() for name in _families(family)}
    _print_evaluation(results, as_json)


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
    from ml.emotion import ModelError, describe_sides, load_model
    from ml.emotion.describe import voiced_intervals
    from ml.emotion.model import shipped_model

    try:
        judges = {
            name: load_model(name, models) if models else shipped_model(name)
            for name in _families(family)
        }
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
        signal = recording.signal
        speech = {
            side: voiced_intervals(channel)
            for side, channel in zip(recording.sides, signal, strict=True)
        }
        judged: dict[str, Any] = {}
        for name, model in judges.items():
            sides = describe_sides(
                signal, recording.sampling_rate, speech, recording.sides, name, model
            )
            judged[name] = {
                side: None if verdict is None else verdict.as_facts()
                for side, verdict in sides.items()
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


def _load(manifest: Path) -> Corpus:
    """The corpus, with what was left out said on standard error; exit 1 on a bad manifest."""
    from ml.emotion.corpus import ManifestError, load_corpus

    def show(done: int, total: int) -> None:
        click.echo(f"\r{done}/{total} recordings", nl=done == total, err=True)

    try:
        corpus = load_corpus(manifest, show if sys.stderr.isatty() else None)
    except ManifestError as error:
        raise click.ClickException(str(error)) from error
    for line in corpus.skipped:
        click.echo(f"left out: {line}", err=True)
    return corpus


def _print_evaluation(results: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(results))
        return
    for name, result in results.items():
        click.echo(
            f"{name}: UAR {result['uar']:.3f}, with each speaker's baseline "
            f"{result['uar_speaker_baseline']:.3f}, accuracy {result['accuracy']:.3f} "
            f"({result['n']} recordings, {result['groups']} speakers; "
            f"features {result['features_realtime_factor']:.0f} × real time)"
        )
        width = max(len(label) for label in result["labels"]) + 2
        click.echo(
            "truth".ljust(width) + "".join(f"{label:>{width}}" for label in result["labels"])
        )
        for label, row in zip(result["labels"], result["confusion"], strict=True):
            click.echo(label.ljust(width) + "".join(f"{count:>{width}}" for count in row))


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
