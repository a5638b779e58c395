"""
### write_back_crm: what the CRM should know

Writes what changed since the last feed into the bucket (`feeds/<target>/seq=…/`): customer quality
with reasons, what was heard of each demand with the stage it shows and what to do next, requests not to
be called again, wrong numbers. Files in the CRM's own field names, a manifest, the marker `_SUCCESS`
last. Reads what the CRM drops back (`feeds/<target>/rejected/`), and announces a feed to a webhook
where the target names one.

**Runs** on marts that passed; where nothing changed there is no feed.

**When it fails**

* the bucket is away: the same feed, already numbered, is written by the next try.
* a webhook refuses: after five tries the announcement is a dead letter (`ops.crm_webhook_deliveries`)
  and an alert; the feed itself lies in the bucket.
* a target is refused: the log names file and field; mend it (`CALLMART_CRM_TARGETS`).
"""

from __future__ import annotations

from airflow.sdk import dag, task

from callmart.airflow import DEFAULT_ARGS, MARTS, START, steps


@dag(
    schedule=[MARTS],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["callmart", "crm"],
    doc_md=__doc__,
)
def write_back_crm() -> None:
    @task
    def write_feeds() -> None:
        steps.write_feeds()

    write_feeds()


write_back_crm()
