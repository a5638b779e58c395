"""train_emotion_model from the bucket to the proposal, through Airflow's own test run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from dag_runs import run_dag

if TYPE_CHECKING:
    from conftest import Bucket

sys.path.append(str(Path(__file__).parents[1] / "emotion"))
from synthetic_voices import write_corpus

pytestmark = pytest.mark.postgres


def test_a_run_of_the_dag_proposes_models(
    postgres: str, s3: Bucket, airflow_home: dict[str, str], tmp_path: Path
) -> None:
    manifest = write_corpus(tmp_path / "made", speakers=2, takes=2)
    for path in manifest.parent.iterdir():
        s3.client.put_object(
            Bucket=s3.name, Key=f"training/emotion/made/{path.name}", Body=path.read_bytes()
        )
    run_dag("train_emotion_model", airflow_home, run_conf={"corpus": "made"})
    with psycopg.connect(postgres) as connection:
        proposed = connection.execute(
            "select family, status, corpus from ops.emotion_models order by family"
        ).fetchall()
        steps = connection.execute(
            "select distinct task_id, outcome from ops.step_runs order by task_id"
        ).fetchall()
    assert proposed == [(family, "proposed", "made") for family in ("gmm", "neural", "pca")]
    assert steps == [("plan_corpora", "succeeded"), ("train_corpus", "succeeded")]
