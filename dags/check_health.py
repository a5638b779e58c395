"""
### check_health: what a person should know now

Looks for late sources, a growing quarantine, steps that failed, lines that may be flagged and critical
phrases, keeps an alert open in `ops.alerts` while its cause lasts, and mails what is new. The checks
and their limits are data: `plugins/callmart/health/checks.yaml`.

**Runs** hourly.

**When it fails** the warehouse or the mail server is away; the alerts stay open and are mailed next
time.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from callmart.airflow import DEFAULT_ARGS, START, steps


@dag(
    schedule="@hourly",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["callmart", "operations"],
    doc_md=__doc__,
)
def check_health() -> None:
    @task
    def update_alerts() -> None:
        steps.update_alerts()

    @task
    def mail_alerts() -> None:
        steps.mail_alerts()

    update_alerts() >> mail_alerts()


check_health()
