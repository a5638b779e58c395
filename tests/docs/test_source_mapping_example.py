"""The worked example of docs/source_mappings.md, taken from the page and loaded for real."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from callmart.landing import discover, load_mappings, load_objects
from callmart.settings import PROJECT_ROOT, Settings
from callmart.warehouse import connect

PAGE = (PROJECT_ROOT / "docs" / "source_mappings.md").read_text(encoding="utf-8")
FILE_KEY = "ringo/2026/11/18/calls.csv"
RECORDING_KEY = "ringo/2026/11/18/rec-7001-stereo.wav"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_example_gives_the_rows_that_the_page_promises(
    postgres: str, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "ringo.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    monkeypatch.setenv("CALLMART_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CALLMART_SOURCES_DIR", str(folder))
    settings = Settings.from_environment()
    s3.client.put_object(Bucket=s3.name, Key=FILE_KEY, Body=blocks("csv")[0].encode())
    s3.client.put_object(Bucket=s3.name, Key=RECORDING_KEY, Body=b"RIFF not heard in this test")

    for batch in discover(settings):
        load_objects(settings, batch["object_ids"])

    with connect(settings) as conn:
        assert conn.execute(
            "select call_id, direction, started_at, answered_at is null, to_number,"
            " agent_extension, disposition from raw.calls order by call_id"
        ).fetchall() == [
            (
                "7001",
                "outbound",
                datetime(2026, 11, 18, 8, 0, 2, tzinfo=UTC),
                False,
                "+491715550123",
                "201",
                "K01",
            ),
            (
                "7002",
                "outbound",
                datetime(2026, 11, 18, 8, 5, tzinfo=UTC),
                True,
                "+491715550124",
                "201",
                "K07",
            ),
            (
                "7003",
                "inbound",
                datetime(2026, 11, 18, 8, 10, tzinfo=UTC),
                False,
                "+49305550101",
                "202",
                "K01",
            ),
        ]
        assert conn.execute(
            "select call_id, step_no, step_type, extract(epoch from left_at - entered_at), outcome"
            " from raw.call_routes"
        ).fetchall() == [("7003", 1, "queue", Decimal(12), "to agent")]
        assert conn.execute(
            "select object_key, call_id, side, delivered_on::text from raw.recordings"
        ).fetchall() == [(RECORDING_KEY, "7001", "both", "2026-11-18")]
        assert conn.execute(
            "select object_key, scope, entity, row_number, rule, reason from ops.quarantine"
        ).fetchall() == [
            (
                FILE_KEY,
                "row",
                "calls",
                5,
                "not_a_time",
                "started_at is not a time of the form %d.%m.%Y %H:%M:%S: 18.13.2026 09:12:00",
            )
        ]
        assert conn.execute(
            "select kind, subject, detail from ops.notices where kind = 'unknown_column'"
        ).fetchall() == [("unknown_column", "remark", "kept in _extra of calls")]
        assert conn.execute(
            "select _extra ->> 'remark' from raw.calls where call_id = '7003'"
        ).fetchall() == [("calls back",)]
        assert conn.execute(
            "select outcome from ops.disposition_words"
            " where source = 'ringo' and disposition = 'K07'"
        ).fetchall() == [("no_answer",)]
    assert load_mappings(settings).agent_channel("ringo") == 1


def test_the_example_of_words_alone_adds_to_the_contracts_layout(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "words.yaml").write_text(blocks("yaml")[-1], encoding="utf-8")
    settings = Settings.from_environment(
        {"CALLMART_HOME": str(tmp_path / "home"), "CALLMART_SOURCES_DIR": str(folder)}
    )
    contract = load_mappings(settings).sources["contract"]
    assert contract.dispositions["关机"] == "switched_off"
    assert [table.entity_from_key for table in contract.tables] == ["^crm/([^/]+)/"]
