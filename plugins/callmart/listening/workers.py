"""Many items over several processes: results in order, and none lost when a process dies.

`concurrent.futures` fails every open item when one worker is killed, and does not say which item
killed it. Here each worker has a pipe of its own and one item at a time, so a death is that item's.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 64
"""Results kept back, a process, until those before them are done: a slow file stalls nobody."""


@dataclass(frozen=True)
class Death:
    """In the place of a result: the process ended while it worked on this item."""

    exit_code: int | None
    """As of `multiprocessing`: −9 for a process that SIGKILL ended."""

    @property
    def reason(self) -> str:
        """For a person, with what usually causes it."""
        if self.exit_code is not None and self.exit_code < 0:
            name = signal.Signals(-self.exit_code).name
            cause = "; often: out of memory" if -self.exit_code == signal.SIGKILL else ""
            return f"the process that heard it was ended by {name}{cause}"
        return f"the process that heard it ended by itself (status {self.exit_code})"


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection[Any, Any]
    index: int = -1
    """The item it works on."""


def run_each(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    preload: Sequence[str] = (),
    on_done: Callable[[Result | Death], None] = lambda result: None,
) -> Iterator[Result | Death]:
    """`function` of each item, in the order of `items`, by `jobs` processes.

    `function`, items and results must pickle. `preload`: modules that a server process imports
    once, from which the workers are forked. `on_done` is called as results come in, in any order.
    A worker that dies gives its item a `Death` and is replaced. Workers ignore Ctrl-C, so that
    the caller alone decides; when the generator is closed or fails, all of them are killed.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*preload])
    # One numeric thread a process: more would fight over the same cores.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

    def start() -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(function, theirs), daemon=True)
        process.start()
        theirs.close()  # the worker's copy is then the only one: its death is the pipe's end
        return _Worker(process, ours)

    busy: list[_Worker] = []
    idle: list[_Worker] = []
    done: dict[int, Result | Death] = {}
    sent = given = 0
    try:
        while given < len(items):
            while sent < min(len(items), given + _AHEAD * jobs) and len(busy) < jobs:
                worker = idle.pop() if idle else start()
                worker.index = sent
                worker.pipe.send(items[sent])
                busy.append(worker)
                sent += 1
            ready = set(wait([worker.pipe for worker in busy]))
            for worker in [worker for worker in busy if worker.pipe in ready]:
                busy.remove(worker)
                result: Result | Death = _receive(worker)
                done[worker.index] = result
                if not isinstance(result, Death):
                    idle.append(worker)
                on_done(result)
            while given in done:
                yield done.pop(given)
                given += 1
    finally:
        for worker in [*busy, *idle]:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _receive(worker: _Worker) -> Any:
    """The worker's result, or its `Death`."""
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        worker.pipe.close()
        return Death(worker.process.exitcode)


def _work(function: Callable[[Item], Result], pipe: Connection[Any, Any]) -> None:
    """A worker's life: item in, result out, until the caller is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        pipe.send(function(item))
