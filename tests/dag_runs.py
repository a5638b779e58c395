"""Runs of a DAG through Airflow's own test run, in a process and a metadata database of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(sys.argv[1]).dags[sys.argv[2]]
run = dag.test(run_conf=json.loads(sys.argv[3]))
print("\\nstate:", run.state)
"""


def prepare_airflow(folder: Path) -> dict[str, str]:
    """Make a metadata database in `folder`; returns the variables that lead Airflow to it."""
    environment = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CALLMART_HOME": str(folder / "home"),
    }
    for command in (["db", "migrate"], ["dags", "reserialize"]):
        subprocess.run(
            [sys.executable, "-m", "airflow", *command],
            check=True,
            env={**os.environ, **environment},
            capture_output=True,
        )
    return environment


def run_dag(
    dag_id: str,
    airflow: Mapping[str, str],
    run_conf: Mapping[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run a DAG once and see it succeed.

    airflow: what `prepare_airflow` gave; variables: of the environment, beside this process's own
    """
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), dag_id, json.dumps(dict(run_conf or {}))],
        env={**os.environ, **airflow, **(variables or {})},
        capture_output=True,
        text=True,
    )
    assert "state: success" in done.stdout.lower().replace("dagrunstate.", ""), done.stderr[-3000:]
