"""Reports against real marts: due, published, refused, tried again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner

from callmart.commands.report import report as report_command
from callmart.reports import DeliveryError, load_plan, page_key, plan, publish, render
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


def reports_file(languages: dict[str, list[str]]) -> dict[str, Any]:
    entry = {"report": "daily", "audience": "chiefs", "languages": languages}
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


def due(languages: str = "en", recipients: tuple[str, ...] = ("a@x.test", "b@x.test")) -> Any:
    return {
        "report": "daily", "date": "2026-11-18", "audience": "chiefs", "language": languages,
        "recipients": list(recipients),
    }  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
def test_marts_without_a_row_give_a_report(settings: Settings, language: str) -> None:
    made = render(settings, date(2026, 11, 18), language, None)
    assert "2026-11-18" in made.page
    assert "–" in made.subject


def test_the_page_lies_in_the_bucket_and_each_recipient_has_one_mail(
    settings: Settings, s3: Any, mail_sink: Any
) -> None:
    first = publish(settings, due())
    assert (first.mailed, first.already_delivered) == (2, 0)
    assert first.page_key == "reports/daily/dt=2026-11-18/chiefs.en.html"
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
    assert s3.client.head_object(Bucket=s3.name, Key=page_key(due()))
    assert publish(settings, due()).mailed == 2


def test_closed_days_are_due_once_and_today_never(settings: Settings, mail_sink: Any) -> None:
    today = datetime.now(ZoneInfo(ZONE)).date()
    one, six, eight = (today - timedelta(days=n) for n in (1, 6, 8))
    add_calls(settings, today, one, six, eight)
    wanted = [(str(day), language) for day in (six, one) for language in ("en", "zh")]
    found = plan(settings, None)
    assert [(item["date"], item["language"]) for item in found] == wanted
    assert found[0]["label"] == f"{six} chiefs en"
    for item in found[:1]:
        publish(settings, item)
    assert [(item["date"], item["language"]) for item in plan(settings, None)] == wanted[1:]
    # A recipient who is new is caught up with; the others are not written to again.
    settings.reports_file.write_text(
        yaml.safe_dump(reports_file({"en": ["a@x.test", "new@x.test", "b@x.test"]}))
    )
    [catch_up] = [item for item in plan(settings, None) if item["date"] == str(six)]
    assert publish(settings, catch_up).mailed == 1
    assert [item["date"] for item in plan(settings, one)] == [str(one)]
    # No recipient: the page is due until it lies in the bucket.
    settings.reports_file.write_text(yaml.safe_dump(reports_file({"zh": []})))
    [page_only] = plan(settings, one)
    publish(settings, page_only)
    assert plan(settings, one) == []


def test_before_the_first_build_nothing_is_due(
    postgres: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", postgres)
    assert plan(Settings.from_environment(), None) == []
    refused = CliRunner().invoke(report_command, ["--period", "2026-11-18"])
    assert refused.exit_code == 1
    assert "marts are not built" in refused.output


def test_a_language_without_a_locale_is_refused_by_name(settings: Settings) -> None:
    settings.reports_file.write_text(yaml.safe_dump(reports_file({"fr": ["a@x.test"]})))
    with pytest.raises(ValueError, match=r"reports\.yaml.*daily.*chiefs.*fr.*en, zh"):
        load_plan(settings.reports_file)


def test_the_command_writes_the_page(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "page.html"
    arguments = ["--period", "2026-11-18", "--lang", "zh", "--out", str(out)]
    done = CliRunner().invoke(report_command, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(out)
    assert 'lang="zh"' in out.read_text(encoding="utf-8")
    assert CliRunner().invoke(report_command, ["--period", "18.11.2026"]).exit_code == 2
