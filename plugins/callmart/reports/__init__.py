"""Reports for business users: which are due, what they say, to whom they went.

A delivery is a row of `ops.report_deliveries`; one that is marked sent is never repeated, one that
failed or was cut off is tried again.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import dict_row

from callmart import robots
from callmart.mail import compose, send
from callmart.reports.document import Document
from callmart.reports.periods import Period, closed, parse, period_of
from callmart.reports.plans import MAY_SEE, Entry, load_plan
from callmart.reports.rendering import NoPdfError, Rendered, render, to_pdf
from callmart.reports.sections import AUDIENCES, Data, View, make
from callmart.reports.workbook import write_xlsx
from callmart.settings import Settings
from callmart.warehouse import connect

__all__ = [
    "DeliveryError",
    "NoPdfError",
    "Published",
    "collect",
    "file_key",
    "load_plan",
    "make_document",
    "parse",
    "plan",
    "publish",
    "render",
    "to_pdf",
    "write_xlsx",
]

QUERIES = Path(__file__).with_name("queries")
CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class DeliveryError(Exception):
    """Some readers could not be reached; the message names them and the servers' reasons."""


@dataclass(frozen=True)
class Published:
    """What one publication did: where the page lies, how many were told and knew already.

    left_out: why a format was not made, where one was not
    """

    page_key: str
    mailed: int
    already_delivered: int
    told_robots: int = 0
    left_out: tuple[str, ...] = ()


def plan(settings: Settings, period: Period | None) -> list[dict[str, Any]]:
    """The publications that are due, each with a label for people, oldest period first.

    period: None takes every closed period of every report that ended within its `catch_up_days`,
    holds a call and has a reader without a delivery: a daily report every day, a weekly one from
    Monday on, a monthly one from the first. Before the first build of the marts there is none.
    """
    configured = load_plan(settings.reports_file)
    today = datetime.now(ZoneInfo(settings.business_time_zone)).date()
    if period is not None:
        candidates = [(period, entry) for entry in configured.entries if entry.kind == period.kind]
    else:
        candidates = [
            (each, entry)
            for entry in configured.entries
            for each in closed(entry.kind, today, configured.catch_up_days.get(entry.kind, 0))
        ]
    with connect(settings) as connection:
        if period is None and candidates:
            built = connection.execute("select to_regclass('marts.calls')").fetchone()
            if built is None or built[0] is None:
                return []
            days = {
                row[0]
                for row in connection.execute(
                    "select distinct call_date from marts.calls"
                    " where call_date >= %s and call_date < %s",
                    (min(each.start for each, _ in candidates), today),
                )
            }
            candidates = [
                (each, entry)
                for each, entry in candidates
                if any(each.start <= day <= each.end for day in days)
            ]
        sent = {
            tuple(row)
            for row in connection.execute(
                "select report, period_start, audience, language, channel, recipient"
                " from ops.report_deliveries where status = 'sent'"
            )
        }
    order = {entry: place for place, entry in enumerate(map(id, configured.entries))}
    due = []
    for each, entry in sorted(candidates, key=lambda item: (item[0].end, order[id(item[1])])):
        for language, readers in entry.readers.items():
            publication = _publication(entry, each, language, readers, configured)
            places = [("bucket", file_key(publication))]
            places += [(_channel(reader), reader) for reader in readers]
            key = (entry.kind, each.start, publication["audience_key"], language)
            if not all((*key, *place) in sent for place in places):
                due.append(publication)
    return due


def _publication(
    entry: Entry, period: Period, language: str, readers: Sequence[str], configured: Any
) -> dict[str, Any]:
    audience_key = entry.audience if entry.team is None else f"{entry.audience}:{entry.team}"
    return {
        "label": f"{period.label} {audience_key} {language}",
        "report": entry.kind,
        "period": period.label,
        "audience": entry.audience,
        "audience_key": audience_key,
        "team": entry.team,
        "may_see": list(entry.may_see),
        "language": language,
        "recipients": list(readers),
        "formats": list(entry.formats),
        "link_hours": configured.link_hours,
        "attach_megabytes": configured.attach_megabytes,
    }


def _channel(reader: str) -> str:
    return "robot" if reader.startswith(robots.PREFIX) else "mail"


def collect(connection: Connection[Any], period: Period, audience: str, view: View) -> Data:
    """Run the audience's queries for a period, and those of figures for what it is compared with.

    Compared are the period before (of days the last one that holds a call) and, of a day, the same
    weekday a week earlier; only those that hold a call.
    """

    def ask(query: str, asked: Period) -> list[dict[str, Any]]:
        values = {
            "start": asked.start, "end": asked.end, "zone": view.zone, "team": view.team,
        }  # fmt: skip
        cursor.execute((QUERIES / f"{query}.sql").read_bytes(), values)
        return cursor.fetchall()

    # One snapshot: a build that ends meanwhile does not part the sections from the figures.
    connection.execute("set transaction isolation level repeatable read, read only")
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = {query: ask(query, period) for query in sorted(AUDIENCES[audience].queries)}
        others = [period.before()]
        if period.kind == "daily":
            cursor.execute(
                "select max(call_date) as day from marts.calls where call_date < %s",
                (period.start,),
            )
            found = cursor.fetchone()
            others = [period_of("daily", found["day"])] if found and found["day"] else []
            week_before = period_of("daily", period.start - timedelta(days=7))
            others += [week_before] if week_before not in others else []
        compared = [(other, ask("figures", other)[0]) for other in others]
        compared = [(other, row) for other, row in compared if row["calls"]]
        before: Sequence[Mapping[str, Any]] = ()
        if compared and "drivers" in rows:
            before = ask("drivers", compared[0][0])
    return Data(period, rows, tuple(compared), before)


def make_document(
    settings: Settings,
    period: Period,
    audience: str,
    language: str,
    team: str | None = None,
    may_see: Sequence[str] = MAY_SEE,
) -> Document:
    """The report of a period from the marts as they stand."""
    view = View(
        language,
        settings.business_time_zone,
        settings.ui_url,
        team,
        "names" in may_see,
        "quotes" in may_see,
    )
    with connect(settings) as connection:
        data = collect(connection, period, audience, view)
    return make(data, audience, view, datetime.now(ZoneInfo(view.zone)).date())


def file_key(report: Mapping[str, Any], extension: str = "html") -> str:
    """Where in the bucket a file of a publication lies."""
    folder = {"daily": "dt", "weekly": "week", "monthly": "month"}[report["report"]]
    audience = re.sub(r"[^\w-]+", "-", report.get("audience_key", report["audience"]))
    if audience != report.get("audience_key", report["audience"]):
        # Two teams whose names differ only in signs that an address cannot hold stay apart.
        digest = hashlib.sha256(report["audience_key"].encode()).hexdigest()[:6]
        audience = f"{audience}-{digest}"
    return (
        f"reports/{report['report']}/{folder}={report['period']}"
        f"/{audience}.{report['language']}.{extension}"
    )


@contextmanager
def _delivery(
    connection: Connection[Any],
    report: Mapping[str, Any],
    channel: str,
    recipient: str,
    content: bytes,
) -> Iterator[bool]:
    """Keep the row of one delivery: yields False when it was made before, marks the outcome after."""
    period = parse(report["period"])
    key = {
        "report": report["report"],
        "start": period.start,
        "end": period.end,
        "audience": report.get("audience_key", report["audience"]),
        "language": report["language"],
        "channel": channel,
        "recipient": recipient,
        "sha": hashlib.sha256(content).hexdigest(),
    }
    row = connection.execute(
        """
        insert into ops.report_deliveries
            (report, period_start, period_end, audience, language, channel, recipient,
             content_sha256, status)
        values (%(report)s, %(start)s, %(end)s, %(audience)s, %(language)s, %(channel)s,
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
    """Put the files of one planned report into the bucket and tell those readers who lack it.

    Raises what the bucket raised, or DeliveryError once every reader was tried; the delivery's row
    keeps the message.
    """
    from callmart.landing import ObjectStore

    key = file_key(report)
    document = make_document(
        settings,
        parse(report["period"]),
        report["audience"],
        report["language"],
        report.get("team"),
        report.get("may_see", MAY_SEE),
    )
    rendered = render(document, f"s3://{settings.bucket}/{key}")
    files, left_out = _files(document, rendered, report.get("formats", ()))
    store = ObjectStore(settings)
    told = {"mail": 0, "robot": 0}
    already = 0
    refused: list[str] = []
    with connect(settings) as connection:
        # Two publications of one report follow each other; the second finds the first one's rows.
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
        connection.commit()
        # The page last: where it lies, the rest lies too.
        for extension, content in [*files.items(), ("html", rendered.page.encode())]:
            place = file_key(report, extension)
            with _delivery(connection, report, "bucket", place, content):
                store.put(place, content, CONTENT_TYPES[extension])
        for reader in report["recipients"]:
            channel = _channel(reader)
            try:
                with _delivery(
                    connection, report, channel, reader, rendered.mail_html.encode()
                ) as is_new:
                    if is_new and channel == "mail":
                        message = _mail(settings, report, reader, rendered, files)
                        send(settings, [message])
                    elif is_new:
                        hours = report.get("link_hours", 168)
                        link = store.link(key, round(hours * 3600))
                        robot = robots.find_robot(settings.robots, reader)
                        robots.post(robot, _card(document, key, link))
            except (robots.RobotError, smtplib.SMTPException, OSError) as error:
                # The others get theirs all the same.
                refused.append(f"{reader}: {error}")
                continue
            told[channel] += is_new
            already += not is_new
    if refused:
        raise DeliveryError(f"not delivered to {'; '.join(refused)}")
    return Published(key, told["mail"], already, told["robot"], left_out)


def _files(
    document: Document, rendered: Rendered, formats: Sequence[str]
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files beside the page, by extension; and why one is not among them."""
    files: dict[str, bytes] = {}
    left_out = []
    if "xlsx" in formats:
        files["xlsx"] = write_xlsx(document)
    if "pdf" in formats:
        try:
            files["pdf"] = to_pdf(rendered.page)
        except NoPdfError as error:
            left_out.append(str(error))
    return files, tuple(left_out)


def _mail(
    settings: Settings,
    report: Mapping[str, Any],
    reader: str,
    rendered: Rendered,
    files: Mapping[str, bytes],
) -> EmailMessage:
    message = compose(settings, reader, rendered.subject, rendered.mail_text, rendered.mail_html)
    limit = report.get("attach_megabytes", 10) * 1_000_000
    if sum(map(len, files.values())) <= limit:
        for extension, content in files.items():
            maintype, subtype = CONTENT_TYPES[extension].split("/")
            message.add_attachment(
                content,
                maintype=maintype,
                subtype=subtype,
                filename=f"callmart-{report['period']}-{report['audience']}"
                f"-{report['language']}.{extension}",
            )
    return message


def _card(document: Document, key: str, link: str) -> robots.Card:
    """The headline figures, the first sentence, and where to read on."""
    facts = []
    for figure in document.figures[:6]:
        change = next(iter(figure.comparisons), None)
        tone: robots.Tone = "neutral" if change is None or change.tone == "same" else change.tone
        shown = f"{figure.text} {change.text}" if change else figure.text
        facts.append((figure.label, shown, tone))
    said = next((part.sentences for part in document.sections if part.sentences), ())
    return robots.Card(
        key=key,
        title=f"{document.title} {document.period}",
        text=document.words["joiner"].join(said[:2]),
        facts=tuple(facts),
        link_label=document.words["read_on"],
        link=link,
    )
