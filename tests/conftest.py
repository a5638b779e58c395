"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callmart.local.ports import find_free_port, listens
from callmart.local.postgres import PostgresServer
from callmart.local.processes import Service

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real recordings and extracts that the environment names."""
    configured = os.environ.get("CALLMART_TEST_DATA")
    if not configured:
        pytest.skip(
            "CALLMART_TEST_DATA is not set: it names the folder that holds landing/, emotion/"
        )
    path = Path(configured)
    if not path.is_dir():
        pytest.skip(f"CALLMART_TEST_DATA={path} is not a folder")
    return path


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of its own in the test session's S3 server."""

    name: str
    endpoint_url: str
    client: S3Client


@dataclass(frozen=True)
class MailSink:
    """The test session's mail sink, empty at the start of the test."""

    host: str
    port: int
    folder: Path

    def messages(self) -> list[Any]:
        """The mails that arrived, oldest first, as `email.message.EmailMessage`."""
        from email import policy
        from email.parser import BytesParser

        parser = BytesParser(policy=policy.default)
        return [parser.parsebytes(path.read_bytes()) for path in sorted(self.folder.glob("*.eml"))]


def _free_port() -> int:
    # Apart from the ports of embedded stacks, so that tests never take one of theirs.
    return find_free_port(32001, 32700)


@pytest.fixture(scope="session")
def services_home() -> Iterator[Path]:
    """A folder that the database's account can pass through when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="callmart-tests-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        yield home


@pytest.fixture(scope="session")
def postgres_server(services_home: Path) -> Iterator[PostgresServer]:
    """The one PostgreSQL of the test session; it need not survive a power failure."""
    speed = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    settings = {**speed, "max_connections": 100, "shared_buffers": "128MB", "timezone": "UTC"}
    server = PostgresServer(services_home, "for tests only", settings)
    server.start(_free_port(), wait_seconds=120)
    yield server
    server.stop(wait_seconds=30)


@pytest.fixture(scope="session")
def make_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """Makes a database with the warehouse's migrations applied; returns its connection string.

    For a fixture of wider scope than one test; a test takes `postgres`.
    """
    import psycopg
    from psycopg import sql

    from callmart.warehouse import migrate

    postgres_server.ensure_database("template_warehouse", "callmart", "for tests only")
    migrate(postgres_server.dsn("template_warehouse"))

    def make() -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template template_warehouse").format(
                    sql.Identifier(name)
                )
            )
        return postgres_server.dsn(name)

    return make


@pytest.fixture
def postgres(make_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection string of a fresh, migrated warehouse; `Settings.from_environment` has it."""
    dsn = make_database()
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", dsn)
    return dsn


@pytest.fixture(scope="session")
def empty_marts(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The connection string of a warehouse whose marts were built from nothing; shared.

    A test that writes into it leaves it as it was.
    """
    from dataclasses import replace

    from callmart.settings import Settings
    from callmart.warehouse.dbt import build

    dsn = make_database()
    settings = replace(
        Settings.from_environment({}), home=tmp_path_factory.mktemp("marts"), warehouse_dsn=dsn
    )
    build(settings, "seed")
    build(settings, "run")
    return dsn


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of an Airflow that knows the DAGs, for `dag_runs.run_dag`; shared."""
    from dag_runs import prepare_airflow

    return prepare_airflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="session")
def s3_server(services_home: Path) -> Iterator[dict[str, str]]:
    """The one S3 server of the test session: the variables by which boto3 reaches it."""
    port = _free_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "for tests only",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "CALLMART_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    service = Service("s3", services_home)
    folder = services_home / "s3"
    service.start(
        [sys.executable, "-m", "callmart.local.s3", "--folder", str(folder), "--port", str(port)],
        {**os.environ, **environment},
    )
    service.wait_until(partial(listens, port), seconds=60)
    yield environment
    service.stop(seconds=10)


@pytest.fixture
def s3(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A fresh bucket; boto3 and `Settings.from_environment` find it by the environment."""
    import boto3

    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    name = f"test-{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("CALLMART_BUCKET", name)
    endpoint = s3_server["CALLMART_S3_ENDPOINT_URL"]
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=name)
    return Bucket(name, endpoint, client)


@pytest.fixture(scope="session")
def mail_server(services_home: Path) -> Iterator[tuple[int, Path]]:
    """The one mail sink of the test session: its port and folder."""
    port, folder = _free_port(), services_home / "mail"
    service = Service("mail", services_home)
    service.start(
        [sys.executable, "-m", "callmart.local.mail", "--folder", str(folder), "--port", str(port)],
        os.environ,
    )
    service.wait_until(partial(listens, port), seconds=60)
    yield port, folder
    service.stop(seconds=10)


@pytest.fixture
def mail_sink(mail_server: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> MailSink:
    """An empty mail sink; `Settings.from_environment` has its host and port."""
    port, folder = mail_server
    for path in folder.glob("*.eml"):
        path.unlink()
    monkeypatch.setenv("CALLMART_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("CALLMART_SMTP_PORT", str(port))
    return MailSink("127.0.0.1", port, folder)
