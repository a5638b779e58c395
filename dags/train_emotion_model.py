"""
### train_emotion_model: a labelled folder of the bucket → candidates for the model in force

Reads `training/emotion/<corpus>/manifest.csv` (columns `path,speaker,label`) with its recordings, trains
and evaluates all three families so that no speaker is judged by a model that heard them, holds each
against the model in force, and proposes it: a row in `ops.emotion_models` with figures, card and the
gate's verdict, files and a page comparing the families below `models/emotion/<version>/`.

**Runs** by hand, with the parameter `corpus`; without it, over every corpus in the bucket. The same
corpus proposes the same models again, bit for bit.

**A person decides**: read `gate_reason` and `COMPARISON.md`, then `callmart emotion promote VERSION`.
analyze_recordings hears with it from then on, and hears again what another model judged; old facts stay.

**When it fails**

* `plan_corpora`: the bucket is away, or holds no corpus of that name.
* `train_corpus`: the log names manifest, rows and rules; they stand in `ops.quarantine` too. Single bad
  rows do not fail it: they are left out and quarantined. Mend the manifest and trigger again.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from callmart.airflow import DEFAULT_ARGS, START, steps


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "corpus": Param(
            None,
            type=["null", "string"],
            description="A folder below training/emotion/; none: all of them",
        )
    },
    tags=["callmart", "analysis"],
    doc_md=__doc__,
)
def train_emotion_model() -> None:
    @task
    def plan_corpora() -> list[dict[str, Any]]:
        return steps.plan_corpora(get_current_context()["params"]["corpus"])

    @task(map_index_template="{{ label }}")
    def train_corpus(corpus: dict[str, Any]) -> None:
        get_current_context()["label"] = corpus["label"]
        steps.train_corpus(corpus["corpus"])

    train_corpus.expand(corpus=plan_corpora())


train_emotion_model()
