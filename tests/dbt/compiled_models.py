"""A model's SQL as dbt compiled it, run over tables of a test's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

Table = tuple[dict[str, str], list[dict[str, Any]]]
"""Columns with their types, and rows; a column that a row leaves out is null."""

Run = Callable[[str, dict[str, Table]], list[dict[str, Any]]]
"""The rows of a model (by name) whose inputs (by relation) are these tables."""


def model_runner(conn: psycopg.Connection[Any], compiled: Path) -> Run:
    """compiled: dbt's folder of compiled SQL. The tables are temporary, gone with the transaction."""

    def run(model: str, inputs: dict[str, Table]) -> list[dict[str, Any]]:
        # Fixtures of unit tests are compiled too, into folders named after their YAML file.
        (path,) = (
            path
            for path in compiled.rglob(f"models/**/{model}.sql")
            if not any(parent.suffix == ".yml" for parent in path.parents)
        )
        statement = path.read_text(encoding="utf-8")
        for relation, (columns, rows) in inputs.items():
            _create(conn, relation, columns, rows)
            statement, found = re.subn(rf'"\w+"\."\w+"\."{relation}"', relation, statement)
            assert found, f"{model} does not read {relation}"
        cursor = conn.execute(statement.encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    return run


def _create(
    conn: psycopg.Connection[Any], name: str, columns: dict[str, str], rows: list[dict[str, Any]]
) -> None:
    shape = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    conn.execute(f"create temporary table {name} ({shape})".encode())
    with (
        conn.cursor() as cursor,
        cursor.copy(f"copy {name} ({', '.join(columns)}) from stdin".encode()) as copy,
    ):
        for row in rows:
            copy.write_row([row.get(column) for column in columns])
    conn.execute(f"analyze {name}".encode())
