"""`callmart doctor`: says what is missing, and how to get it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from callmart.commands import doctor
from callmart.commands.doctor import Finding


def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, dict[str, Any]]]:
    monkeypatch.setenv("CALLMART_HOME", str(home))
    result = CliRunner().invoke(doctor.doctor, ["--json"])
    return result.exit_code, {item["name"]: item for item in json.loads(result.stdout)}


def test_looks_at_everything_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, findings = run(tmp_path / "home", monkeypatch)

    assert {
        "Python",
        "Packages",
        "PostgreSQL",
        "Ports",
        "Disk",
        "Memory",
        "Chinese font",
        "Locale",
        "Browser",
    } == set(findings)
    assert all(item["remedy"] for item in findings.values() if item["state"] != "ok")
    assert findings["Python"]["state"] == "ok"
    assert findings["PostgreSQL"]["detail"].startswith("18.")
    assert not (tmp_path / "home").exists()


def test_a_package_of_another_version_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements" / "runtime.txt"
    lock.parent.mkdir()
    lock.write_text(
        "click==0.0.1 \\\n    --hash=sha256:00\n"
        "no-such-package==1.0 \\\n    --hash=sha256:00\n"
        "windows-only==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    monkeypatch.setattr(doctor, "PROJECT_ROOT", tmp_path)

    code, findings = run(tmp_path / "home", monkeypatch)

    assert code == 1
    packages = findings["Packages"]
    assert packages["state"] == "missing"
    assert "click" in packages["detail"]
    assert "instead of ==0.0.1" in packages["detail"]
    assert "no-such-package is missing" in packages["detail"]
    assert "windows-only" not in packages["detail"]
    assert packages["remedy"] == "make setup"


def test_a_missing_font_is_no_failure_but_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    font = Finding("Chinese font", "optional", "none", "apt install fonts-noto-cjk")
    monkeypatch.setattr(doctor, "examine", lambda home: iter([font]))

    result = CliRunner().invoke(doctor.doctor)

    assert result.exit_code == 0
    assert "optional" in result.stdout
    assert "apt install fonts-noto-cjk" in result.stdout


@pytest.mark.parametrize(
    ("look", "free", "state"),
    [
        (doctor._disk, 2999, "missing"),
        (doctor._disk, 3000, "ok"),
    ],
)
def test_too_little_disk(
    look: Callable[[Path], Finding],
    free: int,
    state: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)

    assert look(tmp_path / "not" / "yet").state == state
