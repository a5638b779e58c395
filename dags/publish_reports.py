"""
### publish_reports: the day's report, in Chinese and English

Writes the report of each closed business day to the bucket (`reports/…`) and mails it. A day that was
missed is caught up; a report that a reader has is never sent again (`ops.report_deliveries`).

**Runs** at 07:00 in the business time zone; by hand for any day with the parameter `date`.

**When it fails**

* `plan_reports`: the marts do not reach the day yet, or the warehouse is away.
* `publish_report`: the delivery's row says what the mail server or the bucket answered; clear the
  task. Deliveries that succeeded are not repeated.
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
            format="date",
            description="A business day; none: every closed day that has not been reported yet",
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
