"""Rows of marts as a test needs them, without the raw rows behind them."""

from __future__ import annotations

from typing import Any

from psycopg import Connection


def insert(connection: Connection[Any], table: str, **values: Any) -> None:
    """A row of a mart: `values`, and something in whatever else may not be null."""
    obligatory = connection.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and attnotnull",
        (table,),
    ).fetchall()
    fillings = {"boolean": "false", "integer": "0", "bigint": "0", "date": "2026-01-01",
                "timestamp with time zone": "2026-01-01T00:00:00Z", "jsonb": "{}",
                "numeric": "0", "double precision": "0"}  # fmt: skip
    row = {name: fillings.get(kind, "x") for name, kind in obligatory} | values
    columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
    connection.execute(
        f"insert into {table} ({columns}) values ({places})".encode(), list(row.values())
    )
