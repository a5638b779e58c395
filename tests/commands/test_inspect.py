"""`callmart inspect`: the document it prints, its exit status, and what it does with bad files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
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

CALLMART = [sys.executable, "-c", "from callmart.cli import main; main(prog_name='callmart')"]


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
    assert set(report["speech"]) >= {
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


def test_a_folder_is_searched_and_its_sides_joined(tmp_path: Path) -> None:
    below = tmp_path / "calls" / "dt=2026-11-18"
    below.mkdir(parents=True)
    tone = scenes.progress_tone("CN", "busy", 6.0)
    for name, sound in (
        ("b.1.agent.wav", scenes.noise(6.0, -65.0, 1)),
        ("b.1.customer.wav", tone + scenes.noise(6.0, -65.0, 2)),
        ("c.agent.wav", scenes.noise(6.0, -65.0, 3)),
        ("a.wav", tone),
    ):
        write(below, name, sound[None])
    (below / "notes.txt").write_text("not a recording", encoding="utf-8")
    result = run("--json", tmp_path / "calls")
    assert result.exit_code == 0, result.stderr
    found = {Path(r["path"]).name: (r["outcome"], r["channels"]) for r in json.loads(result.stdout)}
    assert list(found) == ["a.wav", "b.1.agent.wav", "c.agent.wav"]
    assert found["a.wav"] == ("busy", 1)
    assert found["b.1.agent.wav"] == ("busy", 2), "the two sides were not joined"
    assert found["c.agent.wav"][1] == 1
    # Named one by one, each file is an item of its own.
    named = run("--json", below / "b.1.agent.wav", below / "b.1.customer.wav")
    assert [r["channels"] for r in json.loads(named.stdout)] == [1, 1]


def test_paths_that_cannot_be_heard(tmp_path: Path, busy: Path) -> None:
    (tmp_path / "bare").mkdir()
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    result = run("--json", tmp_path / "bare", pipe, busy)
    assert result.exit_code == 1
    bare, fifo, good = json.loads(result.stdout)
    assert "no recording in this folder" in bare["reason"]
    assert "no ordinary file" in fifo["reason"]
    assert good["outcome"] == "busy"


def test_a_path_that_is_no_utf8_comes_back_as_it_was(busy: Path) -> None:
    odd = os.fsencode(busy.parent) + b"/\xb5\xe7\xbb\xb0.wav"
    os.link(busy, odd)
    result = subprocess.run(
        [*CALLMART, "inspect", "--json", odd],
        capture_output=True,
        check=True,
    )
    (report,) = json.loads(result.stdout)
    assert os.fsencode(report["path"]) == odd
    assert report["outcome"] == "busy"
    page = subprocess.run([*CALLMART, "inspect", odd], capture_output=True, check=True)
    assert "450 Hz" in page.stdout.decode()


def test_a_process_that_is_killed_costs_its_file_alone(tmp_path: Path, busy: Path) -> None:
    """The whole command, with a codec that crashes on one file of five."""
    crash = tmp_path / "crash.wav"
    crash.write_bytes(busy.read_bytes())
    others = [tmp_path / f"{number}.wav" for number in range(4)]
    for path in others:
        path.write_bytes(busy.read_bytes())
    (tmp_path / "code").mkdir()
    # Loaded by every interpreter before anything else; it stands in for a fault in a C library.
    (tmp_path / "code" / "sitecustomize.py").write_text(
        "import io, os, signal, sys\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('crash.wav'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook)\n",
        encoding="utf-8",
    )
    paths = [others[0], crash, *others[1:]]
    result = subprocess.run(
        [*CALLMART, "inspect", "--json", "--jobs", "2", *map(str, paths)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "code")},
        check=False,
    )
    assert result.returncode == 1, result.stderr
    reports = json.loads(result.stdout)
    assert [r["path"] for r in reports] == list(map(str, paths))
    assert [r["outcome"] for r in reports] == ["busy", "unreadable", "busy", "busy", "busy"]
    assert "SIGKILL" in reports[1]["reason"]


def test_ctrl_c_ends_it_with_a_whole_document(tmp_path: Path, busy: Path) -> None:
    """Stopped in the middle: what was heard is a valid list, no traceback, no process left."""
    stuck = tmp_path / "stuck.wav"
    stuck.write_bytes(busy.read_bytes())
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('stuck.wav'):\n"
        f"        open({str(tmp_path / 'reached')!r}, 'w').write(str(os.getpid()))\n"
        "        os.kill(int(os.environ['STARTER']), signal.SIGUSR1)\n"
        "        signal.pause()\n"
        "sys.addaudithook(hook)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "code"), "STARTER": str(os.getpid())}
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        process = subprocess.Popen(
            [*CALLMART, "inspect", "--json", "--jobs", "1", str(busy), str(stuck), str(busy)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert signal.sigtimedwait([signal.SIGUSR1], 120) is not None, "never reached the file"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    assert process.returncode == 130
    assert [r["outcome"] for r in json.loads(stdout)] == ["busy"]
    assert "stopped: 1 of 3" in stderr
    assert "Traceback" not in stderr
    worker = int((tmp_path / "reached").read_text(encoding="utf-8"))
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == "zombie"


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


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--agent", "a.wav"],
        ["--files-from", "gone.txt"],
        ["a.wav", "b.wav", "--plot", "one.png"],
        ["a.wav", "--plot", "picture.jpg"],
    ],
)
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
    assert "\x1b" not in result.stdout, "colours in a pipe"
    assert "2 recordings · 1 busy · 1 unreadable" in result.stderr


def test_numbers_are_plain(busy: Path) -> None:
    """No NaN and no NumPy type slips into the document."""
    document = run("--json", busy).stdout
    assert "NaN" not in document
    assert np.isfinite(json.loads(document)[0]["confidence"])
