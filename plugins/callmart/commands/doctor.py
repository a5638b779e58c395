"""`callmart doctor`: what this machine lacks for callmart, and how to get it."""

from __future__ import annotations

import json
import locale
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import click

from callmart import fonts
from callmart.settings import PROJECT_ROOT, Settings

# 278 packages take 1.1 GB; the database, logs and a demo day under 1 GB.
_DISK_MB = 3000
# Airflow's components take 1.1 GB, the database 0.3 GB, four tasks up to 0.3 GB each.
_MEMORY_MB = 3000


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    state: str
    """ok; missing (callmart does not work without); optional (one named thing does not)."""
    detail: str
    remedy: str = ""


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("Python", "ok", version)
    return Finding(
        "Python", "missing", f"{version}, needed 3.11 to 3.13", "make setup PYTHON=python3.12"
    )


def _packages() -> Finding:
    """The installed versions against the lock."""
    lock = PROJECT_ROOT / "requirements" / "runtime.txt"
    if not lock.exists():
        return Finding("Packages", "optional", f"{lock} is not there to compare with")
    from packaging.requirements import Requirement

    wrong = []
    count = 0
    for line in lock.read_text().splitlines():
        match = re.match(r"([A-Za-z0-9][^\\]*?)\s*\\?$", line)
        if not match:
            continue
        requirement = Requirement(match[1])
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        count += 1
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} {installed} instead of {requirement.specifier}")
    if wrong:
        shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        return Finding("Packages", "missing", shown, "make setup")
    return Finding("Packages", "ok", f"all {count} as pinned")


def _fonts() -> Finding:
    """A font with Chinese characters, for charts, pictures and PDFs."""
    font = fonts.chinese_font()
    if font is not None:
        return Finding("Chinese font", "ok", font)
    return Finding("Chinese font", "optional", "none; reports would show boxes", fonts.REMEDY)


def _database() -> Finding:
    """Whether the PostgreSQL of the wheel runs here, and as whom."""
    from callmart.local.postgres import programs, unprivileged_user
    from callmart.local.processes import ServiceError

    try:
        user = unprivileged_user()
        postgres = programs() / "bin" / "postgres"
        ran = subprocess.run(
            [str(postgres), "--version"], capture_output=True, text=True, check=True
        )
    except ServiceError as error:
        return Finding("PostgreSQL", "missing", str(error), "useradd --system postgres; make setup")
    except (OSError, subprocess.CalledProcessError) as error:
        return Finding("PostgreSQL", "missing", f"does not run here: {error}", "make setup")
    as_whom = f"as {user.name}, since we are root" if user else "as you"
    return Finding("PostgreSQL", "ok", f"{ran.stdout.strip().split()[-1]}, runs {as_whom}")


def _ports(home: Path) -> Finding:
    """Loopback ports: those remembered must be ours or free."""
    from callmart.local.ports import find_free_port, is_free
    from callmart.local.stack import Stack

    stack = Stack(home)
    running = {service["name"] for service in stack.status()["services"] if service["is_running"]}
    names = {"airflow": "airflow-api"}
    taken = [
        f"{port} ({name})"
        for name, port in stack.ports().items()
        if names.get(name, name) not in running and not is_free(port)
    ]
    if taken:
        return Finding(
            "Ports", "ok", f"{', '.join(taken)} taken by a stranger; others will be chosen"
        )
    try:
        find_free_port(*stack.port_range())
    except OSError as error:
        return Finding("Ports", "missing", str(error), "widen ports in local/stack.yaml")
    known = ", ".join(str(port) for port in stack.ports().values())
    return Finding("Ports", "ok", known or "free ones are there")


def _disk(home: Path) -> Finding:
    folder = next(parent for parent in (home, *home.parents) if parent.exists())
    free = shutil.disk_usage(folder).free // 2**20
    if free < _DISK_MB:
        return Finding("Disk", "missing", f"{free} MB free at {folder}", f"free {_DISK_MB} MB")
    return Finding("Disk", "ok", f"{free // 1024} GB free")


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available // 2**20
    detail = f"{free} MB available, {os.cpu_count()} cores"
    if free < _MEMORY_MB:
        return Finding("Memory", "missing", detail, f"{_MEMORY_MB} MB are needed")
    return Finding("Memory", "ok", detail)


def _locale() -> Finding:
    encoding = locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") == "utf8":
        return Finding("Locale", "ok", encoding)
    return Finding(
        "Locale", "optional", f"{encoding}: Chinese may not show here", "export LC_ALL=C.UTF-8"
    )


def _browser() -> Finding:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return Finding("Browser", "ok", path)
    return Finding(
        "Browser", "optional", "no chromium; only tests of pages use it", "apt install chromium"
    )


def _speech(folder: Path | None) -> Iterator[Finding]:
    """Speech models: those that are there, what is wrong with others, and which to get."""
    from ml.transcripts.recognisers import RecogniserError, known_models, usable_models

    if folder is None:
        wanted = "set CALLMART_SPEECH_MODELS to a folder and put one of these into it"
    else:
        wanted = f"put one of these into {folder}"
    try:
        models, faults = usable_models(folder)
    except RecogniserError as error:
        yield Finding("Speech models", "optional", str(error), f"mkdir -p {folder}")
        models, faults = [], []
    for fault in faults:
        name = f"{fault.folder.name}: {fault.reason}"
        yield Finding("Speech model", "optional", name, "mend the folder or take it away")
    if models:
        there = [f"{model.name} ({', '.join(model.languages)})" for model in models]
        yield Finding("Speech models", "ok", "; ".join(there))
    lacking = [name for name in ("zh", "en") if not any(model.speaks(name) for model in models)]
    if not lacking:
        return
    if models:
        detail = f"none for {' and '.join(lacking)}"
    else:
        detail = "none: a call without a delivered transcript has none (has_transcript)"
    yield Finding("Speech models", "optional", detail, wanted)
    for known in known_models():
        if not {"*", *lacking} & set(known.languages):
            continue
        languages = "any language" if "*" in known.languages else ", ".join(known.languages)
        yield Finding(
            "Speech model",
            "optional",
            f"{known.folder}/ ({languages}; {known.megabytes} MB): {known.good_for}",
            f"from {known.source}; files {', '.join(known.files)}; licence: {known.licence}",
        )


def examine(home: Path, speech_models: Path | None = None) -> Iterator[Finding]:
    """Look at one thing after the other."""
    yield _python()
    yield _packages()
    yield _database()
    yield _ports(home)
    yield _disk(home)
    yield _memory()
    yield _fonts()
    yield _locale()
    yield _browser()
    yield from _speech(speech_models)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(as_json: bool) -> None:
    """Say what this machine lacks for callmart and how to get it; exit 1 if it cannot work."""
    settings = Settings.from_environment()
    findings = list(examine(settings.home, settings.speech_models))
    if as_json:
        click.echo(json.dumps([asdict(item) for item in findings], ensure_ascii=False, indent=1))
    else:
        marks = {"ok": "ok", "missing": "MISSING", "optional": "optional"}
        for item in findings:
            click.echo(f"{marks[item.state]:<9} {item.name:<13} {item.detail}")
            if item.remedy:
                click.echo(f"{'':<23} → {item.remedy}")
    if any(item.state == "missing" for item in findings):
        sys.exit(1)
