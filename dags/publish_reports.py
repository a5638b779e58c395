"""
### publish_reports: daily, weekly and monthly reports, in Chinese and English

Writes the reports of each closed day, ISO week and month to the bucket (`reports/…`: page, PDF, XLSX),
mails them and tells the robots of group chats. What was missed is caught up; a report that a reader
has is never sent again (`ops.report_deliveries`).

**Runs** at 07:00 in the business time zone; weekly reports are due from Monday, monthly ones from the
first. By hand for any period with the parameter `date`: a day 2026-11-19, a week 2026-W47, a month
2026-11.

**When it fails**

* `plan_reports`: the reports file is wrong (the message names the place), or the warehouse is away.
* `publish_report`: the delivery's row says what the mail server, the group chat or the bucket
  answered; clear the task. Deliveries that succeeded are not repeated. A PDF that this machine cannot
  make is left out, and the log says why; the rest goes out.
* `publish_documentation`: dbt's documentation (`reports/dbt_docs/index.html`, made when the project
  changed) could not be made or stored; the log has dbt's words. Reports do not wait for it.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from callmart.airflow import DEFAULT_ARGS, START, business_time, steps


@dag(
    schedule=business_time("0 7 * * *"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "date": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d{4}-(\d{2}(-\d{2})?|W\d{2})$",
            description="A day 2026-11-19, an ISO week 2026-W47 or a month 2026-11;"
            " none: every closed period that has not been reported yet",
        )
    },
    tags=["callmart", "reports"],
    doc_md=__doc__,
)
def publish_reports() -> None:
    @task
    def plan_reports() -> list[dict[str, Any]]:
        return steps.plan_reports(get_current_context()["params"]["date"])

    @task(map_index_template="{{ label }}")
    def publish_report(report: dict[str, Any]) -> None:
        get_current_context()["label"] = report["label"]
        steps.publish_report(report)

    @task
    def publish_documentation() -> None:
        steps.publish_documentation()

    publish_report.expand(report=plan_reports())
    publish_documentation()


publish_reports()
