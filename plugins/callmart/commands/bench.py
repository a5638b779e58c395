"""`callmart bench`: measure callmart beside its peers, in one run."""

from __future__ import annotations

import json
import sys
from typing import Any

import click


@click.command()
@click.argument("name", required=False)
@click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the benchmark; may be given again.",
)
@click.option("--all", "everything", is_flag=True, help="Run every benchmark.")
@click.option("--record", is_flag=True, help="Append the results to benchmarks/RESULTS.md.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def bench(
    ctx: click.Context,
    name: str | None,
    options: tuple[str, ...],
    everything: bool,
    record: bool,
    as_json: bool,
) -> None:
    """Run the benchmark NAME; without a name, list what there is to measure.

    Each is measured beside its peer in the same run; the ratio is what can be compared. Peers that
    callmart does not use itself are installed into an environment of their own the first time.
    """
    try:
        from benchmarks import frame
    except ModuleNotFoundError as error:
        if error.name != "benchmarks":
            raise
        raise click.ClickException("benchmarks/ is part of the source tree, not here") from error

    # Before NumPy is first imported: every figure is that of one core unless it says otherwise.
    frame.use_one_thread()
    if everything and (name or options):
        raise click.UsageError("--all takes neither a name nor options")
    if name is None and not everything:
        _list(as_json)
        return
    if name is not None and name not in frame.names():
        raise click.UsageError(f"no benchmark {name!r}; there are: {', '.join(frame.names())}")

    results: list[dict[str, Any]] = []
    failed = False
    for chosen in frame.names() if name is None else [name]:
        click.echo(f"{chosen} …", err=True)
        try:
            found = frame.run(chosen, options)
        except frame.OptionError as error:
            raise click.UsageError(str(error)) from error
        except frame.BenchmarkError as error:
            click.echo(f"{chosen}: {error}", err=True)
            failed = True
            continue
        results.append(found)
        if record:
            frame.record(found)
        if not as_json:
            _print(found)
    if as_json and (results or everything):
        click.echo(json.dumps(results if everything else results[0], ensure_ascii=False, indent=2))
    if failed:
        sys.exit(1)


def _list(as_json: bool) -> None:
    """Names with what they measure and take."""
    from benchmarks import frame

    known = {name: frame.describe(name) for name in frame.names()}
    if as_json:
        listed = [
            {"name": name, "measures": measures, "options": options}
            for name, (measures, options) in known.items()
        ]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    for name, (measures, options) in known.items():
        click.echo(f"{name:<14} {measures}")
        for key, meaning in options.items():
            click.echo(f"{'':<14}   -o {key}=…  {meaning}")


def _print(found: dict[str, Any]) -> None:
    """A benchmark's figures, nested ones indented."""
    from benchmarks import frame

    click.echo(f"{found['name']}: {found['n']} in {found['seconds']:.2f} s")
    click.echo(f"  {frame.figures(found)}")
    for key, value in found.items():
        if isinstance(value, dict | list) and key != "machine":
            click.echo(f"  {key}: {json.dumps(value, ensure_ascii=False)}")
    ratio = "–" if found["ratio"] is None else f"{found['ratio']:.4g}"
    click.echo(f"  against {found['peer']}: {ratio}; goal: {found['goal']}")
    click.echo(f"  {json.dumps(found['machine'], ensure_ascii=False)}")
