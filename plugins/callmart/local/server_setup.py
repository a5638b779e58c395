"""What must be there before Airflow starts on a server; run by docker-compose's `airflow-init`.

Makes Airflow's database and login and pools, brings both schemas up to date, makes the bucket. Safe to run
again: `python -m callmart.local.server_setup`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import boto3
import psycopg
import yaml
from botocore.exceptions import ClientError

from callmart.local.postgres import ensure_database
from callmart.local.processes import write_file
from callmart.settings import Settings
from callmart.warehouse import migrate
from callmart.warehouse.roles import ensure_logins


def main() -> None:
    """Every step in the order in which the next needs it."""
    settings = Settings.from_environment()
    with psycopg.connect(settings.warehouse_dsn, autocommit=True) as connection:
        ensure_database(connection, "airflow", "airflow", os.environ["AIRFLOW_DB_PASSWORD"])
    subprocess.run(["airflow", "db", "migrate"], check=True)
    _make_pools()
    migrate(settings)
    with psycopg.connect(settings.warehouse_dsn, autocommit=True) as connection:
        ensure_logins(connection, settings)
    _make_bucket(settings)
    logins = {"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}
    path = os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]
    write_file(Path(path), json.dumps(logins), mode=0o600)


def _make_pools() -> None:
    """The pools that DAGs name, where they are missing; those that are there keep their slots."""
    known = subprocess.run(
        ["airflow", "pools", "list", "--output", "json"], check=True, capture_output=True, text=True
    )
    names = {pool["pool"] for pool in json.loads(known.stdout)}
    numbers = yaml.safe_load(Path(__file__).with_name("stack.yaml").read_text())
    for name, pool in numbers["airflow"]["pools"].items():
        if name not in names:
            subprocess.run(
                ["airflow", "pools", "set", name, str(pool["slots"]), pool["description"]],
                check=True,
            )


def _make_bucket(settings: Settings) -> None:
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    try:
        client.head_bucket(Bucket=settings.bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        client.create_bucket(Bucket=settings.bucket)


if __name__ == "__main__":
    main()
