"""Reports for business users: which are due, what they say, to whom they went.

A delivery is a row of `ops.report_deliveries`; one that is marked sent is never repeated, one that
failed or was cut off is tried again.
"""

from __future__ import annotations

import hashlib
import smtplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from psycopg import Connection
from psycopg.rows import dict_row

from callmart.mail import compose, send
from callmart.reports.rendering import Data, Rendered, Renderer, languages
from callmart.settings import Settings
from callmart.warehouse import connect

QUERIES = Path(__file__).with_name("queries")


class DeliveryError(Exception):
    """Some recipients could not be mailed; the message names them and the server's reasons."""


@dataclass(frozen=True)
class Published:
    """What one publication did: where the page lies, how many mails went out and were there already."""

    page_key: str
    mailed: int
    already_delivered: int


def load_plan(path: Path) -> dict[str, Any]:
    """The reports file: `catch_up_days` and the list of reports with languages and recipients.

    Raises ValueError, naming the file and the report, for a language that has no locale.
    """
    plan: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in plan["reports"]:
        unknown = sorted(set(entry["languages"]) - set(languages()))
        if unknown:
            raise ValueError(
                f"{path}: report {entry['report']}, audience {entry['audience']}: no locale for"
                f" {', '.join(map(str, unknown))}; there are {', '.join(languages())}"
            )
    return plan


def plan(settings: Settings, day: date | None) -> list[dict[str, Any]]:
    """The publications that are due, each with a label for people.

    day: a business day; None takes every closed day of the last `catch_up_days` that holds a call
    and has a recipient without a delivery. Before the first build of the marts there is none.
    """
    configured = load_plan(settings.reports_file)
    today = datetime.now(ZoneInfo(settings.business_time_zone)).date()
    with connect(settings) as connection:
        if day is not None:
            days = [day]
        else:
            built = connection.execute("select to_regclass('marts.calls')").fetchone()
            if built is None or built[0] is None:
                return []
            oldest = today - timedelta(days=configured["catch_up_days"])
            days = [
                row[0]
                for row in connection.execute(
                    "select distinct call_date from marts.calls"
                    " where call_date >= %s and call_date < %s order by 1",
                    (oldest, today),
                )
            ]
        sent = {
            tuple(row)
            for row in connection.execute(
                "select report, period_start, audience, language, channel, recipient"
                " from ops.report_deliveries where status = 'sent'"
            )
        }
    due = []
    for each_day in days:
        for entry in configured["reports"]:
            for language, recipients in entry["languages"].items():
                publication = {
                    "label": f"{each_day} {entry['audience']} {language}",
                    "report": entry["report"],
                    "date": each_day.isoformat(),
                    "audience": entry["audience"],
                    "language": language,
                    "recipients": list(recipients or ()),
                }
                places = [("bucket", page_key(publication))]
                places += [("mail", recipient) for recipient in publication["recipients"]]
                key = (entry["report"], each_day, entry["audience"], language)
                if not all((*key, *place) in sent for place in places):
                    due.append(publication)
    return due


def collect(connection: Connection[Any], day: date, zone: str) -> Data:
    """Run every query of `queries/` for `day`; rows by the query's name."""
    data: dict[str, Sequence[Mapping[str, Any]]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for path in sorted(QUERIES.glob("*.sql")):
            cursor.execute(path.read_bytes(), {"day": day, "zone": zone})
            data[path.stem] = cursor.fetchall()
    return data


def render(settings: Settings, day: date, language: str, page_place: str | None) -> Rendered:
    """Make the report of `day` in `language` from the marts as they stand."""
    with connect(settings) as connection:
        data = collect(connection, day, settings.business_time_zone)
    return Renderer(data, day, settings.business_time_zone, language).render(page_place)


def page_key(report: Mapping[str, Any]) -> str:
    """Where in the bucket the page of a publication lies."""
    return (
        f"reports/{report['report']}/dt={report['date']}"
        f"/{report['audience']}.{report['language']}.html"
    )


@contextmanager
def _delivery(
    connection: Connection[Any],
    report: Mapping[str, Any],
    channel: str,
    recipient: str,
    content: str,
) -> Iterator[bool]:
    """Keep the row of one delivery: yields False when it was made before, marks the outcome after."""
    day = date.fromisoformat(report["date"])
    key = {
        "report": report["report"],
        "day": day,
        "audience": report["audience"],
        "language": report["language"],
        "channel": channel,
        "recipient": recipient,
        "sha": hashlib.sha256(content.encode()).hexdigest(),
    }
    row = connection.execute(
        """
        insert into ops.report_deliveries
            (report, period_start, period_end, audience, language, channel, recipient,
             content_sha256, status)
        values (%(report)s, %(day)s, %(day)s, %(audience)s, %(language)s, %(channel)s,
                %(recipient)s, %(sha)s, 'sending')
        on conflict (report, period_start, period_end, audience, language, channel, recipient)
        do update set status = 'sending', attempted_at = now(),
            content_sha256 = excluded.content_sha256, attempts = report_deliveries.attempts + 1
        where report_deliveries.status <> 'sent' or report_deliveries.channel = 'bucket'
        returning delivery_id
        """,
        key,
    ).fetchone()
    connection.commit()
    if row is None:
        yield False
        return
    mark = "update ops.report_deliveries set status = %s, message = %s where delivery_id = %s"
    try:
        yield True
    except Exception as error:
        connection.execute(mark, ("failed", f"{type(error).__name__}: {error}"[:1000], row[0]))
        connection.commit()
        raise
    connection.execute(mark, ("sent", None, row[0]))
    connection.commit()


def publish(settings: Settings, report: Mapping[str, Any]) -> Published:
    """Put the page of one planned report into the bucket and mail it to those who lack it.

    Raises what the bucket raised, or DeliveryError once every recipient was tried; the delivery's
    row keeps the message.
    """
    from callmart.landing import ObjectStore

    key = page_key(report)
    rendered = render(
        settings,
        date.fromisoformat(report["date"]),
        report["language"],
        f"s3://{settings.bucket}/{key}",
    )
    mailed = already = 0
    refused: list[str] = []
    with connect(settings) as connection:
        # Two publications of one report follow each other; the second finds the first one's rows.
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
        connection.commit()
        with _delivery(connection, report, "bucket", key, rendered.page):
            ObjectStore(settings).put(key, rendered.page.encode(), "text/html; charset=utf-8")
        for recipient in report["recipients"]:
            message = compose(
                settings, recipient, rendered.subject, rendered.mail_text, rendered.mail_html
            )
            try:
                with _delivery(connection, report, "mail", recipient, rendered.mail_html) as is_new:
                    if is_new:
                        send(settings, [message])
            except (smtplib.SMTPException, OSError) as error:
                # The others get theirs all the same.
                refused.append(f"{recipient}: {error}")
                continue
            mailed += is_new
            already += not is_new
    if refused:
        raise DeliveryError(f"not mailed to {'; '.join(refused)}")
    return Published(key, mailed, already)
