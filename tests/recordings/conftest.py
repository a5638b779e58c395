"""A bucket and a warehouse into which recordings, transcripts and phrase rules are delivered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callmart.landing import discover, load_objects
from callmart.settings import Settings
from callmart.warehouse import connect


@dataclass
class Deliveries:
    """What a supplier puts into the bucket, and what the warehouse makes of it."""

    settings: Settings
    client: Any

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.settings.bucket, Key=key, Body=body)

    def deliver(self, key: str, body: bytes) -> None:
        """Put an object into the bucket and load what is new there."""
        self.put(key, body)
        for batch in discover(self.settings):
            summary = load_objects(self.settings, batch["object_ids"])
            assert not summary.failed, summary

    def say(
        self, call_id: str, turns: Sequence[tuple[str, str]], day: str = "2026-11-18", **more: Any
    ) -> None:
        """Deliver a transcript: (role, text) a turn, two seconds each."""
        segments = [
            {"role": role, "start_ms": 2000 * i, "end_ms": 2000 * i + 1900, "text": text}
            for i, (role, text) in enumerate(turns)
        ]
        document = {"call_id": call_id, "language": "en", "segments": segments, **more}
        key = f"transcripts/dt={day}/{call_id}.json"
        self.deliver(key, json.dumps(document, ensure_ascii=False).encode())

    def rule(self, rule_id: str, effective_from: str = "2026-01-01T00:00:00Z", **body: Any) -> None:
        """Deliver one phrase rule as the CRM sends it."""
        row = {
            "rule_id": rule_id,
            "definition": {"id": rule_id, "severity": "major", **body},
            "effective_from": effective_from,
        }
        name = f"{rule_id}-{abs(hash(json.dumps(row)))}.jsonl"
        self.deliver(f"crm/phrase_rules/dt=2026-11-18/{name}", json.dumps(row).encode())

    def query(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with connect(self.settings) as connection:
            return connection.execute(statement.encode(), arguments).fetchall()


@pytest.fixture
def deliveries(
    postgres: str, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Deliveries:
    """An empty bucket and an empty warehouse."""
    monkeypatch.setenv("CALLMART_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CALLMART_SOURCES_DIR", raising=False)
    return Deliveries(Settings.from_environment(), s3.client)
