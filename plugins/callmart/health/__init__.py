"""What is out of order, kept as alerts that open with their cause and close when it is gone."""

from __future__ import annotations

import smtplib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import yaml

from callmart import robots
from callmart.mail import compose, send
from callmart.settings import Settings
from callmart.warehouse import connect

CHECKS_FILE = Path(__file__).with_name("checks.yaml")
MAIL = "mail"
"""Among those who are told: all mail recipients together."""

# An alert that comes back before its quiet hours are over counts as told to those who knew it.
_KEEP_QUIET_SQL = """
insert into ops.alert_notices (alert_id, recipient, sent_at)
select alerts.alert_id, notices.recipient, max(notices.sent_at)
from ops.alerts
inner join ops.alerts as earlier using (check_name, subject)
inner join ops.alert_notices as notices on earlier.alert_id = notices.alert_id
where alerts.alert_id = %s and earlier.closed_at > now() - make_interval(hours => %s)
group by alerts.alert_id, notices.recipient
"""

_UNTOLD_SQL = """
select alert_id, check_name, severity, subject, message from ops.alerts
where closed_at is null and check_name = any(%s)
    and not exists (
        select from ops.alert_notices as notices
        where notices.alert_id = alerts.alert_id and notices.recipient = %s
    )
order by array_position(array['critical', 'major', 'minor'], severity), alert_id
for update
"""
# A group chat is not a list: beyond this many, the rest is counted.
_MOST_IN_A_CARD = 8


class NoticeError(Exception):
    """Some could not be told; `str()` names them and why."""


@dataclass(frozen=True)
class AlertChanges:
    """How many alerts one round opened, saw again and closed."""

    opened: int
    continued: int
    closed: int


def load_checks(path: Path = CHECKS_FILE) -> dict[str, dict[str, Any]]:
    """The checks by name: severity, limit, run_book and a query of (subject, message) rows."""
    checks: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return checks


def update_alerts(settings: Settings) -> AlertChanges:
    """Run every check; open, continue and close alerts in one transaction.

    A check whose tables are not built yet finds nothing. An alert that ended less than its check's
    `quiet_hours` ago and comes back is opened without a new message. Alerts of a check that is no more
    are closed.
    """
    opened = continued = 0
    checks = load_checks()
    with connect(settings) as connection:
        closed = connection.execute(
            "update ops.alerts set closed_at = now()"
            " where closed_at is null and check_name <> all(%s)",
            (list(checks),),
        ).rowcount
        for name, check in checks.items():
            needs = check.get("needs")
            exists = connection.execute("select to_regclass(%s)", (needs,)).fetchone()
            found: list[tuple[Any, ...]] = []
            if needs is None or (exists and exists[0]):
                found = connection.execute(
                    check["query"],
                    {"limit": check.get("limit"), "zone": settings.business_time_zone},
                ).fetchall()
            for subject, message in found:
                row = connection.execute(
                    """
                    insert into ops.alerts (check_name, subject, severity, message)
                    values (%s, %s, %s, %s)
                    on conflict (check_name, subject) where closed_at is null
                    do update set last_seen_at = now(), message = excluded.message
                    returning alert_id, xmax = 0 -- true where the row was inserted, not updated
                    """,
                    (name, subject, check["severity"], message),
                ).fetchone()
                if row and row[1]:
                    opened += 1
                    connection.execute(_KEEP_QUIET_SQL, (row[0], check["quiet_hours"]))
                else:
                    continued += 1
            closed += connection.execute(
                """
                update ops.alerts set closed_at = now()
                where check_name = %s and closed_at is null and not (subject = any(%s))
                """,
                (name, [subject for subject, _ in found]),
            ).rowcount
    return AlertChanges(opened, continued, closed)


def tell_alerts(settings: Settings) -> int:
    """Tell everybody of the open alerts they do not know, in one message each; how many were told.

    Everybody: the mail recipients together (had each a mail of their own, a refused one would repeat
    the others), and each robot that `CALLMART_ALERT_RECIPIENTS` names. One who cannot be reached keeps
    nobody else waiting. Raises NoticeError once all were tried; those who failed are told next time.
    """
    addresses, groups = _recipients(settings)
    checks = load_checks()
    told: set[int] = set()
    failures: list[str] = []
    with connect(settings) as connection:
        for recipient in [*([MAIL] if addresses else []), *groups]:
            rows = connection.execute(_UNTOLD_SQL, (list(checks), recipient)).fetchall()
            alerts = [
                _Alert(alert_id, severity, subject, message, checks[check]["run_book"])
                for alert_id, check, severity, subject, message in rows
            ]
            if not alerts:
                continue
            try:
                if recipient == MAIL:
                    send(settings, [_mail(settings, addresses, alerts)])
                else:
                    robot = robots.find_robot(settings.robots, recipient)
                    robots.post(robot, _card(settings, alerts))
            except (robots.RobotError, smtplib.SMTPException, OSError) as error:
                connection.rollback()
                failures.append(f"{recipient}: {error}")
                continue
            connection.execute(
                "insert into ops.alert_notices (alert_id, recipient)"
                " select unnest(%s::bigint[]), %s",
                ([alert.alert_id for alert in alerts], recipient),
            )
            connection.commit()
            told |= {alert.alert_id for alert in alerts}
    if failures:
        raise NoticeError(f"not told: {'; '.join(failures)}")
    return len(told)


@dataclass(frozen=True)
class _Alert:
    alert_id: int
    severity: str
    subject: str
    message: str
    run_book: str


def _heading(alerts: Sequence[_Alert]) -> str:
    return f"callmart: {len(alerts)} new alert{'s' if len(alerts) > 1 else ''}"


def _recipients(settings: Settings) -> tuple[list[str], list[str]]:
    """Mail addresses, and robots."""
    named = settings.alert_recipients
    groups = [name for name in named if name.startswith(robots.PREFIX)]
    return [name for name in named if name not in groups], groups


def _mail(settings: Settings, addresses: Sequence[str], alerts: Sequence[_Alert]) -> EmailMessage:
    lines = [
        f"[{alert.severity}] {alert.subject}: {alert.message}\n    what to do: {alert.run_book}"
        for alert in alerts
    ]
    if settings.ui_url:
        lines.append(f"\n{settings.ui_url}")
    return compose(settings, ", ".join(addresses), _heading(alerts), "\n".join(lines) + "\n")


def _card(settings: Settings, alerts: Sequence[_Alert]) -> robots.Card:
    shown = [
        f"[{alert.severity}] {alert.subject}: {alert.message}" for alert in alerts[:_MOST_IN_A_CARD]
    ]
    if len(alerts) > len(shown):
        shown.append(f"… and {len(alerts) - len(shown)} more")
    counts = Counter(alert.severity for alert in alerts)
    return robots.Card(
        key="alerts/" + ",".join(str(alert.alert_id) for alert in alerts),
        title=_heading(alerts),
        text="\n".join(shown),
        facts=tuple((severity, str(n), "bad") for severity, n in counts.items()),
        link_label="callmart",
        link=settings.ui_url,
        tone="bad",
    )
