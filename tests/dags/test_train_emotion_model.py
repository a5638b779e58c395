"""train_emotion_model from the bucket to the proposal, through Airflow's own test run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from conftest import Bucket

sys.path.append(str(Path(__file__).parents[1] / "emotion"))
from synthetic_voices import write_corpus

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.postgres

RUN = """
import sys
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(sys.argv[1]).dags["train_emotion_model"]
run = dag.test(run_conf={"corpus": sys.argv[2]})
print("\\nstate:", run.state)
"""


def test_a_run_of_the_dag_proposes_models(postgres: str, s3: Bucket, tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "made", speakers=2, takes=2)
    for path in manifest.parent.iterdir():
        s3.client.put_object(
            Bucket=s3.name, Key=f"training/emotion/made/{path.name}", Body=path.read_bytes()
        )
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CALLMART_HOME": str(tmp_path / "home"),
    }
    for command in (["db", "migrate"], ["dags", "reserialize"]):
        subprocess.run(
            [sys.executable, "-m", "airflow", *command],
            check=True,
            env=environment,
            capture_output=True,
        )
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), "made"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "state: success" in done.stdout.lower().replace("dagrunstate.", ""), done.stderr[-3000:]
    with psycopg.connect(postgres) as connection:
        proposed = connection.execute(
            "select family, status, corpus from ops.emotion_models order by family"
        ).fetchall()
        steps = connection.execute(
            "select distinct task_id, outcome from ops.step_runs order by task_id"
        ).fetchall()
    assert proposed == [(family, "proposed", "made") for family in ("gmm", "neural", "pca")]
    assert steps == [("plan_corpora", "succeeded"), ("train_corpus", "succeeded")]
