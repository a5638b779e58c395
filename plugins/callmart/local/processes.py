"""Background processes that outlive the command that started them.

A process is remembered in one small file (`run/<name>.json`): its pid and an identity that no other
process can have, so that a pid left over from a crash, a `kill -9` or a reboot and since given to a
stranger is never taken for ours, and never signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

LOG_LIMIT_BYTES = 20 * 2**20
"""A longer log is set aside when its service starts again; the one set aside before goes."""


class ServiceError(Exception):
    """A service did not start or stop; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class User:
    """The account under which a process runs, when it is not our own."""

    name: str
    uid: int
    gid: int


def _identity(pid: int) -> str | None:
    """What tells this process from a later one with the same pid; None if it is not running.

    On Linux the boot and the clock tick of its start, which no change of the clock moves.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if psutil.LINUX:
            # The name in brackets may itself hold blanks and brackets: fields count from its end.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return f"{_boot_id()}:{fields[19]}"
        return f"{process.create_time():.2f}"
    except (psutil.Error, OSError, IndexError):
        return None


def _group(pgid: int) -> list[psutil.Process]:
    """Every live process of a process group."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pgid and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (psutil.Error, OSError):
            continue
    return members


def _lives(process: psutil.Process) -> bool:
    try:
        # A zombie has ended: it waits only for a parent (an init that looks up every few seconds).
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait_for_end(processes: Sequence[psutil.Process], seconds: float) -> None:
    end = time.monotonic() + seconds
    while any(_lives(process) for process in processes) and time.monotonic() < end:
        time.sleep(0.05)


# Kept so that those of our own that ended are reaped, and none is collected with a warning.
_CHILDREN: list[subprocess.Popen[bytes]] = []


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write_file(path: Path, text: str, mode: int) -> None:
    """Write a small file whole or not at all, with `mode` from its first moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.chmod(mode)
    temporary.replace(path)


class Service:
    """One background process with its log and its record.

    Args:
        name: also the name of the log (`logs/<name>.log`) and of the record (`run/<name>.json`).
        home: the folder that holds both.
        stop_signal: the polite request to end.
    """

    def __init__(self, name: str, home: Path, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        self.name = name
        self.log = home / "logs" / f"{name}.log"
        self._record = home / "run" / f"{name}.json"
        self._stop_signal = stop_signal

    def _read_record(self) -> tuple[int, str] | None:
        try:
            record = json.loads(self._record.read_text())
            return int(record["pid"]), str(record["identity"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            # Half a record: written while the machine went down; nothing of ours survived that.
            return None

    @property
    def pid(self) -> int | None:
        """The pid while the process runs, else None."""
        record = self._read_record()
        return record[0] if record and _identity(record[0]) == record[1] else None

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        user: User | None = None,
        working_directory: Path | None = None,
    ) -> None:
        """Start the process in a session of its own, so that Ctrl-C in the terminal spares it.

        Raises:
            ServiceError: the program cannot be run.
        """
        # In a thread, because Python raises Ctrl-C in the main one only: leaving the block waits
        # for the thread, so no interrupt comes between the birth of the process and its record.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(self._spawn, command, environment, user, working_directory).result()

    def _spawn(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        user: User | None,
        working_directory: Path | None,
    ) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.log.chmod(0o600)
            try:
                process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    cwd=working_directory,
                    start_new_session=True,
                    user=user.uid if user else None,
                    group=user.gid if user else None,
                    extra_groups=[] if user else None,
                )
            except OSError as error:
                raise ServiceError(f"{self.name}: {command[0]} cannot be run: {error}") from error
        record = {"pid": process.pid, "identity": _identity(process.pid) or "gone"}
        write_file(self._record, json.dumps(record), mode=0o600)
        _CHILDREN.append(process)

    def wait_until(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Return once `is_ready()` holds; it is asked again every tenth of a second.

        Raises:
            ServiceError: the process ended, or `seconds` passed.
        """
        end = time.monotonic() + seconds
        while not is_ready():
            if self.pid is None:
                raise ServiceError(f"{self.name} ended at once. {self.last_words()}")
            if time.monotonic() > end:
                raise ServiceError(
                    f"{self.name} was not ready within {seconds:.0f} s. {self.last_words()}"
                )
            time.sleep(0.1)

    def last_words(self, lines: int = 12) -> str:
        """The end of the log, for a message to a person."""
        try:
            text = self.log.read_bytes()[-8192:].decode(errors="replace")
        except OSError:
            return ""
        end = "\n".join(text.splitlines()[-lines:])
        return f"The end of {self.log}:\n{end}" if end else f"{self.log} is empty."

    def members(self) -> list[psutil.Process]:
        """The process and all that it started, also where it died and they live on."""
        record = self._read_record()
        if record is None:
            return []
        pid, identity = record
        now = _identity(pid)
        if now is not None and now != identity:
            return []  # the pid is a stranger's now, so the group of this number is as well
        if now is None and psutil.LINUX and not identity.startswith(_boot_id()):
            return []  # the machine was started anew since
        members = {process.pid: process for process in _group(pid)}
        if now is not None:
            with contextlib.suppress(psutil.Error):
                # Some tasks open a session of their own and so leave the group.
                for child in psutil.Process(pid).children(recursive=True):
                    members[child.pid] = child
        return list(members.values())

    def stop(self, seconds: float) -> bool:
        """End the process and all that it started; True if anything had to be ended.

        Politely first; whoever is left after `seconds` is killed.

        Raises:
            ServiceError: a process cannot be signalled (it belongs to another user).
        """
        members = self.members()
        try:
            if self.pid is not None:
                os.kill(self.pid, self._stop_signal)
            else:
                for process in members:
                    process.terminate()
            _wait_for_end(members, seconds)
            # Children born while the parent was ending are found only now.
            left = [process for process in (*members, *self.members()) if _lives(process)]
            for process in left:
                process.kill()
            _wait_for_end(left, seconds)
        except (ProcessLookupError, psutil.NoSuchProcess):
            # It ended by itself between two looks; one more round finds whatever it left.
            return self.stop(seconds)
        except (psutil.AccessDenied, PermissionError) as error:
            raise ServiceError(
                f"{self.name} belongs to another user and was not stopped: {error}"
            ) from error
        self._record.unlink(missing_ok=True)
        for child in _CHILDREN:
            child.poll()
        _CHILDREN[:] = [child for child in _CHILDREN if child.returncode is None]
        return bool(members)
