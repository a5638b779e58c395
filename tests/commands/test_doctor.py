"""`callmart doctor`: says what is missing, and how to get it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from click.testing import CliRunner

from callmart.commands import doctor
from callmart.commands.doctor import Finding


def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, dict[str, Any]]]:
    monkeypatch.setenv("CALLMART_HOME", str(home))
    result = CliRunner().invoke(doctor.doctor, ["--json"])
    return result.exit_code, {item["name"]: item for item in json.loads(result.stdout)}


def speech(folder: Path | None) -> list[Finding]:
    return list(doctor._speech(folder))


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
        "Speech models",
        "Speech model",
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
    monkeypatch.setattr(doctor, "examine", lambda *_: iter([font]))

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


def test_without_speech_models_every_known_one_is_named_with_size_and_licence() -> None:
    first, *known = speech(None)
    assert first.state == "optional"
    assert "has_transcript" in first.detail
    assert "CALLMART_SPEECH_MODELS" in first.remedy
    assert len(known) == 4
    for item in known:
        assert " MB)" in item.detail
        assert "licence: " in item.remedy
        assert "files " in item.remedy


def test_the_speech_models_that_lack_are_those_of_a_language_that_none_speaks(
    tmp_path: Path,
) -> None:
    tiny_models.make_transducer(tmp_path / "zipformer-en")
    there, lacking, *known = speech(tmp_path)
    assert (there.state, there.detail) == ("ok", "zipformer-en (en)")
    assert lacking.detail == "none for zh"
    assert str(tmp_path) in lacking.remedy
    assert [item.detail.split("/")[0].split("-")[0] for item in known] == [
        "sherpa",
        "sherpa",
        "faster",
    ]
    tiny_models.make_whisper(tmp_path / "whisper")
    assert [item.state for item in speech(tmp_path)] == ["ok"]


def test_a_broken_speech_model_is_named(tmp_path: Path) -> None:
    folder = tiny_models.make_sense_voice(tmp_path / "sense")
    (folder / "tokens.txt").unlink()
    assert speech(tmp_path)[0].detail == "sense: tokens.txt is missing"
    [first, *_] = speech(tmp_path / "none")
    assert first.detail.endswith("none is not a folder")
    assert first.remedy.startswith("mkdir -p ")
