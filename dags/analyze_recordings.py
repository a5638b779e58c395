"""
### analyze_recordings: from sound and words to facts

Hears every recording that this version of the analyser has not heard yet (outcome, speech, emotion)
and searches every transcript that the phrase rules in force have not searched yet. Facts are keyed by
content hash and version, so a repetition adds nothing.

**Runs** when recordings or transcripts were ingested, and can be started by hand after a new version.

**When it fails**

* `analyze_batch`: a batch is one transaction; clear the task. A file that cannot be decoded does not
  fail it: the recording becomes `unreadable` and its file lies in `ops.quarantine`.
* `match_phrases`: a broken rule stops nothing (it is reported in `ops.notices`); a failure here is the
  warehouse or a fault of ours.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule, dag, get_current_context, task

from callmart.airflow import DEFAULT_ARGS, FACTS, HEARD, RECORDINGS, START, steps


@dag(
    schedule=[RECORDINGS],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["callmart", "analysis"],
    doc_md=__doc__,
)
def analyze_recordings() -> None:
    @task
    def plan_batches() -> list[dict[str, Any]]:
        return steps.plan_batches()

    @task(map_index_template="{{ label }}")
    def analyze_batch(batch: dict[str, Any]) -> None:
        get_current_context()["label"] = batch["label"]
        steps.analyze_batch(batch["content_hashes"], batch.get("model"))

    @task
    def match_phrases() -> None:
        steps.match_phrases()

    @task(outlets=[FACTS, HEARD], trigger_rule=TriggerRule.ALL_DONE)
    def announce_facts() -> None:
        """What was committed is worth a build, also where a batch failed: rows wait for it too."""

    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
    def report_failure() -> None:
        steps.fail("a batch could not be analysed: see the failed task")

    analysed = [analyze_batch.expand(batch=plan_batches()), match_phrases()]
    analysed >> announce_facts()
    analysed >> report_failure()


analyze_recordings()
