"""
### replay_history: a past range under other versions, beside the one that is published

Computes the business days `from` to `to` under a version of the rules (phrase and sales rules), of the
weights (with curves and tiers) or of an emotion model, or several of these, and says what would differ:
customers whose tier changes, the distribution, who moves most and why, phrase hits gained and lost. What
the version needs of facts and nobody found yet is found first, and only ever added: phrases in the
range's transcripts, voices in its recordings, in batches of their own. Without a version the range is
computed again as it was judged, and nothing may differ.

**Runs** by hand, with the parameters `from`, `to` and any of `rules`, `weights`, `model`; `callmart replay
versions` lists what they take. The same parameters again make the same replay anew.

**A person decides**: the log of `build_replay` says where the page lies in the bucket (`reports/replays/`)
and what it says; then `callmart replay promote ID` publishes its rows and lets its versions judge the range
from then on, in one transaction, or `callmart replay discard ID` drops it. Until then readers see nothing.

**When it fails**

* `request_replay`: a version that does not exist (the log lists those that do), or a range without calls.
* `judge_batch`: the model's files or the bucket are away; each batch is one transaction, so clear the task.
* `build_replay`: the log names the dbt node and its error. It waits while build_marts writes, and clearing
  it begins anew.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, TriggerRule, dag, get_current_context, task

from callmart.airflow import DEFAULT_ARGS, START, steps


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "from": Param(type="string", format="date", description="First business day, included"),
        "to": Param(type="string", format="date", description="Last business day, included"),
        "rules": Param(None, type=["null", "string"], description="Version of the rules"),
        "weights": Param(None, type=["null", "string"], description="Version of the weights"),
        "model": Param(None, type=["null", "string"], description="Version of an emotion model"),
    },
    tags=["callmart", "warehouse"],
    doc_md=__doc__,
)
def replay_history() -> None:
    @task
    def request_replay() -> int:
        params = get_current_context()["params"]
        return steps.request_replay(
            params["from"], params["to"], params["rules"], params["weights"], params["model"]
        )

    @task
    def search_transcripts(replay_id: int) -> None:
        steps.search_for_replay(replay_id)

    @task
    def plan_judging(replay_id: int) -> list[dict[str, Any]]:
        return steps.plan_judging(replay_id)

    @task(map_index_template="{{ label }}")
    def judge_batch(batch: dict[str, Any]) -> None:
        get_current_context()["label"] = batch["label"]
        steps.judge_batch(batch["model"], batch["content_hashes"])

    # Without another model there is nothing to judge, and that is no reason not to build.
    @task(retries=1, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def build_replay(replay_id: int) -> None:
        steps.build_replay(replay_id)

    replay_id = request_replay()
    facts = [search_transcripts(replay_id), judge_batch.expand(batch=plan_judging(replay_id))]
    facts >> build_replay(replay_id)


replay_history()
