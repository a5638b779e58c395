"""The whole flow through Airflow on real recordings, held against what was worked out by hand.

`expected.json` and `truth.csv` of the landing folder say what must come out; the flow is run as a person
runs it, by `callmart demo --landing`, on a stack of its own.
"""

from __future__ import annotations

import csv
import email
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from pathlib import Path
from typing import Any

import psycopg
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

DAY = "2026-11-18"
CALLMART = str(Path(sys.executable).with_name("callmart"))


@dataclass
class Landed:
    """A stack that the landing folder went through."""

    folder: Path
    home: Path
    environment: dict[str, str]
    summary: dict[str, Any]
    expected: dict[str, Any]
    warehouse: psycopg.Connection[Any]

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.warehouse.execute(query.encode(), values).fetchall()

    def value(self, query: str, *values: Any) -> Any:
        found = self.rows(query, *values)
        assert len(found) == 1, f"{len(found)} rows: {query}"
        return found[0][0]


def run_demo(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [CALLMART, "demo", "--landing", str(folder), "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr[-4000:]}\n{done.stdout[-2000:]}"
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@pytest.fixture(scope="module")
def landed(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    folder = test_data / "landing"
    home = tmp_path_factory.mktemp("landed") / ".callmart"
    kept = ("CALLMART_", "AIRFLOW", "AWS_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(kept)}
    environment["CALLMART_HOME"] = str(home)
    try:
        summary = run_demo(folder, environment)
        settings = dict(
            line.split("=", 1)
            for line in (home / "env").read_text(encoding="utf-8").splitlines()
            if "=" in line
        )
        dsn = settings["CALLMART_WAREHOUSE_DSN"].strip("'\"")
        with psycopg.connect(dsn, autocommit=True) as warehouse:
            expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
            yield Landed(folder, home, environment, summary, expected, warehouse)
    finally:
        subprocess.run([CALLMART, "down"], env=environment, check=True, capture_output=True)


def test_current_rows_and_history(landed: Landed) -> None:
    current = {
        entity: landed.value(f"select count(*) from staging.stg_callmart__{entity}")
        for entity in landed.expected["rows_current"]
    }
    assert current == landed.expected["rows_current"]
    history = {
        entity: landed.value(f"select count(*) from staging.stg_callmart__{entity}_versions")
        for entity in landed.expected["rows_history_versions"]
    }
    assert history == landed.expected["rows_history_versions"]


def test_every_extract_became_what_it_must(landed: Landed) -> None:
    ledger = {
        key: (status, read, loaded)
        for key, status, read, loaded in landed.rows(
            "select object_key, status, rows_read, rows_loaded from ops.objects where kind = 'crm'"
        )
    }
    assert ledger.keys() == {entry["path"] for entry in landed.expected["crm_files"]}
    for entry in landed.expected["crm_files"]:
        status, read, loaded = ledger[entry["path"]]
        if entry["status"].startswith("duplicate"):
            assert status == "duplicate", entry["path"]
            continue
        wanted = "quarantined" if entry["status"] == "quarantined whole" else "loaded"
        assert (status, read, loaded) == (wanted, entry["rows"], entry["rows_good"]), entry["path"]


def test_quarantine_names_file_row_and_rule(landed: Landed) -> None:
    files = landed.rows("select object_key, reason from ops.quarantine where scope = 'file'")
    assert {key for key, _ in files} == {
        item["path"] for item in landed.expected["quarantined_files"]
    }
    assert all(reason for _, reason in files)
    rows = landed.rows(
        "select object_key, record_key, reason from ops.quarantine where scope = 'row'"
    )
    assert sorted((key, record or "", reason) for key, record, reason in rows) == sorted(
        (item["path"], item["call_id"], item["reason"])
        for item in landed.expected["quarantined_rows"]
    )


def test_what_is_odd_is_reported(landed: Landed) -> None:
    issues = {
        (kind, subject, call_id)
        for kind, subject, call_id in landed.rows(
            "select issue_type, subject, call_id from marts.data_issues"
        )
    }
    kinds = {(kind, call_id) for kind, _, call_id in issues}
    assert ("recording_without_call", "C-20261119-0099") in kinds
    assert ("call_without_recording", "C-20261118-0039") in kinds
    assert ("unknown_agent", "A-099", "C-20261118-0011") in issues
    assert any(kind == "unknown_column" and "vendor_trunk_group" in s for kind, s, _ in issues)
    notes = landed.value(
        "select facts.notes::text from facts.call_recordings join facts.recordings as facts"
        " using (content_hash) where call_id = 'C-20261118-0036'"
    )
    assert "short" in notes or "trunc" in notes or "cut" in notes


def test_later_rows_win_by_their_own_time(landed: Landed) -> None:
    assert landed.rows(
        "select disposition, wrap_up_seconds::int from staging.stg_callmart__calls"
        " where call_id = 'C-20261118-0009'"
    ) == [("SALE", 25)]
    assert ("ANSWERED", 20) in landed.rows(
        "select disposition, wrap_up_seconds::int from staging.stg_callmart__calls_versions"
        " where call_id = 'C-20261118-0009' and not is_current"
    )
    assert (
        landed.value(
            "select disposition from staging.stg_callmart__calls where call_id = 'C-20261118-0023'"
        )
        == "VOICEMAIL"
    )


def test_every_recording_of_the_truth_has_a_decision(landed: Landed) -> None:
    decided = dict(
        landed.rows(
            "select call_id, outcome from facts.call_recordings"
            " join facts.recordings using (content_hash)"
        )
    )
    with (landed.folder / "truth.csv").open(encoding="utf-8", newline="") as lines:
        truth = list(csv.DictReader(lines))
    assert decided.keys() == {row["call_id"] for row in truth}
    agreement = landed.summary["truth"]
    assert agreement["recordings"] == agreement["decided"] == len(truth) == 45
    assert agreement["differing"] == []


def test_a_recording_overrules_the_disposition(landed: Landed) -> None:
    reconciled = {
        call_id: (outcome, is_connected, is_disputed)
        for call_id, outcome, is_connected, is_disputed in landed.rows(
            "select call_id, outcome, is_connected, is_disputed from marts.calls"
        )
    }
    assert reconciled["C-20261118-0013"] == ("music", False, True)
    assert reconciled["C-20261118-0027"] == ("ivr", False, True)
    # No readable sound: the signalling and the disposition decide.
    assert reconciled["C-20261118-0009"][:2] == ("human", True)
    assert reconciled["C-20261118-0010"][:2] == ("cancelled", False)


def test_phrase_hits_lie_where_they_must(landed: Landed) -> None:
    found = landed.rows(
        "select call_id, rule_id, kind, role, segment_index, char_start, char_end, quoted_text"
        " from marts.phrase_violations"
    )
    wanted = [
        tuple(
            item.get(name)
            for name in (
                "call_id",
                "rule_id",
                "kind",
                "role",
                "segment_index",
                "char_start",
                "char_end",
                "text",
            )
        )
        for item in landed.expected["phrase_hits"]
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str)


RATIOS = {
    "attempts": "attempts",
    "answered": "answered",
    "answer_seizure_ratio": "answer_seizure_ratio",
    "connected": "connected",
    "connection_ratio": "connection_ratio",
    "network_effectiveness_ratio": "network_effectiveness_ratio",
    "average_call_duration_seconds": "average_call_duration_seconds",
    "average_talk_seconds": "average_talk_seconds",
}


@pytest.mark.parametrize("figure", RATIOS)
def test_traffic_of_the_day(landed: Landed, figure: str) -> None:
    value = landed.value(
        f"select {RATIOS[figure]} from marts.daily_call_summary where call_date = %s", DAY
    )
    assert float(value) == pytest.approx(landed.expected["metrics"][figure], abs=1e-6)


def test_service_level_and_abandonment(landed: Landed) -> None:
    (row,) = landed.rows(
        "select queued_within_20s, queued, service_level_20s, queued_without_short_abandons,"
        " service_level_20s_without_short_abandons, abandoned, connected, abandonment_ratio,"
        " abandonment_of_answered_ratio from marts.daily_call_summary where call_date = %s",
        DAY,
    )
    metrics = landed.expected["metrics"]
    level, without = (
        metrics["service_level_20s"],
        metrics["service_level_20s_without_short_abandons"],
    )
    abandoned = metrics["abandonment_ratio"]
    wanted = (
        level["numerator"],
        level["denominator"],
        level["ratio"],
        without["denominator"],
        without["ratio"],
        abandoned["numerator"],
        abandoned["denominator"],
        abandoned["ratio"],
        abandoned["of_answered"],
    )
    assert [float(value) for value in row] == pytest.approx(wanted, abs=1e-6)


def test_agents_of_the_day(landed: Landed) -> None:
    metrics = landed.expected["metrics"]
    cards = {
        agent: (float(occupancy), float(utilisation), float(longest))
        for agent, occupancy, utilisation, longest in landed.rows(
            "select agent_id, occupancy, utilisation, longest_state_seconds"
            " from marts.agent_scorecard where work_date = %s and staffed_seconds > 0"
            " and scheduled_seconds > 0",
            DAY,
        )
    }
    for agent, occupancy in metrics["occupancy"].items():
        assert cards[agent][0] == pytest.approx(occupancy, abs=1e-6)
    for agent, utilisation in metrics["utilisation"].items():
        assert cards[agent][1] == pytest.approx(utilisation, abs=1e-6)
    for agent, seconds in metrics["longest_state_per_agent_seconds"].items():
        assert cards[agent][2] == seconds


@pytest.mark.parametrize(
    ("rule_type", "expected_key", "only_day"),
    [
        ("calling_hours", "calling_hours_violations", True),
        ("do_not_call", "do_not_call_violations", True),
        ("consent_required", "consent_violations", True),
        ("line_assignment", "line_assignment_violations", True),
        ("max_attempts", "max_attempts_violations_both_days", False),
        ("min_interval", "min_interval_violations_both_days", False),
    ],
)
def test_rules_are_broken_by_the_letter(
    landed: Landed, rule_type: str, expected_key: str, only_day: bool
) -> None:
    found = landed.rows(
        "select call_id from marts.rule_violations join marts.calls using (call_id)"
        " where rule_type = %s and (not %s or call_date = %s)",
        rule_type,
        only_day,
        DAY,
    )
    assert sorted(call_id for (call_id,) in found) == sorted(
        landed.expected["metrics"][expected_key]
    )


def test_attempts_per_customer(landed: Landed) -> None:
    wanted = landed.expected["metrics"]["attempts_per_customer"]
    found: dict[int, list[str]] = {}
    for customer, attempts in landed.rows(
        "select customer_id, attempts from marts.customer_attempts"
        " where call_date = %s and attempts > 0",
        DAY,
    ):
        found.setdefault(attempts, []).append(customer)
    assert sorted(found[3]) == wanted["3"]
    assert sorted(found[2]) == wanted["2"]
    assert len(found[1]) == wanted["customers_with_one"]


@pytest.mark.parametrize(
    "mart",
    [
        "evaluation_conversation",
        "evaluation_inspection",
        "evaluation_rules_and_lines",
        "evaluation_ledger",
        "customer_quality",
        "customer_demands",
        "customer_demand_changes",
        "customer_demand_history",
        "demand_funnel",
        "customer_timeline",
        "line_health",
        "data_freshness",
    ],
)
def test_the_mart_holds_rows(landed: Landed, mart: str) -> None:
    assert landed.value(f"select count(*) from marts.{mart}") > 0


def test_readers_may_read_marts_and_nothing_else(landed: Landed) -> None:
    rights = landed.rows(
        "select nspname, has_schema_privilege('bi_reader', nspname, 'usage')"
        " from pg_namespace where nspname in ('marts', 'raw', 'facts', 'ops', 'staging')"
    )
    assert dict(rights) == {
        "marts": True,
        "raw": False,
        "facts": False,
        "ops": False,
        "staging": False,
    }
    unreadable = landed.rows(
        "select relname from pg_class where relnamespace = 'marts'::regnamespace"
        " and relkind in ('r', 'v') and not has_table_privilege('bi_reader', oid, 'select')"
    )
    assert unreadable == []


def test_the_report_went_out_in_both_languages(landed: Landed) -> None:
    deliveries = landed.rows(
        "select distinct language, channel, status from ops.report_deliveries"
        " where period_start = (select max(call_date) from marts.calls)"
        " and report = 'daily' and audience = 'management' order by 1, 2"
    )
    assert deliveries == [
        ("en", "bucket", "sent"),
        ("en", "mail", "sent"),
        ("zh", "bucket", "sent"),
        ("zh", "mail", "sent"),
    ]
    pages = {
        Path(page).name: Path(page).read_text("utf-8")
        for page in landed.summary["places"]["reports"]
        if page.endswith(".html")
    }
    assert pages.keys() >= {"management.en.html", "management.zh.html", "operations.zh.html"}
    assert "Connection ratio" in pages["management.en.html"]
    assert "接通率" in pages["management.zh.html"]
    assert all(
        not re.search(r"""(?:src|action)\s*=|url\(|@import|<link|<script""", page)
        for page in pages.values()
    )
    mails = [
        email.message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in (landed.home / "mail").rglob("*.eml")
    ]
    reports = [
        mail
        for mail in mails
        if "management" in str(mail["To"]) and "2026-11-19" in str(mail["Subject"])
    ]
    assert len(reports) == 2
    for mail in reports:
        assert {part.get_content_type() for part in mail.walk()} >= {"text/plain", "text/html"}


def test_every_step_left_its_outcome(landed: Landed) -> None:
    steps = landed.rows(
        "select distinct dag_id, task_id from ops.step_runs where outcome = 'succeeded'"
    )
    assert {
        ("ingest_landing", "load_objects"),
        ("analyze_recordings", "analyze_batch"),
        ("analyze_recordings", "match_phrases"),
        ("build_marts", "validate_raw"),
        ("build_marts", "build_models"),
        ("build_marts", "validate_marts"),
        ("publish_reports", "publish_report"),
    } <= set(steps)


def test_a_second_run_adds_no_row(landed: Landed) -> None:
    def counts() -> dict[str, int]:
        tables = landed.rows(
            "select schemaname || '.' || tablename from pg_tables"
            " where schemaname in ('raw', 'facts', 'marts')"
        )
        return {name: landed.value(f"select count(*) from {name}") for (name,) in tables}

    before = counts()
    again = run_demo(landed.folder, landed.environment)
    assert again["changed"] is False
    assert again["uploaded"]["new"] == 0
    assert counts() == before
