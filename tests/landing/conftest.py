"""A warehouse and a bucket of one's own, and what tests ask them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callmart.contracts import load_entities
from callmart.landing import LoadSummary, discover, load_objects
from callmart.settings import Settings
from callmart.warehouse import connect


@dataclass
class Landing:
    """A bucket and the warehouse that is filled from it."""

    settings: Settings
    client: Any

    def put(self, key: str, body: bytes | str) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.client.put_object(Bucket=self.settings.bucket, Key=key, Body=data)

    def put_folder(self, folder: Path, order: Callable[[list[Path]], None] | None = None) -> None:
        """Put the three folders of a landing zone into the bucket."""
        paths = [
            path
            for room in ("crm", "recordings", "transcripts")
            for path in sorted((folder / room).rglob("*"))
            if path.is_file()
        ]
        if order is not None:
            order(paths)
        for path in paths:
            self.put(path.relative_to(folder).as_posix(), path.read_bytes())

    def load(self) -> LoadSummary:
        """Discover and load all that waits; the counts of all batches together."""
        total = LoadSummary()
        for batch in discover(self.settings):
            summary = load_objects(self.settings, batch["object_ids"])
            for name, value in vars(summary).items():
                setattr(total, name, getattr(total, name) + value)
        return total

    def query(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with connect(self.settings) as conn:
            return conn.execute(statement, arguments).fetchall()

    def one(self, statement: str, *arguments: Any) -> Any:
        rows = self.query(statement, *arguments)
        assert len(rows) == 1, rows
        return rows[0][0] if len(rows[0]) == 1 else rows[0]

    def status(self, key: str) -> str:
        return str(self.one("select status from ops.objects where object_key = %s", key))

    def current(self, entities: Iterable[str]) -> dict[str, list[tuple[Any, ...]]]:
        """The current view of each entity: of each key the row that is later by the contract."""
        view = {}
        for name in entities:
            entity = load_entities()[name]
            columns = ", ".join(column for column, _ in entity.raw_columns())
            key = ", ".join(entity.key)
            view[name] = self.query(
                f"select distinct on ({key}) {columns}, _delivered_on, _object_key, _row_number"
                f" from raw.{name} order by {key}, updated_at desc nulls last,"
                " _delivered_on desc, _object_key desc, _row_number desc, _row_part desc"
            )
        return view


@pytest.fixture
def landing(postgres: str, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Landing:
    """An empty landing zone: bucket and migrated warehouse."""
    monkeypatch.setenv("CALLMART_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CALLMART_SOURCES_DIR", raising=False)
    return Landing(Settings.from_environment(), s3.client)
