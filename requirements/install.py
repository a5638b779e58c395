"""Install the pinned packages and callmart itself into this interpreter's environment.

Shows one moving line instead of pip's several hundred; if pip fails, all that it said.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def install(arguments: list[str], label: str, total: int | None = None) -> None:
    """Run `pip install`; ends the program with pip's own words when it fails."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    pip = subprocess.Popen(
        [*command, "--progress-bar", "off", *arguments],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said, seen = [], 0
    moving = sys.stdout.isatty()
    if not moving:
        print(label, flush=True)
    for line in pip.stdout or ():
        said.append(line)
        if re.match(r"Collecting |Requirement already satisfied", line):
            seen += 1
        if moving:
            state = f"{min(seen, total)} of {total} found" if total else ""
            if line.startswith("Installing collected"):
                state = "unpacking"
            print(f"\r\033[K{label} {state}", end="", flush=True)
    if moving:
        print("\r\033[K", end="", flush=True)
    if pip.wait() != 0:
        sys.exit("".join(said) + f"\n{label}: pip failed, see above")


def main(name: str = "dev") -> None:
    """Packages first, exactly those of the lock; then callmart, linked to this folder.

    Any lock but the default one is installed alone, for an environment beside callmart's.
    """
    lock = PROJECT / "requirements" / f"{name}.txt"
    total = len(re.findall(r"^[a-zA-Z0-9]", lock.read_text(), flags=re.MULTILINE))
    install(
        ["--require-hashes", "--no-deps", "-r", str(lock)],
        f"Installing {total} packages (some minutes the first time)",
        total,
    )
    if name == "dev":
        install(["--no-deps", "--no-build-isolation", "--editable", "."], "Linking callmart")


if __name__ == "__main__":
    main(*sys.argv[1:])
