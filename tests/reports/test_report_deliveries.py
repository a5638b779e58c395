"""Reports against real marts: due, published, refused, tried again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner

from callmart.commands.report import report as report_command
from callmart.reports import (
    DeliveryError,
    file_key,
    make_document,
    parse,
    plan,
    publish,
    render,
    write_xlsx,
)
from callmart.reports.periods import period_of
from callmart.reports.sections import AUDIENCES
from callmart.settings import Settings
from callmart.warehouse import connect

pytestmark = pytest.mark.postgres

ZONE = "Asia/Shanghai"


@pytest.fixture
def settings(
    empty_marts: str, s3: Any, mail_sink: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Empty marts, an empty bucket, an empty mail sink, and a reports file of the test's own."""
    path = tmp_path / "reports.yaml"
    path.write_text(
        yaml.safe_dump(reports_file({"en": ["a@x.test", "b@x.test"], "zh": ["c@x.test"]}))
    )
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", empty_marts)
    monkeypatch.setenv("CALLMART_REPORTS_FILE", str(path))
    monkeypatch.setenv("CALLMART_BUSINESS_TIME_ZONE", ZONE)
    monkeypatch.setenv("CALLMART_HOME", str(tmp_path / "home"))
    yield Settings.from_environment()
    with connect(empty_marts) as connection:
        connection.execute("truncate ops.report_deliveries, marts.calls")


def reports_file(languages: dict[str, list[str]], **changes: Any) -> dict[str, Any]:
    entry = {"report": "daily", "audience": "management", "languages": languages} | changes
    return {"catch_up_days": 7, "reports": [entry]}


def add_calls(settings: Settings, *days: date) -> None:
    """A row of marts.calls a day, with nothing but what the mart obliges to."""
    with connect(settings) as connection:
        obligatory = connection.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = 'marts.calls'::regclass and attnum > 0 and attnotnull"
        ).fetchall()
        fillings = {"boolean": "false", "integer": "0", "bigint": "0", "date": "2026-01-01",
                    "timestamp with time zone": "2026-01-01T00:00:00Z", "jsonb": "{}",
                    "numeric": "0", "double precision": "0"}  # fmt: skip
        for day in days:
            row = {name: fillings.get(kind, "x") for name, kind in obligatory}
            row |= {"call_id": f"call {day}", "call_date": str(day), "direction": "outbound"}
            columns = ", ".join(row)
            places = ", ".join(["%s"] * len(row))
            connection.execute(
                f"insert into marts.calls ({columns}) values ({places})".encode(),
                list(row.values()),
            )


def deliveries(settings: Settings) -> list[tuple[Any, ...]]:
    with connect(settings) as connection:
        return connection.execute(
            "select channel, recipient, status, message from ops.report_deliveries order by 1, 2"
        ).fetchall()


def due(
    language: str = "en", recipients: tuple[str, ...] = ("a@x.test", "b@x.test"), **changes: Any
) -> dict[str, Any]:
    return {
        "report": "daily", "period": "2026-11-18", "audience": "management", "language": language,
        "recipients": list(recipients), **changes,
    }  # fmt: skip


@pytest.mark.parametrize("audience", sorted(AUDIENCES))
@pytest.mark.parametrize("period", ["2026-11-18", "2026-W47", "2026-11"])
def test_marts_without_a_row_give_a_report(settings: Settings, audience: str, period: str) -> None:
    made = make_document(settings, parse(period), audience, "zh")
    page = render(made, None).page
    assert period in page
    assert "None" not in page
    assert write_xlsx(made).startswith(b"PK")


def test_the_page_lies_in_the_bucket_and_each_recipient_has_one_mail(
    settings: Settings, s3: Any, mail_sink: Any
) -> None:
    first = publish(settings, due())
    assert (first.mailed, first.already_delivered) == (2, 0)
    assert first.page_key == "reports/daily/dt=2026-11-18/management.en.html"
    page = s3.client.get_object(Bucket=s3.name, Key=first.page_key)
    assert page["ContentType"] == "text/html; charset=utf-8"
    assert page["Body"].read().startswith(b"<!DOCTYPE html>")
    mails = mail_sink.messages()
    assert sorted(mail["To"] for mail in mails) == ["a@x.test", "b@x.test"]
    for mail in mails:
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert f"s3://{s3.name}/{first.page_key}" in text.get_content()
        assert "<svg" not in html.get_content()
    assert len({mail["Message-ID"] for mail in mails}) == 2

    second = publish(settings, due())
    assert (second.mailed, second.already_delivered) == (0, 2)
    assert len(mail_sink.messages()) == 2


def test_a_refused_recipient_keeps_nobody_waiting_and_is_tried_again(
    settings: Settings, mail_sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import smtplib

    sent = smtplib.SMTP.send_message

    def refuse_the_first(self: Any, message: Any, *a: Any, **k: Any) -> Any:
        if message["To"] == "a@x.test":
            raise smtplib.SMTPRecipientsRefused({"a@x.test": (550, b"no such box")})
        return sent(self, message, *a, **k)

    with monkeypatch.context() as patch:
        patch.setattr(smtplib.SMTP, "send_message", refuse_the_first)
        with pytest.raises(DeliveryError, match=r"a@x\.test.*no such box"):
            publish(settings, due())
    assert [mail["To"] for mail in mail_sink.messages()] == ["b@x.test"]
    rows = {row[1]: row for row in deliveries(settings)}
    assert rows["a@x.test"][2] == "failed"
    assert "no such box" in rows["a@x.test"][3]
    assert rows["b@x.test"][2:] == ("sent", None)

    again = publish(settings, due())
    assert (again.mailed, again.already_delivered) == (1, 1)
    assert [mail["To"] for mail in mail_sink.messages()] == ["b@x.test", "a@x.test"]
    assert {row[2] for row in deliveries(settings)} == {"sent"}


def test_a_mail_server_that_is_away_fails_every_mail_and_keeps_the_page(
    settings: Settings, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket
    from dataclasses import replace

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        away = replace(settings, smtp_port=closed.getsockname()[1])
        with pytest.raises(DeliveryError):
            publish(away, due())
    assert [row[2] for row in deliveries(settings)] == ["sent", "failed", "failed"]
    assert s3.client.head_object(Bucket=s3.name, Key=file_key(due()))
    assert publish(settings, due()).mailed == 2


def test_closed_days_are_due_once_and_today_never(settings: Settings, mail_sink: Any) -> None:
    today = datetime.now(ZoneInfo(ZONE)).date()
    one, six, eight = (today - timedelta(days=n) for n in (1, 6, 8))
    add_calls(settings, today, one, six, eight)
    wanted = [(str(day), language) for day in (six, one) for language in ("en", "zh")]
    found = plan(settings, None)
    assert [(item["period"], item["language"]) for item in found] == wanted
    assert found[0]["label"] == f"{six} management en"
    for item in found[:1]:
        publish(settings, item)
    assert [(item["period"], item["language"]) for item in plan(settings, None)] == wanted[1:]
    # A recipient who is new is caught up with; the others are not written to again.
    settings.reports_file.write_text(
        yaml.safe_dump(reports_file({"en": ["a@x.test", "new@x.test", "b@x.test"]}))
    )
    [catch_up] = [item for item in plan(settings, None) if item["period"] == str(six)]
    assert publish(settings, catch_up).mailed == 1
    assert [item["period"] for item in plan(settings, parse(str(one)))] == [str(one)]
    # No recipient: the page is due until it lies in the bucket.
    settings.reports_file.write_text(yaml.safe_dump(reports_file({"zh": []})))
    [page_only] = plan(settings, parse(str(one)))
    publish(settings, page_only)
    assert plan(settings, parse(str(one))) == []


def test_before_the_first_build_nothing_is_due(
    postgres: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", postgres)
    assert plan(Settings.from_environment(), None) == []
    refused = CliRunner().invoke(report_command, ["--period", "2026-11-18"])
    assert refused.exit_code == 1
    assert "marts are not built" in refused.output


def test_weeks_and_months_are_caught_up_and_reported_once(settings: Settings, s3: Any) -> None:
    entries = [
        {"report": kind, "audience": "management", "languages": {"en": []}}
        for kind in ("weekly", "monthly")
    ]
    days = {"weekly": 7, "monthly": 31}
    settings.reports_file.write_text(yaml.safe_dump({"catch_up_days": days, "reports": entries}))
    today = datetime.now(ZoneInfo(ZONE)).date()
    week, month = (period_of(kind, today).before() for kind in ("weekly", "monthly"))
    # A call today belongs to periods that run; one in each that is over makes it due.
    add_calls(settings, today)
    assert plan(settings, None) == []
    add_calls(settings, *{week.start, month.start})
    found = plan(settings, None)
    assert {item["period"] for item in found} == {week.label, month.label}
    for item in found:
        publish(settings, item)
    assert plan(settings, None) == []
    with connect(settings) as connection:
        kept = connection.execute(
            "select report, period_start, period_end from ops.report_deliveries order by 1"
        ).fetchall()
    assert kept == [("monthly", month.start, month.end), ("weekly", week.start, week.end)]
    keys = {item["Key"] for item in s3.client.list_objects_v2(Bucket=s3.name)["Contents"]}
    assert f"reports/weekly/week={week.label}/management.en.html" in keys


def test_a_team_has_a_report_of_its_own(settings: Settings) -> None:
    written = reports_file({"en": []}, audience="team_leads", team="East/1", may_see=["quotes"])
    written["reports"] += reports_file({"en": []}, audience="team_leads", team="East-1")["reports"]
    settings.reports_file.write_text(yaml.safe_dump(written))
    east, other = plan(settings, parse("2026-11-18"))
    assert (east["team"], east["may_see"]) == ("East/1", ["quotes"])
    assert file_key(east) != file_key(other)
    publish(settings, east)
    assert [item["team"] for item in plan(settings, parse("2026-11-18"))] == ["East-1"]


def test_files_are_attached_and_lie_beside_the_page(
    settings: Settings, s3: Any, mail_sink: Any
) -> None:
    report = due(recipients=("a@x.test",), formats=["xlsx"])
    publish(settings, report)
    [mail] = mail_sink.messages()
    [attached] = list(mail.iter_attachments())
    assert attached.get_filename() == "callmart-2026-11-18-management-en.xlsx"
    body = s3.client.get_object(Bucket=s3.name, Key=file_key(report, "xlsx"))["Body"].read()
    assert attached.get_content() == body
    publish(settings, due(recipients=("b@x.test",), formats=["xlsx"], attach_megabytes=0.001))
    assert not list(mail_sink.messages()[-1].iter_attachments())


def test_a_pdf_that_cannot_be_made_keeps_nothing_else(
    settings: Settings, s3: Any, mail_sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callmart import fonts

    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    done = publish(settings, due("zh", formats=["pdf", "xlsx"]))
    assert done.mailed == 2
    assert "no font" in done.left_out[0]
    stored = {item["Key"] for item in s3.client.list_objects_v2(Bucket=s3.name)["Contents"]}
    assert stored == {file_key(due("zh"), form) for form in ("html", "xlsx")}


class Group:
    """A group chat that takes cards, or is down, over HTTP."""

    def __init__(self) -> None:
        self.cards: list[dict[str, Any]] = []
        self.is_down = False
        group = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not group.is_down:
                    group.cards.append(json.loads(body))
                self.send_response(503 if group.is_down else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def group() -> Iterator[Group]:
    chat = Group()
    yield chat
    chat.server.shutdown()
    chat.server.server_close()


def test_a_group_chat_gets_a_card_with_a_link_that_opens(
    settings: Settings, group: Group, mail_sink: Any
) -> None:
    from dataclasses import replace

    import httpx

    address = f"webhook http://127.0.0.1:{group.server.server_port}/hook secret"
    told = replace(settings, robots={"sales": address})
    report = due(recipients=("robot:sales", "robot:nobody", "a@x.test"), link_hours=1)
    group.is_down = True
    with pytest.raises(DeliveryError, match=r"robot:sales.*503.*CALLMART_ROBOT_NOBODY"):
        publish(told, report)
    assert len(mail_sink.messages()) == 1
    states = {row[1]: (row[0], row[2]) for row in deliveries(settings)}
    assert states["robot:sales"] == ("robot", "failed")

    group.is_down = False
    with pytest.raises(DeliveryError, match="robot:nobody"):
        publish(told, report)
    [card] = group.cards
    assert card["title"] == "Daily report · management 2026-11-18"
    assert [fact["label"] for fact in card["facts"]][:2] == ["Attempts", "Connection ratio"]
    assert "X-Amz-Expires=3600" in card["link"]
    assert httpx.get(card["link"]).text.startswith("<!DOCTYPE html>")
    done = publish(told, due(recipients=("robot:sales", "a@x.test")))
    assert (done.told_robots, done.already_delivered, len(group.cards)) == (0, 2, 1)


def test_the_command_writes_the_page(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "page.html"
    arguments = ["--period", "2026-11-18", "--lang", "zh", "--out", str(out)]
    done = CliRunner().invoke(report_command, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(out)
    assert 'lang="zh"' in out.read_text(encoding="utf-8")
    assert CliRunner().invoke(report_command, ["--period", "18.11.2026"]).exit_code == 2
    table = tmp_path / "week.xlsx"
    arguments = ["--period", "2026-W47", "--audience", "team_leads", "--team", "East"]
    done = CliRunner().invoke(report_command, [*arguments, "--format", "xlsx", "--out", str(table)])
    assert done.exit_code == 0, done.output
    assert table.read_bytes().startswith(b"PK")
    refused = CliRunner().invoke(report_command, ["--period", "2026-11", "--team", "East"])
    assert "cannot be of one team" in refused.output
