"""Connections to the warehouse."""

from __future__ import annotations

import psycopg

from callmart.settings import Settings


def connect(target: Settings | str, *, autocommit: bool = False) -> psycopg.Connection:
    """Open a connection (psycopg 3) to the warehouse; use it as a context manager.

    `target` is the settings or a libpq connection string. The session speaks UTC, so that a
    timestamptz never depends on the server's zone. Raises psycopg.OperationalError when the
    warehouse cannot be reached, ValueError when no connection string is configured.
    """
    dsn = target if isinstance(target, str) else target.warehouse_dsn
    if not dsn:
        raise ValueError("no warehouse is configured: set CALLMART_WAREHOUSE_DSN")
    return psycopg.connect(
        dsn, autocommit=autocommit, application_name="callmart", options="-c timezone=UTC"
    )
