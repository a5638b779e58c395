"""From the paths a person names to one result a recording, whatever is wrong with a path."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callmart.listening.workers import Death, run_each

if TYPE_CHECKING:
    from ml.inspection import Inspection


@dataclass(frozen=True)
class Source:
    """One recording to be heard: a file, or a file a side."""

    path: Path
    """The file; of the two-file form the agent's side."""
    customer_path: Path | None = None
    country: str | None = None
    agent_channel: int = 0
    fault: str | None = None
    """Known before it is opened: why there is nothing to hear."""
    picture: Path | None = None
    """Where it is drawn to."""
    picture_language: str = "en"
    picture_is_dark: bool = False


@dataclass(frozen=True)
class Heard:
    """What came of one recording."""

    report: dict[str, Any]
    """Its item of `callmart inspect --json`."""
    is_fault: bool = False
    """It could not be heard for a reason that is not in the sound: path, rights, a program's death."""
    inspection: Inspection | None = None
    """All that is known; None after a fault."""
    warnings: tuple[str, ...] = ()
    """About its picture."""


def is_folder(path: Path) -> bool:
    """Whether it is a folder; False also where that cannot be told (rights, a name too long)."""
    try:
        return path.is_dir()
    except OSError:
        return False


def expand_folder(folder: Path) -> list[Source]:
    """The recordings below a folder, by name; `x.agent.wav` and `x.customer.wav` are one of them.

    A folder that cannot be read, or holds none, is one source with a fault.
    """
    from callmart.landing.errors import FileError
    from callmart.landing.mappings import RECORDING_EXTENSIONS, split_media_name

    refused: list[OSError] = []
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refused.append):
        folders.sort()
        found += [Path(parent, name) for name in sorted(names)]
    sources: list[Source] = [
        Source(Path(error.filename or folder), fault=_unreadable_path(error)) for error in refused
    ]
    sides: dict[tuple[Path, str], dict[str, Path]] = {}
    placed: list[tuple[tuple[Path, str], Path]] = []
    for path in found:
        try:
            call_id, side, _ = split_media_name(path.name, RECORDING_EXTENSIONS)
        except FileError:
            continue
        key = (path.parent, call_id)
        placed.append((key, path))
        if side != "both":
            sides.setdefault(key, {}).setdefault(side, path)
    for key, path in placed:
        pair = sides.get(key, {})
        if len(pair) < 2 or path not in pair.values():
            sources.append(Source(path))
        elif path == pair["agent"]:
            sources.append(Source(path, customer_path=pair["customer"]))
    if not sources:
        known = ", ".join(f".{extension}" for extension in RECORDING_EXTENSIONS)
        return [Source(folder, fault=f"no recording in this folder ({known})")]
    return sources


def hear(source: Source) -> Heard:
    """Hear one recording, and draw it where that is wanted; nothing it provokes goes further."""
    from ml.inspection import inspect_recording

    if source.fault is not None:
        return _failed(source, source.fault)
    try:
        for path in filter(None, (source.path, source.customer_path)):
            kind = path.stat().st_mode
            if stat.S_ISDIR(kind):
                return _failed(source, f"cannot be read: {path} is a folder")
            if not stat.S_ISREG(kind):  # a pipe or a device has no end, and cannot be read twice
                return _failed(source, f"cannot be read: {path} is no ordinary file")
        single = source.customer_path is None
        found = inspect_recording(
            path=source.path if single else None,
            agent_path=None if single else source.path,
            customer_path=source.customer_path,
            country=source.country,
            agent_channel=source.agent_channel,
        )
    except Exception as error:
        named = {None, str(source.path), str(source.customer_path)}
        if isinstance(error, OSError) and error.filename in named:
            return _failed(source, _unreadable_path(error))
        # Whatever one recording provokes, the others are still heard; the fault is told, not hidden.
        return _failed(source, f"analysis failed: {type(error).__name__}: {error}")
    heard = Heard(found.report, inspection=found)
    if source.picture is None or found.report["outcome"] == "unreadable":
        return heard
    return _drawn(source, source.picture, heard, found)


def _drawn(source: Source, path: Path, heard: Heard, found: Inspection) -> Heard:
    from callmart.listening import drawing

    try:
        recording = drawing.load(source.path, source.customer_path, source.agent_channel)
        picture = drawing.draw(
            found,
            recording,
            name=shown(source),
            language=source.picture_language,
            is_dark=source.picture_is_dark,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.png)
    except OSError as error:
        warning = f"{path}: cannot be written: {error.strerror or error}"
        return replace(heard, warnings=(warning,), is_fault=True)
    except Exception as error:
        warning = f"{path}: drawing failed: {type(error).__name__}: {error}"
        return replace(heard, warnings=(warning,), is_fault=True)
    return replace(heard, warnings=picture.warnings)


def hear_all(
    sources: Sequence[Source], jobs: int, on_done: Callable[[Heard], None]
) -> Iterator[Heard]:
    """Every source heard, in order; `on_done` as each is done. One alone needs no other process."""
    if len(sources) == 1:
        heard = hear(sources[0])
        on_done(heard)
        yield heard
        return

    def tell(result: Heard | Death) -> None:
        on_done(Heard({"outcome": "unreadable"}) if isinstance(result, Death) else result)

    preload = ("ml.inspection", "ml.emotion", "callmart.listening.hearing")
    results = run_each(hear, sources, min(jobs, len(sources)), preload, tell)
    for source, result in zip(sources, results, strict=True):
        yield _failed(source, result.reason) if isinstance(result, Death) else result


def shown(source: Source, is_whole: bool = False) -> str:
    """A recording's name, or its whole path, for a person: bytes that are no UTF-8 become marks."""
    paths = [path for path in (source.path, source.customer_path) if path is not None]
    names = " + ".join(str(path) if is_whole else path.name for path in paths)
    return os.fsencode(names).decode("utf-8", "replace")


def _failed(source: Source, reason: str) -> Heard:
    report = {"path": str(source.path), "outcome": "unreadable", "reason": reason}
    return Heard(report, is_fault=True)


def _unreadable_path(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"
