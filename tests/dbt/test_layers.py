"""The rules of the layers, over the manifest: who may read what, what it is called, what stands beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callmart.settings import Settings
from callmart.warehouse.dbt import manifest_path, parse

Node = dict[str, Any]

LAYERS = {"staging", "intermediate", "marts", "personal"}

# Staging computes nothing; what it may do is cast, rename, pick and order versions.
COMPUTES = re.compile(r"\b(group\s+by|sum|avg|percentile_cont|stddev|corr)\b", re.IGNORECASE)

TWO_SOURCES = {
    "stg_callmart__notices": "a notice has its place only through its object",
}
NO_PARTICIPLE = {
    "int_as_of": "one moment",
    "int_agent_half_hours": "named by its grain",
    "int_rule_violations": "the union of the models int_<rule type>_violated",
    "int_customers_contactable": "said of customers",
    "int_sales_rules_effective": "said of rules",
    "int_sales_rules_usable": "said of rules",
    "int_evaluation_versions": "rows of a seed or of the database, as they are in force",
    "int_evaluation_weights": "rows of a seed or of the database, as they are in force",
    "int_evaluation_knots": "rows of a seed or of the database, as they are in force",
    "int_quality_versions": "rows of a seed, as they are in force",
}
PARTICIPLE = re.compile(
    r"(ed|en|wn|un|unk|ought|heard|found|said|met|lost|told|held|begun|led|answering)$"
)

# A mart is made of intermediate models. It reads staging where it shows a row as it was delivered.
READS_STAGING = {
    "agent_scorecard": "name and team of the agent",
    "connection_disputes": "the evidence of the recording, piece by piece",
    "customer_timeline": "complaints as received",
    "code_watch": "words and codes as delivered, which nothing knows",
    "data_freshness": "the loading itself",
    "data_issues": "the loading itself",
    "line_health": "marks on numbers as observed",
    "next_actions": "complaints as received",
}
READS_SOURCES = {
    "data_freshness": "the loading itself",
    "data_issues": "the loading itself",
}

# Words that SQL chooses by a condition: a model that does so classifies, and a unit test shows each choice.
CLASSIFIES = re.compile(r"\b(then|else)\s+'[a-z_]+'")
NAMES_ONLY = {
    "customer_timeline": "the type of an event, by the model it comes from",
    "data_freshness": "the entity of an object, by its kind",
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = replace(Settings.from_environment({}), home=tmp_path_factory.mktemp("layers"))
    parse(settings)
    found = json.loads(Path(manifest_path(settings)).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def models(manifest: dict[str, Any], *layers: str) -> Iterator[Node]:
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and layer_of(node) in layers:
            yield node


def layer_of(node: Node) -> str:
    return str(node["path"]).split("/")[0]


def reads(node: Node, kind: str) -> set[str]:
    """Names of the nodes of a kind (source, model, seed) on which a model rests."""
    return {
        unique_id.split(".", 2)[2]
        for unique_id in node["depends_on"]["nodes"]
        if unique_id.startswith(f"{kind}.")
    }


def code(node: Node) -> str:
    return re.sub(r"--[^\n]*|\{#.*?#\}", "", node["raw_code"], flags=re.DOTALL)


def test_every_model_lies_in_a_layer(manifest: dict[str, Any]) -> None:
    found = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(found) > 100
    assert {layer_of(node) for node in found} == LAYERS


def test_staging_reads_one_source_table_each_or_a_neighbour(manifest: dict[str, Any]) -> None:
    wrong = [
        node["name"]
        for node in models(manifest, "staging")
        if not all(name.startswith("stg_") for name in reads(node, "model"))
        or reads(node, "seed")
        or not reads(node, "model") | reads(node, "source")
        or (len(reads(node, "source")) > 1 and node["name"] not in TWO_SOURCES)
    ]
    assert wrong == []


def test_staging_computes_nothing(manifest: dict[str, Any]) -> None:
    assert [n["name"] for n in models(manifest, "staging") if COMPUTES.search(code(n))] == []


def test_intermediate_rests_on_staging(manifest: dict[str, Any]) -> None:
    wrong = {
        node["name"]: bad
        for node in models(manifest, "intermediate")
        if (
            bad := reads(node, "source")
            | {name for name in reads(node, "model") if not name.startswith(("stg_", "int_"))}
        )
    }
    assert wrong == {}


def test_marts_rest_on_intermediate(manifest: dict[str, Any]) -> None:
    staging = {
        node["name"]
        for node in models(manifest, "marts")
        if any(name.startswith("stg_") for name in reads(node, "model"))
    }
    sources = {node["name"] for node in models(manifest, "marts") if reads(node, "source")}
    assert staging - READS_STAGING.keys() == set()
    assert sources - READS_SOURCES.keys() == set()


def test_names(manifest: dict[str, Any]) -> None:
    wrong = [
        node["name"]
        for node in models(manifest, "staging")
        if not re.fullmatch(r"stg_[a-z]+__[a-z_]+", node["name"])
    ]
    wrong += [
        node["name"]
        for node in models(manifest, "intermediate")
        if node["name"] not in NO_PARTICIPLE
        and not (re.fullmatch(r"int_[a-z_]+", node["name"]) and PARTICIPLE.search(node["name"]))
    ]
    wrong += [
        node["name"]
        for node in models(manifest, "marts", "personal")
        if not re.fullmatch(r"[a-z_]+", node["name"])
        or node["name"].startswith(("stg_", "int_", "fct_", "dim_", "mart_"))
    ]
    assert wrong == []


def test_every_model_is_described(manifest: dict[str, Any]) -> None:
    assert [
        node["name"] for node in models(manifest, *LAYERS) if len(node["description"].strip()) < 10
    ] == []


def test_every_mart_keeps_its_contract_in_both_languages(manifest: dict[str, Any]) -> None:
    wrong = [
        node["name"]
        for node in models(manifest, "marts")
        if not node["config"]["contract"]["enforced"]
        or " / " not in node["description"]
        or any(" / " not in column["description"] for column in node["columns"].values())
    ]
    assert wrong == []


def test_every_mart_has_a_primary_key_that_is_tested(manifest: dict[str, Any]) -> None:
    unique = {
        node["attached_node"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and (node.get("test_metadata") or {}).get("name", "").startswith("unique")
    }
    # Postgres itself keeps a constraint of the contract.
    unique |= {
        node["unique_id"]
        for node in models(manifest, "marts")
        for constraint in (
            *node["constraints"],
            *(one for column in node["columns"].values() for one in column["constraints"]),
        )
        if constraint["type"] == "primary_key"
    }
    lacking = [
        node["name"] for node in models(manifest, "marts") if node["unique_id"] not in unique
    ]
    assert lacking == []


def test_what_classifies_has_a_unit_test(manifest: dict[str, Any]) -> None:
    tested = {test["model"] for test in manifest["unit_tests"].values()}
    lacking = [
        node["name"]
        for node in models(manifest, "intermediate", "marts")
        if CLASSIFIES.search(code(node)) and node["name"] not in tested | NAMES_ONLY.keys()
    ]
    assert lacking == []
