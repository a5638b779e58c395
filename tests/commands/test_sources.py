"""`callmart sources check`: a mapping and a file of one's own, without bucket or warehouse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bank_log import example, mapping
from click.testing import CliRunner

from callmart.cli import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLMART_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CALLMART_WAREHOUSE_DSN", raising=False)
    (tmp_path / "bank.yaml").write_text(mapping(), encoding="utf-8")
    (tmp_path / "january").write_text(
        example()
        + "AA0103 1 0 0 PS 991301 7:02:29 7:02:30 1 0:00:00 0:00:00 0 LOST 0 0 0 NO_SERVER\n"
        "AA0103 1 0 0 PS 990101 7:03:29 7:03:30 1 0:00:00 0:00:00 0 LOST 0 0 0 NO_SERVER\nhalf a line\n",
        encoding="utf-8",
    )
    return CliRunner()


def test_a_sample_shows_its_rows_and_what_was_not_understood(run: CliRunner) -> None:
    result = run.invoke(main, ["sources", "check", "bank.yaml", "january", "--rows", "1", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["ok"] is True
    sample = found["sample"]
    assert sample["records"] == 7
    assert sample["rows"] == {"agents": 2, "call_routes": 11, "calls": 5}
    (call,) = sample["first_rows"]["calls"]
    assert call["call_id"] == "990101-AA0101-33116-00031"
    assert call["started_at"] == "1998-12-31 22:00:31+00:00"
    assert call["ended_at"] == "1998-12-31 22:03:09+00:00"
    assert sample["unknown_dispositions"] == {"LOST": 1}
    assert {(one["row"], one["entity"], one["rule"]) for one in sample["rejected"]} == {
        (5, "calls", "not_a_time"),
        (5, "call_routes", "not_a_time"),
        (7, None, "ragged_row"),
    }
    assert {
        "kind": "unknown_column",
        "subject": "priority",
        "detail": "kept in _extra of calls",
    } in (sample["notices"])


def test_for_people(run: CliRunner) -> None:
    result = run.invoke(main, ["sources", "check", "bank.yaml", "january"])
    assert result.exit_code == 0
    for said in (
        "source bank, 6 rules, no fault",
        "times without an offset are Asia/Jerusalem",
        "calls: 5 rows",
        "agent_id=TOVA",
        "row 7 (any): 3 fields where the header has 17",
        "disposition without an outcome: LOST (1 calls)",
    ):
        assert said in result.stdout


def test_faults_have_line_and_column(run: CliRunner, tmp_path: Path) -> None:
    text = mapping().replace("direction: {const: inbound}", "direction: {constant: inbound}")
    line = text.splitlines().index("          direction: {constant: inbound}") + 1
    (tmp_path / "bank.yaml").write_text(text, encoding="utf-8")
    result = run.invoke(main, ["sources", "check", "bank.yaml", "january", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "ok": False,
        "errors": [
            {
                "line": line,
                "column": 23,
                "place": "tables.0.rows.0",
                "reason": "calls.direction.constant: no such operator",
            }
        ],
    }
    assert f"bank.yaml: line {line}, column 23: " in result.stderr


def test_a_sample_that_no_key_covers_needs_one(run: CliRunner, tmp_path: Path) -> None:
    sample = tmp_path / "Master.csv"
    sample.write_text('"","8001","013800138000","x"\n')
    (tmp_path / "own.yaml").write_text("source: asterisk\ntime_zone: Europe/Berlin\n")
    refused = run.invoke(main, ["sources", "check", "own.yaml", "Master.csv"])
    assert refused.exit_code == 2
    assert "--key" in refused.stderr
    # A mapping that adds to a shipped one is tried together with it.
    taken = run.invoke(
        main, ["sources", "check", "own.yaml", "Master.csv", "--key", "asterisk/cdr/Master.csv"]
    )
    assert taken.exit_code == 0
    assert "times without an offset are Europe/Berlin" in taken.stdout


def test_a_sample_that_cannot_be_read(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "january").write_bytes(b"")
    result = run.invoke(main, ["sources", "check", "bank.yaml", "january", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["errors"][0]["reason"].endswith("the file is empty")
