"""
### transcribe_recordings: speech to text, where no transcript was delivered

Recognises the recordings of answered calls that have no delivered transcript, searches what was
understood for phrases, and announces it. Facts are keyed by content hash and version (code, settings,
models), so a repetition adds nothing; a transcript that is delivered later takes their place.

**Runs** after analyze_recordings. Without a model in the folder that CALLMART_SPEECH_MODELS names it is
skipped, and such calls simply have no transcript (`has_transcript`); `callmart doctor` says which model
to put where. Its batches run in the pool `speech`, so that they never take the slots of other work.

**When it fails**

* `plan_recognition`: the folder of models is none. A model that cannot be used is passed over and named
  in the log and by `callmart doctor`.
* `recognise_batch`: a model could not be loaded, or took more memory than there is (fewer slots in the
  pool, or a smaller model); each recording is committed when it is done, so clear the task.
* `match_phrases`: as in analyze_recordings.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule, dag, get_current_context, task

from callmart.airflow import DEFAULT_ARGS, FACTS, HEARD, SPEECH_POOL, SPEECH_TIMEOUT, START, steps


@dag(
    schedule=[HEARD],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["callmart", "analysis"],
    doc_md=__doc__,
)
def transcribe_recordings() -> None:
    @task
    def plan_recognition() -> list[dict[str, Any]]:
        return steps.plan_recognition()

    @task(
        map_index_template="{{ label }}",
        pool=SPEECH_POOL,
        execution_timeout=SPEECH_TIMEOUT,
    )
    def recognise_batch(batch: dict[str, Any]) -> None:
        get_current_context()["label"] = batch["label"]
        steps.recognise_batch(batch["content_hashes"])

    @task(trigger_rule=TriggerRule.NONE_SKIPPED)
    def match_phrases() -> None:
        """Also where a batch failed: what the others understood is there."""
        steps.match_phrases()

    @task(outlets=[FACTS])
    def announce_facts() -> None:
        """What was understood and searched is worth a build."""

    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
    def report_failure() -> None:
        steps.fail("a batch could not be recognised: see the failed task")

    recognised = recognise_batch.expand(batch=plan_recognition())
    recognised >> match_phrases() >> announce_facts()
    recognised >> report_failure()


transcribe_recordings()
