"""What is out of order, kept as alerts that open with their cause and close when it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from callmart.mail import compose, send
from callmart.settings import Settings
from callmart.warehouse import connect

CHECKS_FILE = Path(__file__).with_name("checks.yaml")


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
    `quiet_hours` ago and comes back is opened without a new mail. Alerts of a check that is no more
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
                found = connection.execute(check["query"], {"limit": check.get("limit")}).fetchall()
            for subject, message in found:
                row = connection.execute(
                    """
                    insert into ops.alerts (check_name, subject, severity, message, mailed_at)
                    values (%(name)s, %(subject)s, %(severity)s, %(message)s, (
                        select max(mailed_at) from ops.alerts
                        where check_name = %(name)s and subject = %(subject)s
                            and closed_at > now() - make_interval(hours => %(quiet)s)
                    ))
                    on conflict (check_name, subject) where closed_at is null
                    do update set last_seen_at = now(), message = excluded.message
                    returning xmax = 0 -- true where the row was inserted, not updated
                    """,
                    {
                        "name": name,
                        "subject": subject,
                        "severity": check["severity"],
                        "message": message,
                        "quiet": check["quiet_hours"],
                    },
                ).fetchone()
                if row and row[0]:
                    opened += 1
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


def mail_alerts(settings: Settings) -> int:
    """Mail the open alerts that were not mailed yet, one message for all; the number of alerts.

    Raises what the mail server raised; the alerts then wait for the next round.
    """
    if not settings.alert_recipients:
        return 0
    checks = load_checks()
    with connect(settings) as connection:
        rows = connection.execute(
            """
            select alert_id, check_name, severity, subject, message from ops.alerts
            where closed_at is null and mailed_at is null and check_name = any(%s)
            order by array_position(array['critical', 'major', 'minor'], severity), alert_id
            for update
            """,
            (list(checks),),
        ).fetchall()
        if not rows:
            return 0
        lines = [
            f"[{severity}] {subject}: {message}\n    what to do: {checks[name]['run_book']}"
            for _, name, severity, subject, message in rows
        ]
        heading = f"callmart: {len(rows)} new alert{'s' if len(rows) > 1 else ''}"
        # One message to all of them: had each its own, a refused one would repeat the others.
        recipients = ", ".join(settings.alert_recipients)
        send(settings, [compose(settings, recipients, heading, "\n".join(lines) + "\n")])
        connection.execute(
            "update ops.alerts set mailed_at = now() where alert_id = any(%s)",
            ([row[0] for row in rows],),
        )
    return len(rows)
