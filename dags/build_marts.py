"""
### build_marts: from raw and facts to what readers rely on

Checks the raw rows (Great Expectations), builds staging, intermediate and marts (dbt, with their
tests), checks the marts. Only marts that passed are announced, and only announced marts are published.

**Runs** when raw rows or facts came; several events that pile up make one run. A run builds what
changed since the last one that succeeded; where code, weights, rules or the like changed it builds
everything, and the log says why. `full_refresh` asks for everything.

**When it fails**

* `validate_raw`: the log names table, rule, number of rows and samples. Ingestion goes on; the marts
  stay as they last passed. Mend the source or, if the rule is wrong, the suite in `expectations/`.
* `build_models`: the log names the dbt node and its error. Clear the task after the fix.
* `validate_marts`: the marts are built but not announced, so no report leaves the house.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, get_current_context, task

from callmart.airflow import DEFAULT_ARGS, FACTS, MARTS, RAW_ROWS, START, steps


@dag(
    schedule=(RAW_ROWS | FACTS),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "full_refresh": Param(
            False, type="boolean", description="Make everything anew instead of what changed"
        )
    },
    tags=["callmart", "warehouse"],
    doc_md=__doc__,
)
def build_marts() -> None:
    @task
    def validate_raw() -> None:
        steps.validate("raw")

    @task(retries=1)
    def build_models() -> None:
        steps.build_models(get_current_context()["params"]["full_refresh"])

    @task(outlets=[MARTS])
    def validate_marts() -> None:
        steps.validate("marts")

    validate_raw() >> build_models() >> validate_marts()


build_marts()
