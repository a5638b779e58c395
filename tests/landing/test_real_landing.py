"""The landing zone with real recordings, against its `expected.json`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import psycopg
import pytest

from callmart.contracts import load_entities
from callmart.landing import load, load_dispositions_csv
from callmart.warehouse import connect

from .conftest import Landing

pytestmark = pytest.mark.postgres


@pytest.fixture
def real(test_data: Path) -> Path:
    return test_data / "landing"


@pytest.fixture
def expected(real: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((real / "expected.json").read_text())
    return document


def counts(landing: Landing) -> dict[str, int]:
    tables = [*load_entities(), "recordings", "transcripts", "transcript_segments"]
    found = {name: landing.one(f"select count(*) from raw.{name}") for name in tables}
    found["quarantine"] = landing.one("select count(*) from ops.quarantine")
    found["notices"] = landing.one("select count(*) from ops.notices")
    found["objects"] = landing.one("select count(*) from ops.objects")
    return found


def test_everything_that_expected_json_says_of_the_ingest(
    landing: Landing, real: Path, expected: dict[str, Any]
) -> None:
    landing.put_folder(real)
    load_dispositions_csv(landing.settings, real / "dispositions.csv")

    summary = landing.load()

    assert summary.failed == 0
    view = landing.current(expected["rows_current"])
    assert {name: len(rows) for name, rows in view.items()} == expected["rows_current"]
    for name, versions in expected["rows_history_versions"].items():
        key = ", ".join(load_entities()[name].key)
        assert landing.one(f"select count(*) from raw.{name}") == versions
        assert landing.one(f"select count(distinct ({key})) from raw.{name}") < versions

    for file in expected["crm_files"]:
        status, encoding, delimiter, read, loaded, quarantined = landing.one(
            "select status, encoding, delimiter, rows_read, rows_loaded, rows_quarantined"
            " from ops.objects where object_key = %s",
            file["path"],
        )
        wanted = file["status"].split(",")[0]
        assert status == {"quarantined whole": "quarantined"}.get(wanted, wanted), file
        if status != "duplicate":
            assert (read, loaded) == (file["rows"], file["rows_good"]), file
            assert quarantined == file["rows"] - file["rows_good"], file
        if "encoding" in file:
            assert encoding == file["encoding"].split(" (")[0]
        if "delimiter" in file:
            assert delimiter == file["delimiter"]

    rows = landing.query(
        "select object_key, coalesce(record_key, ''), reason from ops.quarantine"
        " where scope = 'row' and status = 'open' order by row_number"
    )
    assert rows == [
        (row["path"], row["call_id"], row["reason"]) for row in expected["quarantined_rows"]
    ]
    files = landing.query(
        "select object_key, reason from ops.quarantine where scope = 'file' and status = 'open'"
    )
    assert [path for path, _ in files] == [
        file["path"] for file in expected["quarantined_files"] if file["path"].startswith("crm/")
    ]
    assert "required columns customer_id and phone are missing" in files[0][1]

    for redelivered in expected["redelivery"]:
        versions = landing.query(
            "select disposition, wrap_up_seconds from raw.calls where call_id = %s"
            " order by updated_at",
            redelivered["call_id"],
        )
        assert len(versions) == 2
        assert versions[-1][0] == redelivered["current"]["disposition"]
        if "earlier" in redelivered:
            assert versions[-1][1] == redelivered["current"]["wrap_up_seconds"]
            earlier = redelivered["earlier"]
            assert versions[0] == (earlier["disposition"], earlier["wrap_up_seconds"])

    recordings = expected["recordings"]
    assert landing.one("select count(*) from raw.recordings") == recordings["in_truth"] + 1
    assert (
        landing.one("select count(distinct call_id) from raw.recordings")
        == (recordings["in_truth"])
    )
    assert landing.query(
        "select call_id, side from raw.recordings where side <> 'both' order by side"
    ) == [("1795010700.4021", "agent"), ("1795010700.4021", "customer")]
    assert landing.status("recordings/dt=2026-11-19/C-20261118-0023.wav") == "duplicate"

    transcripts = landing.query(
        "select t.object_key, t.call_id, t.segments, count(*) from raw.transcripts t"
        " join raw.transcript_segments s using (object_id) group by 1, 2, 3 order by 1"
    )
    assert transcripts == sorted(
        (t["path"], t["call_id"], t["segments"], t["segments"]) for t in expected["transcripts"]
    )
    words = dict(
        landing.query(
            "select disposition, outcome from ops.disposition_words where source = 'contract'"
        )
    )
    assert words["SALE"] == "human"
    assert words["ABANDONED"] is None
    assert words["no_answer"] == "no_answer"


def test_the_defects_are_read_as_the_readme_says(landing: Landing, real: Path) -> None:
    landing.put_folder(real)
    landing.load()

    assert landing.one("select name from raw.customers where customer_id = 'C-0001'") == "张伟"
    assert landing.one("select count(*) from raw.demands where next_action like %s", "%刘䶮%") == 1
    assert landing.one("select name from raw.campaigns where campaign_id = 'CMP-C'") == (
        "EU welcome; second wave"
    )
    started, extra = landing.one(
        "select to_char(started_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS'), _extra"
        " from raw.calls where call_id = 'C-20261118-0002'"
    )
    assert started == "2026-11-18 09:10:00"
    assert extra == {}
    assert landing.one("select _extra from raw.calls where call_id = 'C-20261118-0015'") == {
        "vendor_trunk_group": "TG-CN1"
    }
    assert landing.query("select kind, subject from ops.notices") == [
        ("unknown_column", "vendor_trunk_group")
    ]
    assert (
        landing.one("select disposition from raw.calls where call_id = 'C-20261118-0006'") is None
    )
    assert (
        landing.one(
            "select parameters ->> 'per_hours' from raw.sales_rules where rule_id = 'SR-02'"
        )
        == "24"
    )
    assert (
        landing.one(
            "select count(*) from raw.customers where phone is null or phone <> phone_delivered"
        )
        == 0
    )


def test_a_second_run_adds_nothing(landing: Landing, real: Path) -> None:
    landing.put_folder(real)
    landing.load()
    before = counts(landing)

    summary = landing.load()

    assert summary.loaded + summary.duplicates + summary.quarantined + summary.failed == 0
    assert counts(landing) == before


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_and_repetition_of_deliveries_ends_in_the_same_rows(
    landing: Landing, real: Path, expected: dict[str, Any], seed: int
) -> None:
    landing.put_folder(real)
    landing.load()
    entities = list(expected["rows_current"])
    straight = landing.current(entities)
    before = counts(landing)
    recordings = landing.query("select call_id, side, object_key from raw.recordings order by 1, 2")

    with connect(landing.settings) as conn:
        conn.execute(
            "truncate ops.objects, ops.quarantine, ops.notices, raw.recordings, raw.transcripts,"
            " raw.transcript_segments, facts.call_recordings, "
            + ", ".join(f"raw.{name}" for name in load_entities())
        )
    shuffled = random.Random(seed)
    paths = [
        path
        for room in ("crm", "recordings", "transcripts")
        for path in sorted((real / room).rglob("*"))
        if path.is_file()
    ]
    landing.client.delete_objects(
        Bucket=landing.settings.bucket,
        Delete={"Objects": [{"Key": p.relative_to(real).as_posix()} for p in paths]},
    )
    shuffled.shuffle(paths)
    repeated = [*paths, *shuffled.sample(paths, 10)]
    for start in range(0, len(repeated), 25):
        for path in repeated[start : start + 25]:
            landing.put(path.relative_to(real).as_posix(), path.read_bytes())
        assert landing.load().failed == 0

    assert landing.current(entities) == straight
    assert counts(landing) == before
    assert (
        landing.query("select call_id, side, object_key from raw.recordings order by 1, 2")
        == recordings
    )


def test_a_kill_in_the_middle_leaves_nothing_half(
    landing: Landing, real: Path, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.put_folder(real)
    copies = 0
    copy_table = load.copy_table

    class Killed(BaseException):
        """As a signal ends a task: nothing below may catch it."""

    def copy_then_die(conn: psycopg.Connection, table: str, rows: Any) -> int:
        nonlocal copies
        copies += 1
        written = copy_table(conn, table, rows)
        if copies == 7:
            raise Killed
        return written

    monkeypatch.setattr(load, "copy_table", copy_then_die)
    with pytest.raises(Killed):
        landing.load()
    monkeypatch.setattr(load, "copy_table", copy_table)
    done = landing.one("select count(*) from ops.objects where status = 'loaded'")
    assert done > 0
    ledger_rows = landing.one("select sum(rows_loaded) from ops.objects where kind = 'crm'")
    tables = " + ".join(f"(select count(*) from raw.{name})" for name in load_entities())
    assert landing.one(f"select {tables}") == ledger_rows

    assert landing.load().failed == 0

    view = landing.current(expected["rows_current"])
    assert {name: len(rows) for name, rows in view.items()} == expected["rows_current"]
    for name, versions in expected["rows_history_versions"].items():
        assert landing.one(f"select count(*) from raw.{name}") == versions
