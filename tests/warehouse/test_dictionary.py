"""docs/metrics_dictionary.md is what dbt's manifest says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callmart.settings import PROJECT_ROOT, Settings
from callmart.warehouse.dbt import manifest_path, parse
from callmart.warehouse.dictionary import COMMAND, dictionary_page


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = replace(Settings.from_environment({}), home=tmp_path_factory.mktemp("dictionary"))
    parse(settings)
    found: dict[str, Any] = json.loads(Path(manifest_path(settings)).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def page() -> str:
    return (PROJECT_ROOT / "docs" / "metrics_dictionary.md").read_text(encoding="utf-8")


def test_the_page_is_that_of_the_manifest(manifest: dict[str, Any], page: str) -> None:
    assert page == dictionary_page(manifest), f"run: {COMMAND}"


def test_every_published_column_has_both_languages(manifest: dict[str, Any], page: str) -> None:
    marts = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"].startswith("marts")
    ]
    assert len(marts) > 30
    for node in marts:
        found = re.search(rf"^### {node['name']}\n(.*?)(?=^##)", page, re.DOTALL | re.MULTILINE)
        assert found, node["name"]
        rows = re.findall(
            r"^\| \**`(\w+)`\** \| ([^|]+) \| (.+) \| ([^|]+) \|$", found[1], re.MULTILINE
        )
        assert [name for name, *_ in rows] == list(node["columns"]), node["name"]
        for name, _, english, chinese in rows:
            assert re.search("[A-Za-z]", english), (node["name"], name)
            assert re.search("[\u4e00-\u9fff]", chinese), (node["name"], name)


def test_keys_are_marked_and_cells_stay_cells() -> None:
    node = {
        "name": "things",
        "resource_type": "model",
        "schema": "marts",
        "description": "One row a thing / 每物一行",
        "constraints": [{"type": "primary_key", "columns": ["thing_id"]}],
        "config": {"group": "owners", "meta": {"rows_by": "everyone"}},
        "columns": {
            "thing_id": {"data_type": "text", "description": "Id / 编号", "constraints": []},
            "ratio": {"data_type": "real", "description": "a / b / 比率", "constraints": []},
            "kind": {"data_type": "text", "description": "a | b\n / 甲或乙", "constraints": []},
        },
    }
    text = dictionary_page({"nodes": {"model.things": node}, "metrics": {}})
    assert "| **`thing_id`** | text | Id | 编号 |" in text
    assert "| `ratio` | real | a / b | 比率 |" in text
    assert "| `kind` | text | a \\| b | 甲或乙 |" in text
    assert "Owner: `owners` · rows for: `everyone`" in text
