"""
### ingest_landing: from the bucket into raw

Lists the landing bucket, enters what is new in the ledger (`ops.objects`) and loads it: CRM rows into
`raw`, recordings and transcripts into their delivery tables. Every object is loaded exactly once by
key and content; what breaks the contract goes to `ops.quarantine` with the file, the row and the rule.

**Runs** every minute; a run that finds nothing new ends after its first task.

**When it fails**

* `discover_objects`: the bucket or the warehouse cannot be reached. Nothing was changed; the next run
  goes on.
* `load_objects`: the log names the object. Each object is one transaction, so nothing is half loaded;
  clear the task or wait for the next run, which takes up what is left.
* A file in quarantine is no failure. Look at `select * from ops.quarantine where status = 'open'`,
  mend the file or the mapping, then `callmart requeue --key GLOB`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule, dag, get_current_context, task

from callmart.airflow import DEFAULT_ARGS, RAW_ROWS, RECORDINGS, START, steps


@dag(
    schedule="* * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["callmart", "ingest"],
    doc_md=__doc__,
)
def ingest_landing() -> None:
    @task
    def discover_objects() -> list[dict[str, Any]]:
        return steps.discover_objects()

    @task(map_index_template="{{ label }}")
    def load_objects(batch: dict[str, Any]) -> None:
        get_current_context()["label"] = batch["label"]
        steps.load_objects(batch["object_ids"])

    @task(outlets=[RAW_ROWS], trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def announce_rows(batches: list[dict[str, Any]]) -> None:
        steps.announce_rows(batches)

    @task(outlets=[RECORDINGS], trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def announce_recordings(batches: list[dict[str, Any]]) -> None:
        steps.announce_recordings(batches)

    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
    def report_failure() -> None:
        steps.fail("a batch could not be loaded: see the failed load_objects task")

    batches = discover_objects()
    loaded = load_objects.expand(batch=batches)
    loaded >> [announce_rows(batches), announce_recordings(batches), report_failure()]


ingest_landing()
