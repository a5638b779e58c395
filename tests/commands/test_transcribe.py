"""`callmart transcribe`: a page for people, the contract's transcript for programs."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models as tiny
from click.testing import CliRunner, Result

from callmart.cli import main
from callmart.commands.transcribe import transcribe
from ml.transcripts import read_transcript


def voice(path: Path) -> Path:
    """Two sides of harmonic voices, which voice activity takes for speech; pitch of 400 Hz."""
    rate, generator = 8000, np.random.default_rng(7)
    time = np.arange(rate * 12) / rate

    def side(pitch: float, turns: list[tuple[int, int]]) -> Any:
        swing = 2 * np.pi * pitch * time + 2 * np.sin(2 * np.pi * 2.3 * time)
        harmonics = sum(np.sin(k * swing) / k for k in range(1, 16))
        loudness = np.clip(np.sin(2 * np.pi * 3.7 * time) + 0.3, 0, None)
        spoken = sum(((time >= a) & (time < b)).astype(float) for a, b in turns)
        return 4000 * harmonics * loudness * spoken + generator.normal(0, 8, time.size)

    frames = np.column_stack([side(210, [(0, 3), (7, 9)]), side(120, [(4, 6), (10, 11)])])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.clip(-32000, 32000).astype("<i2").tobytes())
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(transcribe, list(arguments))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    tiny.make_whisper(tmp_path / "models" / "whisper")
    return tmp_path / "models"


def test_the_document_is_a_transcript_of_the_contract(tmp_path: Path, models: Path) -> None:
    call = voice(tmp_path / "out-7.wav")
    result = run("--models", str(models), "--json", str(call))
    assert result.exit_code == 0, result.output
    [item] = json.loads(result.stdout)

    transcript = read_transcript(json.dumps(item).encode(), "whatever.json")

    assert transcript.call_id == "out-7"
    assert [segment.role for segment in transcript.segments] == [
        "agent",
        "customer",
        "agent",
        "customer",
    ]
    assert {segment.text for segment in transcript.segments} == {"good morning"}
    starts = [(segment.start_ms or 0) / 1000 for segment in transcript.segments]
    assert starts == [pytest.approx(second, abs=0.4) for second in (0, 4, 7, 10)]
    assert (transcript.language, transcript.problems) == ("zh", ())
    cost = item["cost"]
    assert cost["language_found"] == "heard"
    assert cost["duration_seconds"] == 12.0
    assert 6 < cost["speech_seconds"] < 11
    assert cost["realtime_factor"] == pytest.approx(
        cost["duration_seconds"] / cost["processing_seconds"], rel=0.1
    )


def test_the_page_shows_who_said_what_when(tmp_path: Path, models: Path) -> None:
    result = run("--models", str(models), "--language", "en", str(voice(tmp_path / "c.wav")))
    assert result.exit_code == 0
    head, first, second, *_ = result.stdout.splitlines()
    assert head.startswith(f"{tmp_path / 'c.wav'}: en · faster-whisper ")
    assert "× real time" in head
    assert first.split() == ["00:00.0", "agent", "good", "morning"]
    assert second.split()[1:] == ["customer", "good", "morning"]


def test_the_other_channel_may_be_the_agent(tmp_path: Path, models: Path) -> None:
    call = voice(tmp_path / "c.wav")
    result = run("--models", str(models), "--agent-channel", "1", "--json", str(call))
    [item] = json.loads(result.stdout)
    assert [segment["role"] for segment in item["segments"]][:2] == ["customer", "agent"]


def test_a_file_that_cannot_be_read_stops_nothing(tmp_path: Path, models: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"")
    result = run(
        "--models", str(models), "--json",
        str(tmp_path / "broken.wav"), str(tmp_path / "none.wav"), str(voice(tmp_path / "c.wav")),
    )  # fmt: skip
    assert result.exit_code == 1
    broken, missing, good = json.loads(result.stdout)
    assert broken == {"path": str(tmp_path / "broken.wav"), "error": "the file is empty"}
    assert missing["error"] == "No such file or directory"
    assert good["segments"]


def test_without_a_model_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CALLMART_SPEECH_MODELS", raising=False)
    result = run(str(voice(tmp_path / "c.wav")))
    assert result.exit_code == 1
    assert "callmart doctor" in result.stderr
    monkeypatch.setenv("CALLMART_SPEECH_MODELS", str(tmp_path / "nowhere"))
    result = run(str(tmp_path / "c.wav"))
    assert result.exit_code == 1
    assert "is not a folder" in result.stderr


def test_a_model_that_cannot_be_used_is_told(tmp_path: Path, models: Path) -> None:
    (tiny.make_sense_voice(models / "sense") / "tokens.txt").unlink()
    result = run("--models", str(models), str(voice(tmp_path / "c.wav")))
    assert result.exit_code == 0
    assert "sense: tokens.txt is missing" in result.stderr


def test_it_is_among_the_commands() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert "transcribe" in result.stdout
