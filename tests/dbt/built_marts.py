"""A warehouse with built marts, and what tests ask it."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import DbtResult


@dataclass(frozen=True)
class Marts:
    """A built warehouse and what tests ask it."""

    settings: Settings
    expected: dict[str, Any]
    result: DbtResult

    def query(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with connect(self.settings) as conn:
            return conn.execute(statement, arguments).fetchall()

    def row(self, statement: str, *arguments: Any) -> dict[str, Any]:
        from psycopg.rows import dict_row

        with connect(self.settings) as conn, conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement, arguments).fetchall()
        assert len(rows) == 1, rows
        return rows[0]

    def column(self, statement: str, *arguments: Any) -> list[Any]:
        return [row[0] for row in self.query(statement, *arguments)]


def write_truth(settings: Settings, truth: Path) -> None:
    """Enter what is truly on each recording as if the analyser had heard it."""
    flag = {"true": True, "false": False}
    with connect(settings) as conn, truth.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            hashed = hashlib.sha256(row["file"].encode()).hexdigest()
            key = row["file"].split(" ")[0]
            is_unreadable = row["outcome"] == "unreadable"
            conn.execute(
                "insert into facts.call_recordings (call_id, content_hash, object_key, delivered_on)"
                " values (%s, %s, %s, %s)",
                (row["call_id"], hashed, key, key.split("dt=")[1][:10]),
            )
            conn.execute(
                "insert into facts.recordings (content_hash, analyser_version, outcome,"
                " is_answered, is_connected, confidence, reason, duration_seconds)"
                " values (%s, 'truth', %s, %s, %s, %s, %s, %s)",
                (
                    hashed,
                    row["outcome"],
                    None if is_unreadable else flag.get(row["is_answered"]),
                    None if is_unreadable else flag.get(row["is_connected"]),
                    None if is_unreadable else 1.0,
                    row["note"],
                    float(row["duration_seconds"]),
                ),
            )
