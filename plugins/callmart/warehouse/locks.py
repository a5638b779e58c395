"""Who writes the marts: one at a time in a warehouse, whichever process or machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from callmart.settings import Settings
from callmart.warehouse.connection import connect

log = logging.getLogger(__name__)

MARTS_LOCK = 0x6D617274  # "mart"

_held: ContextVar[frozenset[str]] = ContextVar("marts_locks_held", default=frozenset())


@contextmanager
def marts_lock(settings: Settings) -> Iterator[None]:
    """Hold the right to write the marts; waits for whoever has it.

    It hangs on a connection of its own, so a process that is killed gives it back. Who holds it may
    ask again. Raises psycopg.OperationalError when the warehouse cannot be reached.
    """
    if settings.warehouse_dsn in _held.get():
        yield
        return
    with connect(settings, autocommit=True) as connection:
        taken = connection.execute("select pg_try_advisory_lock(%s)", (MARTS_LOCK,)).fetchone()
        if taken is None or not taken[0]:
            log.info("the marts are being written by another process: waiting for it")
            connection.execute("select pg_advisory_lock(%s)", (MARTS_LOCK,))
        token = _held.set(_held.get() | {settings.warehouse_dsn})
        try:
            yield
        finally:
            _held.reset(token)
