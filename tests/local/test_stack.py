"""The embedded stack without Airflow: real servers, stopped, killed and interrupted."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
import psycopg
import pytest

from callmart.local.postgres import memory_settings
from callmart.local.processes import ServiceError
from callmart.local.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UP = """
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from callmart.cli import interruptible
from callmart.local.stack import Stack
with interruptible():
    Stack(Path(sys.argv[1]), with_airflow=False).up(lambda line: print(line, flush=True))
print("up", flush=True)
"""


def make_stack(home: Path) -> Stack:
    # Safe against a power failure is what tests need not be: the disk is what they wait for.
    quick = {"fsync": "off", "full_page_writes": "off"}
    return Stack(home, with_airflow=False, postgres_settings=quick)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    # As root, the folders of pytest are closed to the database's account: its data go elsewhere.
    stack = make_stack(tmp_path / "home")
    yield stack
    stack.remove()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that is up, for tests that only look."""
    stack = make_stack(tmp_path_factory.mktemp("running") / "home")
    stack.up()
    yield stack
    stack.remove()


def processes_of(stack: Stack) -> list[psutil.Process]:
    return [process for service in stack.services().values() for process in service.members()]


def put(stack: Stack, key: str, body: bytes) -> None:
    client = client_of(stack)
    client.put_object(Bucket="callmart", Key=key, Body=body)


def client_of(stack: Stack) -> S3Client:
    environment = stack.environment()
    return boto3.client(
        "s3",
        endpoint_url=environment["CALLMART_S3_ENDPOINT_URL"],
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def test_life_of_a_stack(stack: Stack) -> None:
    """Up, used, down, up again, killed, up again: nothing is lost, ports and secrets stay."""
    assert stack.up() is True
    first = stack.environment()
    with psycopg.connect(first["CALLMART_WAREHOUSE_DSN"], autocommit=True) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept values (1)")
        version = connection.execute("select current_setting('server_version_num')").fetchone()
        assert version is not None
        assert 180000 <= int(version[0]) < 190000
        # The warehouse is ready for use, not just there.
        assert connection.execute("select to_regclass('ops.schema_migrations')").fetchone() != (
            None,
        )
    put(stack, "a", b"1")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "日报"
    mail.set_content("正文")
    with smtplib.SMTP("127.0.0.1", int(first["CALLMART_SMTP_PORT"])) as smtp:
        smtp.send_message(mail)
    assert len(list((stack.home / "mail").glob("*.eml"))) == 1

    running = processes_of(stack)
    assert stack.up() is False, "up twice does nothing"
    assert {p.pid for p in processes_of(stack)} == {p.pid for p in running}

    assert stack.down() is True
    assert [p for p in running if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert stack.down() is False

    again = make_stack(stack.home)
    assert again.up() is True
    assert again.environment() == first
    put(again, "b", b"2")
    with psycopg.connect(first["CALLMART_WAREHOUSE_DSN"], autocommit=True) as connection:
        connection.execute("insert into kept values (2)")

    # The whole machine dies: no service gets the chance to tidy up.
    victims = processes_of(again)
    for process in victims:
        # One may have ended with its parent, killed just before.
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(victims, timeout=10)
    assert again.status()["is_running"] is False
    assert again.up() is True
    with psycopg.connect(first["CALLMART_WAREHOUSE_DSN"]) as connection:
        assert connection.execute("select n from kept order by n").fetchall() == [(1,), (2,)]
    found = client_of(again).list_objects_v2(Bucket="callmart")["Contents"]
    assert [item["Key"] for item in found] == ["a", "b"]


def test_secrets_and_data_are_closed_to_others(running: Stack) -> None:
    for name in ("env", "secrets.json"):
        assert (running.home / name).stat().st_mode & 0o777 == 0o600, name
    for name in ("s3", "mail", "logs", "run"):
        assert (running.home / name).stat().st_mode & 0o777 == 0o700, name
    pids = [service.pid for service in running.services().values()]
    words = {word for pid in pids for word in psutil.Process(pid).cmdline()}
    secrets = set(json.loads((running.home / "secrets.json").read_text()).values())
    assert len(secrets) >= 8
    assert not {s for s in secrets if any(s in word for word in words)}, "seen in a process list"


def test_a_wrong_database_password_is_refused(running: Stack) -> None:
    dsn = running.environment()["CALLMART_WAREHOUSE_DSN"]

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn.replace(running.secret("postgres"), "guess"))


def test_only_loopback_is_listened_on(running: Stack) -> None:
    addresses = {
        connection.laddr.ip
        for process in processes_of(running)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert addresses == {"127.0.0.1"}


def test_the_env_file_says_what_environment_says(running: Stack) -> None:
    script = f"set -a; . {shlex.quote(str(running.home / 'env'))}; exec {sys.executable} -c "
    script += shlex.quote("import json, os; print(json.dumps(dict(os.environ)))")

    output = subprocess.run(["sh", "-c", script], env={}, capture_output=True, check=True).stdout

    shell = json.loads(output)
    assert {name: shell.get(name) for name in running.environment()} == running.environment()


def test_a_port_taken_by_a_stranger_is_replaced_and_said(stack: Stack) -> None:
    stack.up()
    before = stack.ports()
    stack.down()
    said: list[str] = []

    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", before["s3"]))
        stranger.listen()
        stack.up(said.append)

    after = stack.ports()
    assert after["s3"] != before["s3"]
    assert {**after, "s3": 0} == {**before, "s3": 0}
    assert any(f"port {before['s3']} of s3" in line and str(after["s3"]) in line for line in said)
    assert client_of(stack).list_buckets()["Buckets"][0]["Name"] == "callmart"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_in_the_middle_of_up_leaves_nothing(
    stack: Stack, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UP, str(stack.home)], stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "starting PostgreSQL\n"
        command.send_signal(number)
        rest = command.stdout.read()

    assert "up\n" not in rest.splitlines(keepends=True)
    assert command.returncode != 0
    assert processes_of(stack) == []
    if number == signal.SIGINT:
        assert stack.up() is True, "nothing half stands in the way of the next start"


def test_a_pid_file_of_another_boot_does_not_hinder(stack: Stack) -> None:
    """After a reboot the database's old pid may be another process of the same account."""
    stack.up()
    stack.down()
    data = stack.postgres().place() / "data"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n1\n\n127.0.0.1\n")
    (stack.home / "run").mkdir(exist_ok=True)
    (stack.home / "run" / "postgres.json").write_text(
        json.dumps({"pid": os.getpid(), "identity": "another boot:1"})
    )

    assert stack.up() is True


def test_lost_secrets_are_said_and_nothing_is_left_running(stack: Stack) -> None:
    stack.up()
    stack.down()
    (stack.home / "secrets.json").unlink()
    amnesiac = make_stack(stack.home)

    with pytest.raises(ServiceError, match="have another password than the one in"):
        amnesiac.up()

    assert processes_of(amnesiac) == []


def test_one_up_at_a_time(stack: Stack) -> None:
    stack.home.mkdir()

    with (stack.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ServiceError, match="another callmart up or down is at work"):
            stack.up()


def test_a_proxy_of_the_shell_is_not_asked_for_the_stack(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "intranet.example")

    assert stack.up() is True
    assert stack.environment()["NO_PROXY"] == "intranet.example,127.0.0.1,localhost"


@pytest.mark.parametrize(
    ("gigabytes", "expected"), [(1, "128MB"), (4, "256MB"), (8, "512MB"), (64, "1024MB")]
)
def test_memory_by_machine(gigabytes: int, expected: str) -> None:
    sizes = {"shared_buffers": {"part_of_memory": 0.0625, "least_mb": 128, "most_mb": 1024}}

    assert memory_settings(sizes, gigabytes * 2**30) == {"shared_buffers": expected}


def test_commands_find_the_stack_by_what_up_wrote(
    running: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMART_HOME", str(running.home))
    monkeypatch.delenv("CALLMART_WAREHOUSE_DSN", raising=False)
    command = [str(Path(sys.executable).with_name("callmart")), "psql", "--tuples-only"]

    asked = subprocess.run(
        [*command, "--command", "select 'it is ' || current_database()"],
        capture_output=True,
        text=True,
        check=True,
    )
    elsewhere = subprocess.run(
        [*command, "--command", "select 1"],
        env={**os.environ, "CALLMART_WAREHOUSE_DSN": "host=127.0.0.1 port=1 user=me"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert asked.stdout.strip() == "it is callmart"
    assert elsewhere.returncode != 0, "a warehouse named by the shell comes first"
    assert "port 1 failed" in elsewhere.stderr
