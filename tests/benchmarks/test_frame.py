"""The frame of the benchmarks and `callmart bench`: names, options, contract, the table."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

import benchmarks
from benchmarks import frame
from callmart.cli import main

GIVEN = {"name": "sums", "n": 3, "seconds": 0.25, "peer": "by hand", "ratio": 2.0, "goal": "≥ 1"}


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A package of benchmarks that holds one, `sums`, whose result the test sets."""
    (tmp_path / "sums.py").touch()
    (tmp_path / "frame.py").touch()
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "__init__.py").touch()
    monkeypatch.setattr(benchmarks, "__path__", [str(tmp_path)])

    def set_result(found: dict[str, Any] | Exception) -> None:
        module = ModuleType("benchmarks.sums", "Adds up.\n\nMore of it.")

        def run(options: dict[str, str]) -> dict[str, Any]:
            if isinstance(found, Exception):
                raise found
            return {**found, "told": options.get("size", "")}

        vars(module).update(run=run, OPTIONS={"size": "how many"})
        monkeypatch.setitem(sys.modules, "benchmarks.sums", module)

    set_result(GIVEN)
    return set_result


def bench(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["bench", *arguments])


def test_json_has_what_the_contract_names(sums: Callable[..., None]) -> None:
    done = bench("sums", "--json", "-o", "size=7")

    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {key: found[key] for key in GIVEN} == GIVEN
    assert found["told"] == "7"
    assert set(found["machine"]) == {"processor", "cores", "memory_gb", "system", "python", "numpy"}


@pytest.mark.parametrize("arguments", [("nothing",), ("nothing", "--json")])
def test_an_unknown_name_is_wrong_usage_and_the_names_are_told(
    sums: Callable[..., None], arguments: tuple[str, ...]
) -> None:
    done = bench(*arguments)

    assert done.exit_code == 2
    assert "no benchmark 'nothing'; there are: sums" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("colour=red", "no option 'colour'; there are: size"),
        ("size", "'size' is not of the form key=value"),
        ("=7", "'=7' is not of the form key=value"),
    ],
)
def test_a_faulty_option_is_wrong_usage(sums: Callable[..., None], option: str, words: str) -> None:
    done = bench("sums", "-o", option)

    assert done.exit_code == 2
    assert words in done.stderr


def test_a_value_may_hold_an_equals_sign() -> None:
    assert frame.parse_options(["a=b=c", "d="], {"a": "", "d": ""}) == {"a": "b=c", "d": ""}


def test_without_a_name_they_are_listed_with_their_options(sums: Callable[..., None]) -> None:
    done = bench()

    assert done.exit_code == 0
    assert "Adds up." in done.stdout
    assert "-o size=…  how many" in done.stdout
    assert "frame" not in done.stdout
    assert "peers" not in done.stdout


def test_one_that_cannot_run_says_why_and_ends_with_1(sums: Callable[..., None]) -> None:
    sums(frame.BenchmarkError("no recordings: give -o data=DIR"))
    done = bench("sums", "--json")

    assert done.exit_code == 1
    assert "no recordings: give -o data=DIR" in done.stderr
    assert done.stdout == ""


def test_a_result_without_its_keys_is_a_fault_of_the_benchmark(sums: Callable[..., None]) -> None:
    sums({key: value for key, value in GIVEN.items() if key != "peer"})

    with pytest.raises(RuntimeError, match=r"benchmarks\.sums gave no peer"):
        frame.run("sums")


def test_results_are_appended_as_rows_with_date_and_machine(
    sums: Callable[..., None], tmp_path: Path
) -> None:
    table = tmp_path / "RESULTS.md"
    for day in (21, 22):
        sums({**GIVEN, "share": 0.123456, "by_stage": {"decode": 1}, "peer": "a | b"})
        frame.record(frame.run("sums"), table, date(2026, 11, day))

    rows = [line for line in table.read_text().splitlines() if line.startswith("| 2026")]
    assert [row.split(" | ")[0] for row in rows] == ["| 2026-11-21", "| 2026-11-22"]
    cells = rows[0].strip("| ").split(" | ")
    assert cells[1:8] == ["sums", "3", "0.25", "share 0.1235 · told ", "a / b", "2", "≥ 1"]
    assert f"Python {frame.machine()['python']}" in cells[8]


@pytest.mark.parametrize("name", frame.names())
def test_every_benchmark_of_the_project_declares_itself(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    first, options = frame.describe(name)

    assert first.endswith(".")
    assert len((module.__doc__ or "").splitlines()) > 1, "data, measure, peer and goal belong there"
    assert callable(module.run)
    assert all(isinstance(meaning, str) and meaning for meaning in options.values())
