"""What the pages say is held to the code: names exist, nothing published is left out, examples run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
import yaml
from psycopg import sql

from callmart.cli import COMMANDS, main
from callmart.contracts import load_entities
from callmart.contracts.outcomes import OUTCOMES
from callmart.health import load_checks
from callmart.landing import expressions
from callmart.landing.mappings import EntityRows, MediaFiles, SourceMapping, TableFiles
from callmart.settings import PROJECT_ROOT
from ml.phrases import load_rules
from ml.transcripts import read_transcript

DOCS = PROJECT_ROOT / "docs"
READMES = [PROJECT_ROOT / "README.md", PROJECT_ROOT / "README.zh-CN.md"]
BUILT = {".venv", ".callmart", ".pytest_cache", "target", "build", "node_modules"}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    found = re.search(
        rf"^(#+) {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found, f"no heading {title}"
    return found[2]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def quoted(text: str) -> set[str]:
    """Words in back-quotes; of `a.b` also `b`."""
    words = {
        word for quote in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", quote)
    }
    assert words
    return words


def markdown_pages() -> list[Path]:
    pages = [
        path
        for path in sorted(PROJECT_ROOT.rglob("*.md"))
        if not BUILT & set(path.relative_to(PROJECT_ROOT).parts)
    ]
    assert {*READMES, *DOCS.glob("*.md")} <= set(pages)
    return pages


def marts() -> dict[str, dict[str, str]]:
    """Mart → column → type, as the contracts of dbt enforce them."""
    tables: dict[str, dict[str, str]] = {}
    for path in sorted((PROJECT_ROOT / "dbt" / "models" / "marts").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            tables[model["name"]] = {
                column["name"]: column["data_type"] for column in model["columns"]
            }
    assert len(tables) > 15
    return tables


# --- contracts.md -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(load_entities()))
def test_every_column_of_an_entity_is_described_with_key_need_type_and_words(name: str) -> None:
    rows = dict(
        re.findall(r"^\| (\S+) \| (.+) \|$", section(page("contracts.md"), name), re.MULTILINE)
    )
    described = {cell: kind for cell, kind in rows.items() if cell != "column" and "-" not in cell}
    expected = {}
    for column in load_entities()[name].columns.values():
        if column.name == "updated_at":
            continue  # every entity's, said once
        cell = f"**{column.name}**" if column.is_required else column.name
        words = f": {', '.join(column.values)}" if column.values else ""
        expected[cell + (r"\*" if column.key else "")] = column.type + words
    assert described == expected


def test_every_outcome_is_named() -> None:
    assert quoted(section(page("contracts.md"), "Outcomes")) >= OUTCOMES


def test_the_example_of_phrase_rules_is_taken() -> None:
    (example,) = blocks(section(page("contracts.md"), "Phrase rules"), "yaml")
    assert [rule.id for rule in load_rules(example.encode()).rules] == [
        "guaranteed_gain",
        "said_who_calls",
    ]


def test_the_example_of_a_transcript_is_read() -> None:
    (example,) = blocks(section(page("contracts.md"), "Transcripts"), "json")
    transcript = read_transcript(example.encode(), "out-7.json")
    assert (transcript.call_id, transcript.is_connected) == ("out-7", True)
    assert [(s.role, s.start_ms, s.end_ms) for s in transcript.segments] == [
        ("customer", 640, 2150)
    ]
    assert not transcript.problems


# --- metrics.md -------------------------------------------------------------------------------------------


def test_every_mart_is_named() -> None:
    assert set(marts()) <= quoted(page("metrics.md"))


def test_every_ratio_and_score_is_named() -> None:
    named = quoted(page("metrics.md"))
    missing = [
        f"{mart}.{column}"
        for mart, columns in marts().items()
        for column in columns
        if ("_ratio" in column or "_score" in column) and column not in named
    ]
    assert not missing


def test_columns_named_with_their_mart_exist() -> None:
    tables = {mart: set(columns) for mart, columns in marts().items()}
    known = {mart: {*columns, "csv"} for mart, columns in tables.items()}
    for name, entity in load_entities().items():
        known.setdefault(name, set()).update(entity.columns)
    wrong: list[str] = []
    for path in (*DOCS.glob("*.md"), *READMES):
        text = path.read_text(encoding="utf-8")
        wrong.extend(
            f"{path.name}: {table}.{column}"
            for table, column in re.findall(r"(?<![\w/.])([a-z_]+)\.([a-z_0-9]+)\b", text)
            if table in known and column not in known[table]
        )
        wrong.extend(
            f"{path.name}: marts.{mart}.{column}"
            # marts.md is a page; a name before a bracket is a function.
            for mart, column in re.findall(
                r"\bmarts\.(?!md\b)([a-z_]+)\b(?!\()(?:\.([a-z_0-9]+))?", text
            )
            if mart not in tables or (column and column not in tables[mart])
        )
    assert not wrong


def test_every_rule_type_of_the_seed_is_described() -> None:
    seed = (PROJECT_ROOT / "dbt" / "seeds" / "rule_types.csv").read_text(encoding="utf-8")
    types = {line.split(",")[0] for line in seed.splitlines()[1:]}
    rows = re.findall(r"^\| `(\w+)` \|", section(page("metrics.md"), "Rule types"), re.MULTILINE)
    assert set(rows) - {"rule_type"} == types


# --- operations.md ----------------------------------------------------------------------------------------


def test_every_setting_is_described() -> None:
    source = (PROJECT_ROOT / "plugins" / "callmart" / "settings.py").read_text(encoding="utf-8")
    variables = set(re.findall(r'"(CALLMART_[A-Z0-9_]+)"', source))
    assert len(variables) > 10
    described = quoted(section(page("operations.md"), "Settings"))
    assert {word for word in described if word.startswith("CALLMART_")} == variables


def test_every_check_says_what_to_do() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section(page("operations.md"), "Alerts"), re.MULTILINE)
    assert sorted(rows) == sorted(load_checks())


def test_every_rule_that_quarantines_a_file_is_explained() -> None:
    raised = {"audio", "refused"}
    for path in (PROJECT_ROOT / "plugins" / "callmart" / "landing").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "FileError":
                rule = node.args[0]
                assert isinstance(rule, ast.Constant), f"{path.name}:{node.lineno}"
                raised.add(str(rule.value))
    assert len(raised) > 10
    assert raised <= quoted(section(page("operations.md"), "Quarantine"))


def test_tables_of_ops_are_those_of_the_warehouse(postgres: str) -> None:
    with psycopg.connect(postgres) as conn:
        tables = conn.execute("select tablename from pg_tables where schemaname = 'ops'").fetchall()
    described = re.findall(
        r"^\| `ops\.(\w+)`(?: and a kind)? \|",
        section(page("operations.md"), "Tables of ops"),
        re.MULTILINE,
    )
    # Those of a running build are named once.
    names = {re.sub(r"^touched_\w+", "touched_", name) for (name,) in tables}
    assert names - {"migrations", "schema_migrations"} == set(described)


def test_the_queries_of_operations_run(postgres: str) -> None:
    queries = [q for text in blocks(page("operations.md"), "sql") for q in statements(text)]
    assert len(queries) == 6
    with psycopg.connect(postgres) as conn:
        for query in queries:
            conn.execute(query.encode())


# --- source_mappings.md -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [SourceMapping, TableFiles, EntityRows, MediaFiles])
def test_every_field_of_a_mapping_is_described(model: Any) -> None:
    assert set(model.model_fields) <= quoted(page("source_mappings.md"))


def test_every_operator_and_condition_is_described() -> None:
    described = quoted(page("source_mappings.md"))
    operators = expressions.OPERATORS | expressions.CONDITIONS
    assert {"coalesce", "epoch_ms", "divide", "matches", "regex", "const"} <= operators
    assert operators <= described


# --- every page -------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings get where it is rendered."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def links() -> Iterator[tuple[Path, str]]:
    for path in markdown_pages():
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:", target):
                yield path, target


def test_every_relative_link_leads_somewhere() -> None:
    broken = []
    for path, target in links():
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(f"{path.relative_to(PROJECT_ROOT)}: {target}")
    assert not broken


def test_every_command_and_option_that_a_page_names_exists() -> None:
    context = main.make_context("callmart", ["--help"], resilient_parsing=True)
    wrong = []
    seen = set()
    for path in markdown_pages():
        text = path.read_text(encoding="utf-8")
        code = [*re.findall(r"`([^`\n]*)`", text), *re.findall(r"^```.*?^```", text, re.S | re.M)]
        for name, rest in re.findall(
            r"(?m)(?:^|[ `(]|bin/)callmart ([a-z]+)\b([^\n`]*)", "\n".join(code)
        ):
            seen.add(name)
            command = main.get_command(context, name)
            if command is None:
                wrong.append(f"{path.name}: callmart {name}")
                continue
            if name == "psql":
                continue  # its options are psql's
            first = rest.split()[0] if rest.split() else ""
            if isinstance(command, click.Group):
                command = command.commands.get(first, command)
            known = {option for parameter in command.params for option in parameter.opts}
            wrong.extend(
                f"{path.name}: callmart {name} {option}"
                for option in re.findall(r"(?<=[\s\[])--[a-z-]+", rest.split("#")[0])
                if option not in known
            )
    assert not wrong
    assert {"demo", "requeue", "inspect", "rules", "report"} <= seen <= set(COMMANDS)


def statements(text: str) -> list[str]:
    """The statements of a block of SQL, comments left out."""
    bare = re.sub(r"--[^\n]*", "", text)
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_queries_of_the_readme_run_on_the_marts_as_published(
    readme: Path, postgres: str
) -> None:
    queries = [
        q for text in blocks(readme.read_text(encoding="utf-8"), "sql") for q in statements(text)
    ]
    assert len(queries) >= 4
    with psycopg.connect(postgres) as conn:
        conn.execute("create schema if not exists marts")
        for mart, columns in marts().items():
            conn.execute(
                sql.SQL("create table marts.{} ({})").format(
                    sql.Identifier(mart),
                    sql.SQL(", ").join(
                        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
                        for name, kind in columns.items()
                    ),
                )
            )
        for query in queries:
            conn.execute(query.encode())
