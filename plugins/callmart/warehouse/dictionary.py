"""The page docs/metrics_dictionary.md, written from dbt's manifest.

`python -m callmart.warehouse.dictionary > docs/metrics_dictionary.md`
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from callmart.settings import Settings
from callmart.warehouse.dbt import manifest_path, parse

COMMAND = "python -m callmart.warehouse.dictionary > docs/metrics_dictionary.md"

_HEAD = f"""# Metrics dictionary

Every column of every mart and every metric of the semantic layer, as dbt knows them: written from its
manifest by `{COMMAND}`; a test holds
it to that. The same words stand as comments in the database (`\\d+ marts.calls`). How figures are
defined: [metrics](metrics.md); which question goes to which mart: [marts](marts.md).

Key columns are **bold**. Who sees rows: `agent` by the team of the row's agent, `agent_if_any` likewise
where there is one, `everyone` every reader, `management` readers of all teams.
"""

_SCHEMAS = {
    "marts": "Marts / 数据集市",
    "marts_pii": "Personal data, for bi_reader_pii alone / 个人信息（仅限获准者）",
}


_CHINESE = re.compile("[\u4e00-\u9fff]")


def dictionary_page(manifest: Mapping[str, Any]) -> str:
    """The text of the page from dbt's manifest (the parsed JSON of `manifest.json`)."""
    published = sorted(
        (
            node
            for node in manifest["nodes"].values()
            if node["resource_type"] == "model" and node["schema"] in _SCHEMAS
        ),
        key=lambda node: node["name"],
    )
    parts = [_HEAD]
    for schema, title in _SCHEMAS.items():
        parts.append(f"## {title}\n")
        parts += [_mart(node) for node in published if node["schema"] == schema]
    parts.append("## Metrics / 指标\n\n| metric | name | what | made of |\n|---|---|---|---|")
    metrics = sorted(manifest["metrics"].values(), key=lambda metric: metric["name"])
    parts[-1] += "".join(
        "\n" + _row(f"`{metric['name']}`", metric["label"], metric["description"], _made_of(metric))
        for metric in metrics
    )
    return "\n".join(parts) + "\n"


def _mart(node: Mapping[str, Any]) -> str:
    keys = {
        column
        for constraint in node["constraints"]
        if constraint["type"] == "primary_key"
        for column in constraint["columns"]
    }
    keys |= {
        name
        for name, column in node["columns"].items()
        if any(constraint["type"] == "primary_key" for constraint in column["constraints"])
    }
    lines = [
        f"### {node['name']}",
        "",
        _text(node["description"]),
        "",
        f"Owner: `{node['config']['group']}` · rows for: `{node['config']['meta']['rows_by']}`",
        "",
        "| column | type | English | 中文 |",
        "|---|---|---|---|",
    ]
    for name, column in node["columns"].items():
        english, chinese = _languages(column["description"])
        cell = f"**`{name}`**" if name in keys else f"`{name}`"
        lines.append(_row(cell, column["data_type"], english, chinese))
    return "\n".join([*lines, ""])


def _made_of(metric: Mapping[str, Any]) -> str:
    parameters = metric["type_params"]
    if metric["type"] == "ratio":
        return f"`{parameters['numerator']['name']}` / `{parameters['denominator']['name']}`"
    if metric["type"] == "derived":
        return f"`{parameters['expr']}`"
    return f"measure `{parameters['measure']['name']}`"


def _languages(description: str) -> tuple[str, str]:
    """English and Chinese of "connected / attempts / 接通率": the first part after which Chinese stands."""
    parts = _text(description).split(" / ")
    for place in range(1, len(parts)):
        if _CHINESE.search(parts[place]):
            return " / ".join(parts[:place]), " / ".join(parts[place:])
    return " / ".join(parts), ""


def _text(description: str) -> str:
    return " ".join(description.split())


def _row(*cells: str) -> str:
    return "| " + " | ".join(_text(cell).replace("|", "\\|") for cell in cells) + " |"


def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings.from_environment({}), home=Path(folder))
        parse(settings)
        manifest = json.loads(Path(manifest_path(settings)).read_text(encoding="utf-8"))
    print(dictionary_page(manifest), end="")


if __name__ == "__main__":
    _main()
