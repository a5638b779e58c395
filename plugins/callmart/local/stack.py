"""The embedded stack: PostgreSQL, an S3 server, a mail sink and Airflow, on loopback ports.

Everything it knows lies under one home (`.callmart`): data, logs, ports, secrets, and `env`, which
holds every variable that callmart, boto3, dbt and Airflow need to use the stack from any shell.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import yaml

from callmart.local.ports import HOST, find_free_port, is_free, listens
from callmart.local.postgres import SUPERUSER, PostgresServer, memory_settings
from callmart.local.processes import Service, ServiceError, write_file
from callmart.settings import PROJECT_ROOT
from callmart.warehouse.roles import LOADER, TRANSFORMER

Progress = Callable[[str], None]

_REGION = "us-east-1"
_LOGIN = "admin"
AIRFLOW_COMPONENTS = {
    # service → (arguments of `airflow`, the component's name in the health report)
    "airflow-api": (["api-server", "--host", HOST, "--workers", "1"], "metadatabase"),
    # The log server would listen on every interface; the API server reads the same files.
    "airflow-scheduler": (["scheduler", "--skip-serve-logs"], "scheduler"),
    "airflow-dag-processor": (["dag-processor"], "dag_processor"),
    "airflow-triggerer": (["triggerer", "--skip-serve-logs"], "triggerer"),
}
_PORTS = ("postgres", "s3", "mail", "airflow")


class Stack:
    """The whole stack of one home. As a context manager it is up inside and down after.

    Args:
        home: the folder of its state; made at the first start.
        with_airflow: False leaves Airflow out (tests of what needs only database and bucket).
        postgres_settings: in place of those of `stack.yaml`, by name.
    """

    def __init__(
        self,
        home: Path,
        *,
        with_airflow: bool = True,
        postgres_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.absolute()
        self._with_airflow = with_airflow
        self._postgres_settings = dict(postgres_settings or {})
        self._numbers: dict[str, Any] = yaml.safe_load(
            Path(__file__).with_name("stack.yaml").read_text()
        )
        self._airflow = {name: Service(name, self.home) for name in AIRFLOW_COMPONENTS}
        self._s3 = Service("s3", self.home)
        self._mail = Service("mail", self.home)

    # -- What is remembered ---------------------------------------------------------------------

    @cached_property
    def _secrets(self) -> dict[str, str]:
        """Made at the first start, then the same for good; only the owner may read the file."""
        path = self.home / "secrets.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        made = {
            "postgres": secrets.token_urlsafe(24),
            "airflow_database": secrets.token_urlsafe(24),
            "warehouse_loader": secrets.token_urlsafe(24),
            "warehouse_transformer": secrets.token_urlsafe(24),
            "pseudonyms": secrets.token_urlsafe(24),
            "airflow_login": secrets.token_urlsafe(12),
            "airflow_fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "airflow_jwt": secrets.token_urlsafe(48),
            "airflow_sessions": secrets.token_urlsafe(32),
            "s3_access_key": f"callmart{secrets.token_hex(6)}",
            "s3_secret_key": secrets.token_urlsafe(30),
        }
        if made.keys() - known.keys():
            known = {**made, **known}
            self._make_home()
            write_file(path, json.dumps(known, indent=1), mode=0o600)
        return known

    def _make_home(self) -> None:
        """Passable for the database's account when we are root, closed to all others' eyes."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)

    @property
    def _ports(self) -> dict[str, int]:
        try:
            ports: dict[str, int] = json.loads((self.home / "ports.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return ports

    def _ensure_port(self, name: str, progress: Progress) -> int:
        """The remembered port of a service that does not run; another one if it is taken."""
        ports = self._ports
        port = ports.get(name)
        if port is not None and is_free(port):
            return port
        first, last = self.port_range()
        try:
            chosen = find_free_port(first, last, ports.values())
        except OSError as error:
            raise ServiceError(f"{name}: {error}") from error
        if port is not None:
            progress(f"port {port} of {name} is in use by another program; {chosen} from now on")
        write_file(self.home / "ports.json", json.dumps({**ports, name: chosen}), mode=0o644)
        return chosen

    # -- What others use ------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Every variable that uses the stack needs; complete once it has been up."""
        ports, known = self._ports, self._secrets
        database = f"{HOST}:{ports.get('postgres')}"
        bucket = os.environ.get("CALLMART_BUCKET", "callmart")
        endpoint = f"http://{HOST}:{ports.get('s3')}"
        address = f"http://{HOST}:{ports.get('airflow')}"
        airflow_home = self.home / "airflow"
        mail = {
            "conn_type": "smtp",
            "host": HOST,
            "port": ports.get("mail"),
            "extra": {"disable_ssl": True, "disable_tls": True},
        }
        numbers = self._numbers["airflow"]
        # A person's own choices (time zone, country, mappings …) reach the services as well.
        own = {name: value for name, value in os.environ.items() if name.startswith("CALLMART_")}
        return {
            "CALLMART_SOURCES_DIR": str(self.home / "sources"),
            "CALLMART_UI_URL": f"{address}/plugin/callmart",
            **own,
            "CALLMART_HOME": str(self.home),
            "CALLMART_WAREHOUSE_DSN": (
                f"postgresql://{SUPERUSER}:{known['postgres']}@{database}/callmart"
            ),
            # The tasks load and build as these; the rest (reports, alerts, the command line) as the owner.
            "CALLMART_LOADER_DSN": (
                f"postgresql://{LOADER}:{known['warehouse_loader']}@{database}/callmart"
            ),
            "CALLMART_TRANSFORMER_DSN": (
                f"postgresql://{TRANSFORMER}:{known['warehouse_transformer']}@{database}/callmart"
            ),
            "CALLMART_PSEUDONYM_KEY": known["pseudonyms"],
            "CALLMART_BUCKET": bucket,
            "CALLMART_S3_ENDPOINT_URL": endpoint,
            "CALLMART_SMTP_HOST": HOST,
            "CALLMART_SMTP_PORT": str(ports.get("mail")),
            "AWS_ACCESS_KEY_ID": known["s3_access_key"],
            "AWS_SECRET_ACCESS_KEY": known["s3_secret_key"],
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AIRFLOW_HOME": str(airflow_home),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(numbers["parallelism"]),
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT_ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # Nothing is loaded or sent before a person (or the demo) says so.
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "AIRFLOW__CORE__FERNET_KEY": known["airflow_fernet_key"],
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_LOGIN}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow_home / "logins.json"),
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(ports.get("airflow")),
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__API__SECRET_KEY": known["airflow_sessions"],
            "AIRFLOW__API_AUTH__JWT_SECRET": known["airflow_jwt"],
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
                f"postgresql+psycopg2://airflow:{known['airflow_database']}@{database}/airflow"
            ),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(airflow_home / "logs"),
            "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(
                airflow_home / "logs" / "dag_processor"
            ),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": str(numbers["bundle_refresh_seconds"]),
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": str(
                numbers["file_process_interval_seconds"]
            ),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(
                numbers["lost_task_seconds"]
            ),
            "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail),
            "GX_ANALYTICS_ENABLED": "false",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            # A proxy of the person's shell must not be asked for the stack's own addresses.
            "NO_PROXY": _no_proxy(os.environ.get("NO_PROXY") or os.environ.get("no_proxy")),
            "no_proxy": _no_proxy(os.environ.get("no_proxy") or os.environ.get("NO_PROXY")),
        }

    def process_environment(self) -> dict[str, str]:
        """`environment()` upon the shell's own, without another Airflow's or AWS account's."""
        foreign = ("AIRFLOW", "AWS_", "PG")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        return {**kept, **self.environment()}

    def login(self) -> tuple[str, str]:
        """User and password of the Airflow page."""
        return _LOGIN, self._secrets["airflow_login"]

    def secret(self, name: str) -> str:
        """One of the secrets made at the first start, by its name in `secrets.json`."""
        return self._secrets[name]

    def ports(self) -> dict[str, int]:
        """The remembered ports; empty before the first start."""
        return self._ports

    def port_range(self) -> tuple[int, int]:
        """Between which ports new ones are chosen."""
        return self._numbers["ports"]["first"], self._numbers["ports"]["last"]

    def address(self) -> str:
        """The Airflow page, e.g. `http://127.0.0.1:20345`."""
        return f"http://{HOST}:{self._ports.get('airflow')}"

    # -- Up and down ----------------------------------------------------------------------------

    def postgres(self) -> PostgresServer:
        """The database server, whether it runs or not."""
        numbers = self._numbers["postgres"]
        sizes = {k: v for k, v in numbers.items() if k not in ("settings", "outside")}
        settings = memory_settings(sizes, psutil.virtual_memory().total)
        return PostgresServer(
            self.home,
            self._secrets["postgres"],
            {**settings, **numbers["settings"], **self._postgres_settings},
            outside=[Path(folder) for folder in numbers["outside"]],
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` at a time."""
        self._make_home()
        with (self.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ServiceError(
                    f"another callmart up or down is at work on {self.home}"
                ) from error
            yield

    def services(self) -> dict[str, Service]:
        """In the order in which they start."""
        services = {"postgres": Service("postgres", self.home, signal.SIGINT)}
        services |= {"s3": self._s3, "mail": self._mail}
        return services | self._airflow if self._with_airflow else services

    def up(self, progress: Progress | None = None) -> bool:
        """Start what does not run and wait until all is ready; False if all ran already.

        An interrupt or an error on the way stops whatever this call started.

        Raises:
            ServiceError: a service did not start; the message says which and shows its log.
        """
        tell = progress or (lambda _: None)
        with self._alone():
            down = [name for name, service in self.services().items() if service.pid is None]
            if not down:
                return False
            try:
                self._start(down, tell)
            except BaseException:
                with _undisturbed():
                    tell("stopping what was started")
                    self._stop(down)
                raise
        return True

    def _start(self, down: list[str], tell: Progress) -> None:
        seconds = self._numbers["seconds_to_wait"]
        for name in down:
            self._stop_service(self.services()[name])  # what a dead one left behind
        moved = [
            name
            for name in _PORTS
            if (name in down or (name == "airflow" and "airflow-api" in down))
            and self._ports.get(name) != self._ensure_port(name, tell)
        ]
        if {"postgres", "s3", "mail", "airflow"} & set(moved):
            # Airflow got the old addresses in its environment when it started.
            for name in self._airflow:
                if name not in down and self._stop_service(self._airflow[name]):
                    down.append(name)
        self._write_environment()
        environment = self.process_environment()
        if "s3" in down:
            self._s3.start(
                self._python("s3", "--folder", str(self.home / "s3"), "--port", self._port("s3")),
                environment,
            )
        if "mail" in down:
            self._mail.start(
                self._python(
                    "mail", "--folder", str(self.home / "mail"), "--port", self._port("mail")
                ),
                environment,
            )
        if "postgres" in down:
            tell("starting PostgreSQL")
            server = self.postgres()
            server.start(self._ports["postgres"], seconds["postgres"])
            server.ensure_database("callmart", SUPERUSER, self._secrets["postgres"])
            server.ensure_database("airflow", "airflow", self._secrets["airflow_database"])
        if self._with_airflow and set(self._airflow) & set(down):
            self._start_airflow(down, environment, tell)
        tell("starting the S3 server and the mail sink")
        for service, name in ((self._s3, "s3"), (self._mail, "mail")):
            service.wait_until(partial(listens, self._ports[name]), seconds[name])
        self._make_bucket(environment)
        self._migrate_warehouse(environment)
        if self._with_airflow:
            tell("waiting for Airflow")
            self._wait_for_airflow(seconds["airflow"])

    def _python(self, module: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"callmart.local.{module}", *arguments]

    def _port(self, name: str) -> str:
        return str(self._ports[name])

    def _write_environment(self) -> None:
        lines = [
            "# Written by `callmart up`; it holds secrets.",
            f"# To use it from a shell: set -a; . {shlex.quote(str(self.home / 'env'))}; set +a",
            *(f"{name}={shlex.quote(value)}" for name, value in self.environment().items()),
        ]
        write_file(self.home / "env", "\n".join(lines) + "\n", mode=0o600)

    def _make_bucket(self, environment: Mapping[str, str]) -> None:
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "s3",
            endpoint_url=environment["CALLMART_S3_ENDPOINT_URL"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=_REGION,
            config=Config(proxies={}),
        )
        names = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        if environment["CALLMART_BUCKET"] not in names:
            client.create_bucket(Bucket=environment["CALLMART_BUCKET"])

    def _migrate_warehouse(self, environment: Mapping[str, str]) -> None:
        from callmart.settings import Settings
        from callmart.warehouse import MigrationError, connect, migrate
        from callmart.warehouse.roles import ensure_logins

        settings = Settings.from_environment(dict(environment))
        try:
            migrate(settings)
        except MigrationError as error:
            raise ServiceError(f"warehouse: {error}") from error
        with connect(settings, autocommit=True) as connection:
            ensure_logins(connection, settings)

    def _start_airflow(
        self, down: list[str], environment: Mapping[str, str], tell: Progress
    ) -> None:
        from importlib.metadata import version

        folder = self.home / "airflow"
        folder.mkdir(exist_ok=True, mode=0o700)
        user, password = self.login()
        write_file(folder / "logins.json", json.dumps({user: password}), mode=0o600)
        airflow = str(Path(sys.executable).with_name("airflow"))
        # Its tables are brought up to date once a version: asking Airflow takes eight seconds.
        stamp, wanted = folder / "tables-of-version", version("apache-airflow")
        if not stamp.exists() or stamp.read_text() != wanted:
            tell("preparing Airflow's tables")
            finished = subprocess.run(
                [airflow, "db", "migrate"],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if finished.returncode != 0:
                end = "\n".join((finished.stdout + finished.stderr).splitlines()[-12:])
                raise ServiceError(f"airflow db migrate failed:\n{end}")
            write_file(stamp, wanted, mode=0o644)
        tell("starting Airflow")
        for name, (arguments, _) in AIRFLOW_COMPONENTS.items():
            if name in down:
                port = ["--port", self._port("airflow")] if name == "airflow-api" else []
                self._airflow[name].start(
                    [airflow, *arguments, *port], environment, working_directory=folder
                )
        write_file(folder / "started", datetime.now(UTC).isoformat(), mode=0o644)

    def _wait_for_airflow(self, seconds: float) -> None:
        """Until each component has reported since it was started (an old heartbeat looks alive)."""
        from callmart.local.airflow_client import AirflowClient

        started = datetime.fromisoformat((self.home / "airflow" / "started").read_text())
        client = AirflowClient(self.address(), *self.login())

        def is_healthy() -> bool:
            for name, service in self._airflow.items():
                if service.pid is None:
                    raise ServiceError(f"{name} ended at once. {service.last_words()}")
            return client.is_healthy(since=started)

        self._airflow["airflow-api"].wait_until(is_healthy, seconds)
        for name, pool in self._numbers["airflow"]["pools"].items():
            client.ensure_pool(name, pool["slots"], pool["description"])

    def down(self, progress: Progress | None = None) -> bool:
        """Stop everything cleanly; False if nothing ran.

        Raises:
            ServiceError: a process belongs to another user.
        """
        tell = progress or (lambda _: None)
        with self._alone():
            running = [name for name, service in self.services().items() if service.members()]
            if not running:
                return False
            tell(f"stopping {', '.join(running)}")
            with _undisturbed():
                self._stop(running)
        return True

    def _stop(self, names: list[str]) -> None:
        """Airflow first, the database last: each may still need what stands before it."""
        services = self.services()
        for group in (set(self._airflow), {"s3", "mail"}, {"postgres"}):
            chosen = [services[name] for name in names if name in group]
            if chosen:
                with ThreadPoolExecutor(len(chosen)) as threads:
                    list(threads.map(self._stop_service, chosen))

    def _stop_service(self, service: Service) -> bool:
        seconds = self._numbers["seconds_to_stop"]
        return service.stop(seconds.get(service.name, seconds["other"]))

    def status(self) -> dict[str, Any]:
        """What runs and how to reach it; the login is in it.

        Returns:
            `{home, is_running, services: [{name, is_running, pid, address, log}],
            airflow: {address, user, password}, s3: {endpoint, bucket}, warehouse: {dsn},
            mail: {folder}}`; all but the first three only once the stack has been up.
        """
        if not (self.home / "secrets.json").exists():
            return {"home": str(self.home), "is_running": False, "services": []}
        ports = self._ports
        addresses = {
            "postgres": f"{HOST}:{ports.get('postgres')}",
            "s3": f"http://{HOST}:{ports.get('s3')}",
            "mail": f"{HOST}:{ports.get('mail')}",
            "airflow-api": self.address(),
        }
        services = [
            {
                "name": name,
                "is_running": service.pid is not None,
                "pid": service.pid,
                "address": addresses.get(name),
                "log": str(service.log),
            }
            for name, service in self.services().items()
        ]
        user, password = self.login()
        environment = self.environment()
        return {
            "home": str(self.home),
            "is_running": all(service["is_running"] for service in services),
            "services": services,
            "airflow": {"address": self.address(), "user": user, "password": password},
            "s3": {"endpoint": addresses["s3"], "bucket": environment["CALLMART_BUCKET"]},
            "warehouse": {"dsn": environment["CALLMART_WAREHOUSE_DSN"]},
            "mail": {"folder": str(self.home / "mail")},
        }

    def remove(self) -> None:
        """Stop and delete everything: data, bucket, secrets."""
        self.down()
        if (self.home / "secrets.json").exists():
            self.postgres().remove()
        shutil.rmtree(self.home)

    def __enter__(self) -> Stack:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()


def _no_proxy(given: str | None) -> str:
    names = [name.strip() for name in (given or "").split(",") if name.strip()]
    return ",".join(dict.fromkeys([*names, HOST, "localhost"]))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C while cleaning up would leave half of it undone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
