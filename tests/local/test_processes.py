"""Background processes: found again, never mistaken, ended with all that they started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from callmart.local import processes
from callmart.local.processes import Service, ServiceError, write_file

# Starts a child that ignores the polite signal and says when it is ready; then both wait for good.
STUBBORN_FAMILY = """
import subprocess, sys, threading
subprocess.Popen([sys.executable, "-c",
    "import signal, sys, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "open(sys.argv[1], 'w').write('ready'); threading.Event().wait()", sys.argv[1]])
threading.Event().wait()
"""


def alive(processes: list[psutil.Process]) -> list[int]:
    found = []
    for process in processes:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service("family", tmp_path)
    yield service
    service.stop(seconds=0)


def start_family(service: Service, ready: Path) -> list[psutil.Process]:
    service.start([sys.executable, "-c", STUBBORN_FAMILY, str(ready)], os.environ)
    service.wait_until(lambda: ready.exists() and ready.read_text() == "ready", seconds=60)
    return service.members()


def test_stop_ends_a_child_that_ignores_the_polite_signal(service: Service, tmp_path: Path) -> None:
    family = start_family(service, tmp_path / "ready")
    assert len(family) == 2

    assert service.stop(seconds=0.2) is True

    assert alive(family) == []
    assert service.pid is None
    assert service.stop(seconds=0.2) is False


def test_children_of_a_killed_parent_are_found_by_a_later_command(
    service: Service, tmp_path: Path
) -> None:
    family = start_family(service, tmp_path / "ready")
    parent = service.pid
    assert parent is not None
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)

    later = Service("family", tmp_path)

    assert later.pid is None
    assert {p.pid for p in later.members()} == {p.pid for p in family} - {parent}
    assert later.stop(seconds=0.2) is True
    assert alive(family) == []


def test_a_pid_given_to_a_stranger_is_neither_ours_nor_stopped(
    service: Service, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as stranger:
        (tmp_path / "run").mkdir()
        record = {"pid": stranger.pid, "identity": "another boot:12345"}
        (tmp_path / "run" / "family.json").write_text(json.dumps(record))

        assert service.pid is None
        assert service.stop(seconds=5) is False
        assert stranger.poll() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "identity": "y"}', "{}"])
def test_half_a_record_means_not_running(service: Service, tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "family.json").write_text(content)

    assert service.pid is None
    assert service.stop(seconds=0) is False


def test_a_service_that_ends_at_once_is_an_error_with_its_last_words(service: Service) -> None:
    service.start([sys.executable, "-c", "raise SystemExit('no bread today')"], os.environ)

    with pytest.raises(ServiceError, match=r"(?s)family ended at once.*no bread today"):
        service.wait_until(lambda: False, seconds=60)


def test_a_program_that_is_not_there_is_an_error(service: Service) -> None:
    with pytest.raises(ServiceError, match="family: /no/such/program cannot be run"):
        service.start(["/no/such/program"], os.environ)
    assert service.pid is None


def test_the_log_is_for_the_owner_alone(service: Service, tmp_path: Path) -> None:
    start_family(service, tmp_path / "ready")

    assert service.log.stat().st_mode & 0o777 == 0o600


def test_a_long_log_is_set_aside_at_the_next_start(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LOG_LIMIT_BYTES", 10)
    service.log.parent.mkdir()
    service.log.write_text("more than ten bytes")

    start_family(service, tmp_path / "ready")

    assert service.log.read_text() == ""
    assert service.log.with_suffix(".log.1").read_text() == "more than ten bytes"


def test_write_file_replaces_whole_and_sets_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text("old and longer")
    path.chmod(0o644)

    write_file(path, "new", mode=0o600)

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
