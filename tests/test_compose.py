"""docker-compose.yml and Dockerfile: parsed, and held to what a server needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from callmart.local.stack import Stack

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = sorted(name for name in SERVICES if name.startswith("airflow-"))
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::?([-?])([^}]*))?\}")


def texts(node: Any) -> list[str]:
    """Every text in a part of the file."""
    if isinstance(node, dict):
        return [text for value in node.values() for text in texts(value)]
    if isinstance(node, list):
        return [text for value in node for text in texts(value)]
    return [str(node)]


def airflow_options() -> set[tuple[str, str]]:
    """(section, option) of every setting that the installed Airflow and its providers know."""
    import airflow

    shipped = Path(airflow.__file__).parent / "config_templates" / "config.yml"
    described = yaml.safe_load(shipped.read_text())
    known = {(s, option) for s, body in described.items() for option in body["options"]}
    # Of the celery provider, which only the containers have.
    return known | {("celery", n) for n in ("broker_url", "result_backend", "worker_concurrency")}


def test_the_stack_is_whole() -> None:
    assert set(SERVICES) == {
        "postgres",
        "redis",
        "seaweedfs",
        "airflow-init",
        "airflow-apiserver",
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
        "airflow-worker",
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned_or_built_here(name: str) -> None:
    service = SERVICES[name]
    image, _, tag = service["image"].partition(":")

    assert re.match(r"\d+\.\d+", tag), f"{image}:{tag} moves under our feet"
    assert ("build" in service) == (image == "callmart")


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"airflow-init"}))
def test_every_service_is_watched_and_comes_back(name: str) -> None:
    service = SERVICES[name]

    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["healthcheck"]["retries"] > 1
    assert service["restart"] == "unless-stopped"


def test_what_is_secret_has_no_default() -> None:
    secrets = [
        (name, kind)
        for text in texts(COMPOSE)
        for name, kind, _ in VARIABLE.findall(text)
        if re.search("PASSWORD|SECRET|_KEY", name)
    ]

    assert {name for name, _ in secrets} == {
        "POSTGRES_PASSWORD",
        "LOADER_PASSWORD",
        "TRANSFORMER_PASSWORD",
        "PSEUDONYM_KEY",
        "REDIS_PASSWORD",
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
        "AIRFLOW_DB_PASSWORD",
        "AIRFLOW_ADMIN_PASSWORD",
        "AIRFLOW_FERNET_KEY",
        "AIRFLOW_JWT_SECRET",
        "AIRFLOW_SECRET_KEY",
    }
    assert {kind for _, kind in secrets} == {"?"}
    head = (ROOT / "docker-compose.yml").read_text().split("x-airflow")[0]
    assert all(name in head for name, _ in secrets), "the head tells what to put into .env"


def test_no_address_holds_a_password_in_the_clear() -> None:
    for text in texts(COMPOSE):
        for password in re.findall(r"://[^:/@]*:([^@]+)@", text):
            assert VARIABLE.fullmatch(password), text


def test_only_the_page_is_published_and_on_loopback() -> None:
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}

    assert list(published) == ["airflow-apiserver"]
    assert all(port.startswith("127.0.0.1:") for port in published["airflow-apiserver"])


def test_components_start_after_what_they_need() -> None:
    for name in AIRFLOW:
        needs = SERVICES[name]["depends_on"]
        if name == "airflow-init":
            assert needs["postgres"]["condition"] == "service_healthy"
            assert needs["seaweedfs"]["condition"] == "service_healthy"
        else:
            assert needs["airflow-init"]["condition"] == "service_completed_successfully"
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_every_volume_is_declared() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    # What begins with a variable is a folder of the server's, which the containers only read.
    folders = {mount for mount in mounts if mount.startswith("${")}

    assert {mount.split(":")[0] for mount in mounts if mount not in folders} == set(
        COMPOSE["volumes"]
    )
    assert all(mount.endswith(":ro") for mount in folders)


@pytest.mark.parametrize("where", ["docker-compose.yml", "Dockerfile", "embedded stack"])
def test_every_airflow_setting_is_one_that_airflow_knows(where: str, tmp_path: Path) -> None:
    """A misspelt setting is silently without effect."""
    if where == "docker-compose.yml":
        names = set(SERVICES["airflow-scheduler"]["environment"])
    elif where == "Dockerfile":
        names = set(re.findall(r"AIRFLOW__\w+", (ROOT / "Dockerfile").read_text()))
    else:
        names = set(Stack(tmp_path / "home").environment())
    settings = {
        tuple(name.removeprefix("AIRFLOW__").lower().split("__"))
        for name in names
        if name.startswith("AIRFLOW__")
    }

    assert settings, where
    assert settings - airflow_options() == set()


def test_the_image_is_built_from_the_lock_and_does_not_run_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^ARG BASE=python:3\.1[123]\.\d+", dockerfile, re.MULTILINE)
    assert "--require-hashes --no-deps -r requirements/server.txt" in dockerfile
    instructions = [
        line.split()[0] for line in dockerfile.splitlines() if re.match("[A-Z]+ ", line)
    ]
    assert instructions.index("USER") < instructions.index("CMD")
    assert re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE)[-1] not in {"root", "0"}


def test_secrets_and_state_stay_out_of_the_image_and_the_repository() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()

    assert {".env", ".callmart", ".git", ".venv"} <= set(ignored)
    assert {".env", ".callmart/", ".venv/"} <= set((ROOT / ".gitignore").read_text().split())


def test_the_server_has_what_the_embedded_stack_has_in_the_same_versions() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text()
        return dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", text, re.MULTILINE))

    runtime, server, dev = pins("runtime.txt"), pins("server.txt"), pins("dev.txt")

    assert len(runtime) > 200
    assert runtime.items() <= server.items()
    assert runtime.items() <= dev.items()
    assert "apache-airflow-providers-celery" in server


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "server.txt"])
def test_locks_hold_hashes_and_name_no_host(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())

    assert "://" not in text
    assert all("--hash=sha256:" in block for block in blocks)
