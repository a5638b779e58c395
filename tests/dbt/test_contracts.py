"""Every published mart, present and future: whose it is, who uses and who sees it, what it says of itself."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from built_marts import Marts

from callmart.settings import Settings
from callmart.warehouse.dbt import manifest_path, parse

FOR_EVERYBODY = {
    "do_not_call_requests": "a wish not to be called binds every team, whoever heard it",
}
ROWS_BY = {"agent", "agent_if_any", "everyone", "management"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = replace(Settings.from_environment({}), home=tmp_path_factory.mktemp("contracts"))
    parse(settings)
    found: dict[str, Any] = json.loads(Path(manifest_path(settings)).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def published(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name → node of every model in marts and marts_pii."""
    found = {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] in ("marts", "marts_pii")
    }
    assert len(found) > 25
    return found


def test_every_mart_is_under_an_enforced_contract_with_a_primary_key(
    published: dict[str, dict[str, Any]], manifest: dict[str, Any]
) -> None:
    unique = {
        node["attached_node"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and (node.get("test_metadata") or {}).get("name", "").startswith("unique")
    }
    for name, node in published.items():
        assert node["config"]["contract"]["enforced"] is True, name
        constraints = [
            *node["constraints"],
            *(one for column in node["columns"].values() for one in column["constraints"]),
        ]
        is_keyed = any(constraint["type"] == "primary_key" for constraint in constraints)
        assert is_keyed or node["unique_id"] in unique, name


def test_every_mart_has_an_owner_who_can_be_written_to(
    published: dict[str, dict[str, Any]], manifest: dict[str, Any]
) -> None:
    owners = {group["name"]: group["owner"] for group in manifest["groups"].values()}
    for name, node in published.items():
        assert owners[node["config"]["group"]]["email"], name


def test_every_mart_says_who_sees_its_rows(published: dict[str, dict[str, Any]]) -> None:
    for name, node in published.items():
        rows_by = node["config"]["meta"].get("rows_by")
        assert rows_by in ROWS_BY, f"{name}: rows_by in dbt_project.yml or its own config"
        if rows_by.startswith("agent"):
            assert "agent_id" in node["columns"], name
        if "agent_id" in node["columns"]:
            assert rows_by != "everyone" or name in FOR_EVERYBODY, f"{name} holds an agent's rows"
        hook = [hook["sql"] for hook in node["config"]["post-hook"]]
        assert "{{ protect_mart() }}" in hook, name
        reader = "bi_reader" if node["schema"] == "marts" else "bi_reader_pii"
        assert node["config"]["grants"] == {"select": [reader]}, name


def test_every_mart_is_used_by_somebody(
    published: dict[str, dict[str, Any]], manifest: dict[str, Any]
) -> None:
    used = {
        unique_id
        for exposure in manifest["exposures"].values()
        for unique_id in exposure["depends_on"]["nodes"]
    }
    unused = [name for name, node in published.items() if node["unique_id"] not in used]
    assert unused == [], "name them in dbt/models/_exposures.yml"


@pytest.mark.postgres
def test_every_column_is_commented_in_both_languages_in_the_database(marts: Marts) -> None:
    rows = marts.query(
        "select c.oid::regclass::text, a.attname, d.description from pg_class as c"
        " join pg_attribute as a on a.attrelid = c.oid and a.attnum >= 0 and not a.attisdropped"
        " left join pg_description as d on d.objoid = c.oid and d.objsubid = a.attnum"
        " where c.relkind in ('r', 'v', 'm', 'p') and a.attnum > 0"
        "   and c.relnamespace in ('marts'::regnamespace, 'marts_pii'::regnamespace)"
        " union all select c.oid::regclass::text, '(table)', obj_description(c.oid) from pg_class as c"
        " where c.relkind in ('r', 'v', 'm', 'p')"
        "   and c.relnamespace in ('marts'::regnamespace, 'marts_pii'::regnamespace)"
    )
    assert len(rows) > 400
    for table, column, description in rows:
        english, _, chinese = (description or "").partition(" / ")
        assert re.search("[A-Za-z]{2}", english), (table, column, description)
        assert re.search("[\u4e00-\u9fff]", chinese), (table, column, description)
