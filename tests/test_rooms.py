"""Which room may import which: the project's structure, held by a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_below(*rooms: str) -> list[Path]:
    found = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    assert found, f"no Python file below {rooms}"
    return found


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("path", files_below("ml"), ids=lambda p: str(p.relative_to(ROOT)))
def test_ml_knows_no_pipeline(path: Path) -> None:
    for module in imports_of(path):
        for package in ("callmart", "airflow", "psycopg", "boto3", "dbt"):
            assert not is_within(module, package), f"{path} imports {module}"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in files_below("plugins")
        # callmart_ui.py is what Airflow's plugin loader loads.
        if "airflow" not in path.relative_to(ROOT).parts and path.name != "callmart_ui.py"
    ],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_only_the_airflow_room_imports_airflow(path: Path) -> None:
    assert not [m for m in imports_of(path) if is_within(m, "airflow")]


@pytest.mark.parametrize("path", files_below("dags"), ids=lambda p: p.name)
def test_dags_only_wire(path: Path) -> None:
    allowed = ("__future__", "typing", "airflow.sdk", "callmart.airflow")
    for module in imports_of(path):
        assert any(is_within(module, package) for package in allowed), f"{path} imports {module}"


def test_what_airflow_loads_only_wires() -> None:
    allowed = ("__future__", "airflow.plugins_manager", "callmart.airflow")
    for module in imports_of(ROOT / "plugins" / "callmart_ui.py"):
        assert any(is_within(module, package) for package in allowed), module


def test_nothing_hides_dbt_core() -> None:
    assert not (ROOT / "dbt" / "__init__.py").exists()
