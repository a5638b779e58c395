"""Every check finds its fault; alerts open, continue, close, and are mailed once."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from mart_rows import insert
from psycopg import Connection

from callmart.airflow.callbacks import record_failure, record_skip, record_success
from callmart.health import AlertChanges, NoticeError, load_checks, tell_alerts, update_alerts
from callmart.settings import Settings
from callmart.warehouse import connect

sys.path.append(str(Path(__file__).parents[1] / "robots"))
from robot_sinks import sink

pytestmark = pytest.mark.postgres

OBJECT = (
    "insert into ops.objects (bucket, object_key, etag, size_bytes, modified_at, kind, status,"
    " attempts, message, source, entities, finished_at) values ('b', 'crm/calls/x.csv', %s, 1,"
    " now(), 'crm', %s, %s, 'bucket away', 'contract', '{{calls}}', now() - interval '{age}')"
)
STEP = (
    "insert into ops.step_runs (dag_id, run_id, task_id, map_index, outcome, started_at,"
    " finished_at, detail) values ('d', %s, 't', %s, %s, now(), now() - %s::interval,"
    ' \'{"error": "E: why"}\')'
)


def fail_step(connection: Connection[Any]) -> None:
    connection.execute(STEP, ("r1", 0, "failed", "2 hours"))
    # Another part of the same run that went well mends nothing.
    connection.execute(STEP, ("r1", 1, "succeeded", "1 hour"))


def quarantine(connection: Connection[Any]) -> None:
    connection.execute(OBJECT.format(age="0 s").encode(), ("q", "quarantined", 1))
    connection.execute(
        "insert into ops.quarantine (object_id, object_key, scope, rule, reason)"
        " select object_id, object_key, 'row', 'type', 'no number' from ops.objects,"
        " generate_series(1, 2)"
    )


def stick(connection: Connection[Any]) -> None:
    connection.execute(OBJECT.format(age="0 s").encode(), ("s", "failed", 3))


def pass_the_marts(connection: Connection[Any], ago: str) -> None:
    connection.execute(
        "insert into ops.step_runs (dag_id, run_id, task_id, map_index, outcome, started_at,"
        " finished_at, detail) values ('build_marts', 'r', 'validate_marts', -1, 'succeeded',"
        " now() - %(ago)s::interval, now() - %(ago)s::interval, '{}')",
        {"ago": ago},
    )


def be_late(connection: Connection[Any]) -> None:
    connection.execute(OBJECT.format(age="27 hours").encode(), ("l", "loaded", 1))
    pass_the_marts(connection, "26 hours")


def flag_a_line(connection: Connection[Any]) -> None:
    insert(connection, "marts.line_health", line_id="L1", call_date="2026-11-18", attempts=80,
           connection_ratio="0.04", is_suspected_flagged=True)  # fmt: skip


def say_something_critical(connection: Connection[Any]) -> None:
    insert(connection, "marts.calls", call_id="c1", call_date="2026-11-18")
    for number in range(2):  # said twice: one alert
        insert(connection, "marts.phrase_violations", phrase_violation_id=f"v{number}",
               call_id="c1", rule_id="promise", severity="critical", call_date="2026-11-18",
               agent_id="A7", start_ms=61000 + number, quoted_text="sure thing")  # fmt: skip


def connect_badly(connection: Connection[Any]) -> None:
    for weeks in range(6):
        # Usual are 30 to 32 %; the newest day has a tenth of it.
        ratio = 0.03 if weeks == 0 else 0.30 + 0.004 * weeks
        insert(connection, "marts.daily_call_summary", attempts=400, connection_ratio=ratio,
               call_date=date(2026, 11, 18) - timedelta(weeks=weeks))  # fmt: skip
    # Another weekday is no measure.
    insert(connection, "marts.daily_call_summary", attempts=400, connection_ratio=0.9,
           call_date="2026-11-17")  # fmt: skip


def fail_a_suite(connection: Connection[Any], failing: str = "critical") -> None:
    for validated_at in ("2026-11-18", "2026-11-19"):
        for rule, severity in (("r1", "critical"), ("r2", "warning")):
            is_met = validated_at == "2026-11-18" or severity != failing
            connection.execute(
                "insert into ops.expectation_results (layer, validated_at, table_name, rule,"
                " expectation, severity, is_met, message)"
                " values ('raw', %s, 'calls', %s, 'e', %s, %s, %s)",
                (validated_at, rule, severity, is_met, f"{rule} is broken"),
            )


def miss_an_expectation(connection: Connection[Any]) -> None:
    fail_a_suite(connection, failing="warning")


def say_a_new_word(connection: Connection[Any]) -> None:
    connection.execute(
        "insert into marts.code_watch (source_table, column_name, word, last_seen_at, rows_seen,"
        " sample_call_id, defined_in) values ('calls', 'disposition', 'MOON', '2026-11-18', 3, 'c1',"
        " 'a mapping')"
    )


def hang(connection: Connection[Any]) -> None:
    # The marts passed before the rows came.
    connection.execute(OBJECT.format(age="3 hours").encode(), ("h", "loaded", 1))
    pass_the_marts(connection, "4 hours")


def bounce(connection: Connection[Any]) -> None:
    connection.execute(
        "insert into ops.report_deliveries (report, period_start, period_end, audience, language,"
        " channel, recipient, content_sha256, status, message) values ('daily', '2026-11-18',"
        " '2026-11-18', 'management', 'zh', 'mail', 'a@x.test', 'x', 'failed', '550 no such user')"
    )


def refuse_a_row(connection: Connection[Any]) -> None:
    connection.execute(
        "insert into ops.crm_rejections (target, object_key, row_number, record_type, reason)"
        " values ('salesforce', 'feeds/salesforce/rejected/a.csv', 1, 'customers', 'no such id')"
    )


def lose_a_letter(connection: Connection[Any]) -> None:
    connection.execute(
        "insert into ops.crm_feeds (target, sequence, status, rows) values ('x', 1, 'written', 1)"
    )
    connection.execute(
        "insert into ops.crm_webhook_deliveries (target, sequence, status, attempts, message)"
        " values ('x', 1, 'dead', 5, 'HTTP 503')"
    )


FAULTS: dict[str, tuple[Callable[[Connection[Any]], None], str, str]] = {
    "failed_steps": (fail_step, "d.t", "E: why"),
    "files_in_quarantine": (quarantine, "crm/calls/x.csv", "no number (and 1 more)"),
    "stuck_objects": (stick, "crm/calls/x.csv", "bucket away"),
    "source_late": (be_late, "contract/calls", "last loaded"),
    "line_suspected_flagged": (flag_a_line, "L1", "connects 4 % on 2026-11-18 (80 attempts)"),
    "critical_phrase": (say_something_critical, "c1 promise", "A7 at 61 s: sure thing"),
    "connection_ratio_out_of_line": (
        connect_badly,
        "connection ratio",
        "3.0 % on 2026-11-18 (400 attempts), usual on that weekday 31.2 %",
    ),
    "suite_failed": (fail_a_suite, "raw.calls", "r1 is broken"),
    "expectation_not_met": (miss_an_expectation, "calls", "r2 is broken"),
    "unknown_code": (
        say_a_new_word,
        "calls.disposition MOON",
        "3 rows, last 2026-11-18, e.g. call c1",
    ),
    "past_deadline": (hang, "build_marts", "are in no marts yet"),
    "crm_refused_rows": (refuse_a_row, "salesforce customers", "1 rows: no such id"),
    "crm_not_told": (lose_a_letter, "x", "1 feeds were not announced: HTTP 503"),
    "report_not_delivered": (
        bounce,
        "daily 2026-11-18 management to a@x.test",
        "550 no such user (1 attempts)",
    ),
}

CLEAN = (
    "truncate ops.objects, ops.quarantine, ops.step_runs, ops.expectation_results,"
    " ops.report_deliveries, ops.crm_feeds, ops.crm_rejections, marts.line_health, marts.calls,"
    " marts.daily_call_summary, marts.phrase_violations, marts.code_watch cascade"
)


@pytest.fixture
def settings(
    empty_marts: str, mail_sink: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Empty marts, an empty mail sink, two people to be told."""
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", empty_marts)
    monkeypatch.setenv("CALLMART_ALERT_RECIPIENTS", "one@x.test, two@x.test")
    settings = Settings.from_environment()
    yield settings
    run(settings, CLEAN, "truncate ops.alerts cascade")


def run(settings: Settings, *statements: str) -> None:
    with connect(settings) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def alerts(settings: Settings) -> list[tuple[Any, ...]]:
    with connect(settings) as connection:
        return connection.execute(
            "select check_name, subject, closed_at is null, message from ops.alerts order by alert_id"
        ).fetchall()


def test_every_check_is_tried_and_says_what_to_do() -> None:
    checks = load_checks()
    assert set(checks) == set(FAULTS)
    for check in checks.values():
        assert check["run_book"]
        assert check["severity"] in ("critical", "major", "minor")


def test_an_empty_warehouse_is_in_order(settings: Settings, postgres: str) -> None:
    assert update_alerts(settings) == AlertChanges(0, 0, 0)
    not_built = replace(settings, warehouse_dsn=postgres)
    assert update_alerts(not_built) == AlertChanges(0, 0, 0)
    assert tell_alerts(not_built) == 0


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_opens_an_alert_until_it_is_gone(
    settings: Settings, mail_sink: Any, name: str
) -> None:
    plant, subject, said = FAULTS[name]
    with connect(settings) as connection:
        plant(connection)
    assert update_alerts(settings) == AlertChanges(1, 0, 0)
    [(check, about, is_open, message)] = alerts(settings)
    assert (check, about, is_open) == (name, subject, True)
    assert said in message
    assert tell_alerts(settings) == 1
    assert update_alerts(settings) == AlertChanges(0, 1, 0)
    assert tell_alerts(settings) == 0

    run(settings, CLEAN)
    assert update_alerts(settings) == AlertChanges(0, 0, 1)
    assert update_alerts(settings) == AlertChanges(0, 0, 0)

    with connect(settings) as connection:
        plant(connection)
    assert update_alerts(settings) == AlertChanges(1, 0, 0), "it is open again"
    assert tell_alerts(settings) == 0, "but not mailed again within its quiet hours"
    assert len(mail_sink.messages()) == 1

    run(settings, CLEAN)
    update_alerts(settings)
    quiet = load_checks()[name]["quiet_hours"]
    run(
        settings, f"update ops.alerts set closed_at = closed_at - interval '{quiet} hours 1 second'"
    )
    with connect(settings) as connection:
        plant(connection)
    update_alerts(settings)
    assert tell_alerts(settings) == 1, "the quiet hours are over"


def test_a_step_that_went_well_in_a_later_run_is_no_alert(settings: Settings) -> None:
    with connect(settings) as connection:
        fail_step(connection)
        connection.execute(STEP, ("r2", 0, "succeeded", "1 minute"))
    assert update_alerts(settings).opened == 0


def test_all_that_is_new_goes_out_in_one_mail_worst_first(
    settings: Settings, mail_sink: Any
) -> None:
    with connect(settings) as connection:
        be_late(connection)
        fail_step(connection)
        say_something_critical(connection)
    update_alerts(settings)
    assert tell_alerts(settings) == 3
    [mail] = mail_sink.messages()
    assert mail["To"] == "one@x.test, two@x.test"
    assert mail["Subject"] == "callmart: 3 new alerts"
    text = mail.get_content()
    marks = [text.index(mark) for mark in ("[critical]", "[major]", "[minor]")]
    assert marks == sorted(marks)
    assert text.count("what to do: ") == 3


def test_who_cannot_be_reached_keeps_nobody_waiting(settings: Settings, mail_sink: Any) -> None:
    with connect(settings) as connection:
        stick(connection)
    update_alerts(settings)
    assert tell_alerts(replace(settings, alert_recipients=())) == 0
    with sink("wecom") as chat, sink("webhook") as hook, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        both = replace(
            settings,
            alert_recipients=(*settings.alert_recipients, "robot:ops", "robot:pager", "robot:gone"),
            robots={"ops": chat.variable, "pager": hook.variable},
            ui_url="https://airflow.example.test",
        )
        without_mail = replace(both, smtp_port=closed.getsockname()[1])
        with pytest.raises(NoticeError, match=r"mail: .*refused.*robot:gone: .*is not set"):
            tell_alerts(without_mail)
        assert mail_sink.messages() == []
        assert "bucket away" in json.dumps(chat.taken)
        assert [card["link"] for card in hook.taken] == ["https://airflow.example.test"]

        with pytest.raises(NoticeError, match=r"^not told: robot:gone"):
            tell_alerts(both)
        assert len(mail_sink.messages()) == 1
        assert (len(chat.taken), len(hook.taken), chat.refused, hook.refused) == (1, 1, [], [])
        assert tell_alerts(replace(both, alert_recipients=("robot:ops", "one@x.test"))) == 0


def test_alerts_of_a_check_that_is_no_more_are_closed(settings: Settings) -> None:
    run(settings, "insert into ops.alerts (check_name, subject, severity, message)"
                  " values ('old', 'x', 'minor', 'm')")  # fmt: skip
    assert tell_alerts(settings) == 0
    assert update_alerts(settings) == AlertChanges(0, 0, 1)


# --- outcomes of steps ----------------------------------------------------------------------------


def context(exception: object = None) -> dict[str, Any]:
    step = SimpleNamespace(
        dag_id="d", run_id="r", task_id="t", map_index=2, try_number=3, rendered_map_index="part 2"
    )
    return {"task_instance": step, "exception": exception}


@pytest.mark.parametrize(
    ("callback", "exception", "outcome", "error"),
    [
        (record_success, None, "succeeded", None),
        (record_skip, None, "skipped", None),
        (record_failure, ValueError("no\x00 good"), "failed", "ValueError: no good"),
        (record_failure, "killed", "failed", "killed"),
    ],
)
def test_the_outcome_of_a_step_is_kept(
    settings: Settings, callback: Any, exception: object, outcome: str, error: str | None
) -> None:
    callback(context(exception))
    with connect(settings) as connection:
        rows = connection.execute(
            "select dag_id, run_id, task_id, map_index, try_number, outcome, detail ->> 'label',"
            " detail ->> 'error' from ops.step_runs"
        ).fetchall()
    assert rows == [("d", "r", "t", 2, 3, outcome, "part 2", error)]


@pytest.mark.parametrize("dsn", ["", "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"])
def test_a_warehouse_that_is_away_does_not_fail_the_step(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, dsn: str
) -> None:
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", dsn)
    with pytest.raises((psycopg.Error, ValueError)):
        connect(Settings.from_environment())
    record_success(context())
    assert "could not record the outcome of t" in caplog.text
