"""`callmart inspect`: the document it prints, its exit status, and what it does with bad files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scenes
from click.testing import CliRunner, Result

from callmart.cli import main

KEYS = {
    "path",
    "duration_seconds",
    "sample_rate_hz",
    "channels",
    "is_answered",
    "is_connected",
    "outcome",
    "confidence",
    "ring_seconds",
    "answered_at_seconds",
    "evidence",
    "speech",
    "emotion",
}


def run(*arguments: str | Path, text: str | None = None) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)], input=text)


def write(folder: Path, name: str, signal: scenes.Signal, codec: str = "pcm16") -> Path:
    path = folder / name
    path.write_bytes(scenes.encode(signal, codec).data)
    return path


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    scene = scenes.Scene(6.0, 2, -65.0)
    scene.add(1, 0.0, scenes.progress_tone("CN", "busy", 6.0))
    return write(tmp_path, "busy.wav", scene.signal)


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "page.wav"
    path.write_text("<html>502 Bad Gateway</html>\n" * 4, encoding="utf-8")
    return path


def test_json_is_one_list_of_the_contract(busy: Path) -> None:
    result = run("--json", busy)
    assert result.exit_code == 0, result.output
    (report,) = json.loads(result.stdout)
    assert set(report) == KEYS
    assert report["path"] == str(busy)
    assert (report["sample_rate_hz"], report["channels"]) == (8000, 2)
    assert report["duration_seconds"] == 6.0
    assert report["outcome"] == "busy"
    assert (report["is_answered"], report["is_connected"]) == (False, False)
    assert report["answered_at_seconds"] is None
    assert set(report["evidence"][0]) == {"kind", "start_seconds", "end_seconds", "detail"}
    assert set(report["speech"]) == {
        "agent",
        "customer",
        "silence_seconds",
        "overlap_seconds",
        "interruptions",
        "response_seconds_median",
    }
    assert report["speech"]["customer"] == {
        "talk_seconds": 0,
        "turns": 0,
        "longest_turn_seconds": 0.0,
        "first_speech_seconds": None,
    }
    assert report["emotion"] == {"agent": None, "customer": None}


def test_bad_files_stop_nothing_and_are_a_verdict(busy: Path, text_file: Path) -> None:
    empty = busy.with_name("empty.mp3")
    empty.write_bytes(b"")
    result = run("--json", text_file, busy, empty)
    assert result.exit_code == 0
    reports = json.loads(result.stdout)
    assert [r["outcome"] for r in reports] == ["unreadable", "busy", "unreadable"]
    assert set(reports[0]) == {"path", "outcome", "reason"}
    assert "text" in reports[0]["reason"]
    assert "empty" in reports[2]["reason"]


def test_a_missing_path_is_a_fault_after_the_rest_is_done(busy: Path) -> None:
    result = run("--json", busy.with_name("gone.wav"), busy)
    assert result.exit_code == 1
    missing, good = json.loads(result.stdout)
    assert missing["outcome"] == "unreadable"
    assert "cannot be read" in missing["reason"]
    assert good["outcome"] == "busy"


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    paths = []
    for index, kind in enumerate(["busy", "congestion", "ringback", "busy", "invalid_number"] * 2):
        scene = scenes.Scene(7.0, 2, -65.0, index)
        scene.add(1, 0.0, scenes.progress_tone("CN", kind, 7.0))
        paths.append(write(tmp_path, f"{index}.wav", scene.signal))
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join(map(str, paths)), encoding="utf-8")
    result = run("--json", "--jobs", "2", "--files-from", listing)
    assert result.exit_code == 0
    reports = json.loads(result.stdout)
    assert [r["path"] for r in reports] == list(map(str, paths))
    expected = ["busy", "congestion", "no_answer", "busy", "invalid_number"] * 2
    assert [r["outcome"] for r in reports] == expected


def test_two_files_and_country(tmp_path: Path) -> None:
    quiet = write(tmp_path, "c.agent.wav", scenes.noise(9.0, -65.0, 1)[None])
    ring = scenes.progress_tone("DE", "ringback", 9.0) + scenes.noise(9.0, -65.0, 2)
    customer = write(tmp_path, "c.customer.wav", ring[None], "alaw")
    result = run("--json", "--agent", quiet, "--customer", customer, "--country", "DE")
    (report,) = json.loads(result.stdout)
    assert report["outcome"] == "no_answer"
    assert report["channels"] == 2
    assert any("as DE" in item["detail"] for item in report["evidence"])


def test_the_agent_may_be_on_the_other_channel(busy: Path) -> None:
    signal = scenes.Scene(6.0, 2, -65.0)
    signal.add(0, 0.0, scenes.progress_tone("CN", "busy", 6.0))
    path = write(busy.parent, "swapped.wav", signal.signal)
    (report,) = json.loads(run("--json", "--agent-channel", "1", path).stdout)
    assert report["evidence"][0]["detail"].startswith("customer:")


@pytest.mark.parametrize("arguments", [[], ["--agent", "a.wav"], ["--files-from", "gone.txt"]])
def test_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    assert run(*arguments).exit_code == 2


def test_mono_leaves_the_sides_open(tmp_path: Path) -> None:
    path = write(tmp_path, "mono.wav", scenes.noise(4.0, -60.0, 1)[None])
    (report,) = json.loads(run("--json", path).stdout)
    speech = report["speech"]
    assert (speech["agent"], speech["customer"]) == (None, None)
    assert (speech["overlap_seconds"], speech["interruptions"]) == (None, None)
    assert speech["silence_seconds"] == 4.0


def test_a_page_for_a_person(busy: Path, text_file: Path) -> None:
    result = run(busy, text_file)
    assert result.exit_code == 0
    for words in ("busy", "agent", "customer", "450 Hz", "unreadable", "text"):
        assert words in result.stdout
    assert "~" in result.stdout, "no timeline"


def test_numbers_are_plain(busy: Path) -> None:
    """No NaN and no NumPy type slips into the document."""
    document = run("--json", busy).stdout
    assert "NaN" not in document
    assert np.isfinite(json.loads(document)[0]["confidence"])
