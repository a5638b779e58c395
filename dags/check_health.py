"""
### check_health: what a person should know now

Looks for late sources, a growing quarantine, steps that failed, lines that may be flagged and critical
phrases, keeps an alert open in `ops.alerts` while its cause lasts, and tells what is new by mail and
to the robots of group chats (`CALLMART_ALERT_RECIPIENTS`). The checks and their limits are data:
`plugins/callmart/health/checks.yaml`.

**Runs** hourly.

**When it fails** the warehouse, the mail server or a group chat is away: the task names which. Who was
not told is told next time, the others are not told again (`ops.alert_notices`).
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
    def tell_alerts() -> None:
        steps.tell_alerts()

    update_alerts() >> tell_alerts()


check_health()
