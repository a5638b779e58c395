"""What all benchmarks share: their list, their options, the machine, the peers' environment."""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import os
import pkgutil
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")
PEERS = Path(__file__).with_name("peers")
"""Programs that run in the peers' environment; they import nothing of callmart."""

_REQUIRED = ("name", "n", "seconds", "peer", "ratio", "goal")
_COLUMNS = ("date", "benchmark", "n", "seconds", "figures", "peer", "ratio", "goal", "machine")
_RESULTS_HEAD = f"""# Results

Appended by `make benchmark`, the newest last. Ratios compare within one run; seconds of different
machines and days do not.

| {" | ".join(_COLUMNS)} |
|{"---|" * len(_COLUMNS)}
"""


class BenchmarkError(Exception):
    """A benchmark cannot run here; `str()` says what is missing and how to get it."""


class OptionError(ValueError):
    """An option that a benchmark does not have, or a value it cannot use."""


def names() -> list[str]:
    """The benchmarks there are: every module of the package but this one; packages are helpers."""
    import benchmarks

    return sorted(
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if not module.ispkg and module.name != "frame" and not module.name.startswith("_")
    )


def describe(name: str) -> tuple[str, dict[str, str]]:
    """First line of a benchmark's docstring, and its options (name → what it means)."""
    module = importlib.import_module(f"benchmarks.{name}")
    return (module.__doc__ or "").strip().splitlines()[0], dict(module.OPTIONS)


def parse_options(pairs: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """`key=value` texts → a dictionary. Raises `OptionError` for another form or unknown key."""
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise OptionError(f"{pair!r} is not of the form key=value")
        if key not in known:
            raise OptionError(f"no option {key!r}; there are: {', '.join(known) or 'none'}")
        options[key] = value
    return options


def run(name: str, pairs: Iterable[str] = ()) -> dict[str, Any]:
    """Run one benchmark by its name.

    Returns what it found, with `machine` added. Raises `KeyError` for a name that is none,
    `OptionError` for a faulty option, `BenchmarkError` where it cannot run.
    """
    if name not in names():
        raise KeyError(name)
    module = importlib.import_module(f"benchmarks.{name}")
    found: dict[str, Any] = module.run(parse_options(pairs, module.OPTIONS))
    missing = [key for key in _REQUIRED if key not in found]
    if missing:
        raise RuntimeError(f"benchmarks.{name} gave no {', '.join(missing)}")
    return {**found, "machine": machine()}


def machine() -> dict[str, Any]:
    """What the figures were measured on; nothing that names the machine itself."""
    import numpy as np

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        "memory_gb": round(memory / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"


def use_one_thread() -> None:
    """One numeric thread in this process and its children, if set before NumPy is imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def peer_python() -> Path:
    """The interpreter of the peers' environment, `benchmark` inside callmart's own.

    It is made from requirements/benchmark.txt (every package with its hash) when it is missing or
    made from another list. Raises `BenchmarkError` with pip's words when that fails.
    """
    lock = PROJECT / "requirements" / "benchmark.txt"
    home = Path(sys.prefix) / "benchmark"
    python, stamp = home / "bin" / "python", home / ".installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two benchmarks at once make it once
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return python
        stamp.unlink(missing_ok=True)
        _call([sys.executable, "-m", "venv", str(home)])
        installer = PROJECT / "requirements" / "install.py"
        _call([str(python), str(installer), "benchmark"])
        stamp.write_text(wanted, encoding="utf-8")
    return python


def call_peer(script: str, arguments: Sequence[str] = (), given: Any = None) -> Any:
    """Run `benchmarks/peers/<script>` in the peers' environment and read its JSON.

    `given` is handed to it as JSON on standard input. Raises `BenchmarkError` with its words.
    """
    command = [str(peer_python()), str(PEERS / script), *arguments]
    return json.loads(_call(command, json.dumps(given)))


def _call(command: list[str], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")
    return done.stdout


def record(found: Mapping[str, Any], path: Path = RESULTS, day: date | None = None) -> None:
    """Append one result to the dated table, which is begun where there is none."""
    if not path.exists():
        path.write_text(_RESULTS_HEAD, encoding="utf-8")
    where = found["machine"]
    cells = {
        "date": (day or datetime.now(UTC).date()).isoformat(),
        "benchmark": found["name"],
        "n": found["n"],
        "seconds": _shown(found["seconds"]),
        "figures": figures(found),
        "peer": found["peer"],
        "ratio": _shown(found["ratio"]),
        "goal": found["goal"],
        "machine": f"{where['cores']} × {where['processor']}, {where['memory_gb']:.0f} GB, "
        f"Python {where['python']}",
    }
    row = " | ".join(str(cells[column]).replace("|", "/") for column in _COLUMNS)
    with path.open("a", encoding="utf-8") as table:
        table.write(f"| {row} |\n")


def figures(found: Mapping[str, Any]) -> str:
    """A benchmark's own plain figures in one line; what is nested is left to the JSON."""
    return " · ".join(
        f"{key} {_shown(value)}"
        for key, value in found.items()
        if key not in _REQUIRED and isinstance(value, bool | int | float | str)
    )


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
