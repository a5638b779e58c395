"""Runs the suites in `expectations/` with Great Expectations and says in words what does not hold."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any, Literal, cast

import psycopg
import yaml
from psycopg import sql
from psycopg.types.json import Jsonb

from callmart.settings import PROJECT_ROOT, Settings
from callmart.warehouse.connection import connect

Layer = Literal["raw", "marts"]

PROJECT = PROJECT_ROOT / "expectations"
_ADDRESS_VARIABLE = "CALLMART_WAREHOUSE_SQLALCHEMY"
_SAMPLES = 5
_WHOLE_TABLE = "all rows"


@dataclass(frozen=True)
class Finding:
    """What one rule found on one table.

    Attributes:
        table: with its schema.
        rule: in words, as the suite says it.
        severity: `critical` stops publication, the rest is reported.
        rows_checked: None where the rule does not count rows.
        rows_unexpected: rows that break it; None where it could not be counted.
        samples: up to five of them, column → value.
        message: one sentence for a person.
        is_judged: False where the rule compares with a past that is too short; the message says what
            there is, and `is_met` is True.
    """

    table: str
    rule: str
    expectation: str
    severity: str
    is_met: bool
    rows_checked: int | None
    rows_unexpected: int | None
    samples: list[dict[str, Any]]
    message: str
    is_judged: bool = True


@dataclass(frozen=True)
class ValidationOutcome:
    """What a layer's suites found.

    Attributes:
        success: no critical rule is broken.
        suites: table → whether all its critical rules hold.
        failures: a sentence for each broken critical rule: table, rule, how many rows, samples.
        warnings: the same for the other rules.
        findings: every rule, also those that hold.
        data_docs_path: the page to open.
    """

    layer: Layer
    success: bool
    suites: dict[str, bool]
    failures: list[str]
    warnings: list[str]
    findings: list[Finding]
    data_docs_path: Path

    def __str__(self) -> str:
        held = sum(finding.is_met for finding in self.findings)
        unjudged = [finding for finding in self.findings if not finding.is_judged]
        lines = [
            f"{self.layer}: {held} of {len(self.findings)} rules on {len(self.suites)} tables hold"
        ]
        lines += [f"broken: {sentence}" for sentence in self.failures]
        lines += [f"warning: {sentence}" for sentence in self.warnings]
        if unjudged:
            lines.append(f"{len(unjudged)} of them have too little past to judge by")
        return "\n".join([*lines, f"see {self.data_docs_path}"])


def validate(settings: Settings, layer: str, *, project: Path = PROJECT) -> ValidationOutcome:
    """Check every table of `layer` (`raw` or `marts`) against its suite.

    Results go to `ops.expectation_results` and to Data Docs under `settings.home/expectations`. A
    table that is missing breaks its suite; it does not end the run. The caller decides what a
    failure stops.

    Args:
        project: the folder that holds `great_expectations.yml` and `suites/`.

    Raises:
        ValueError: there is no such layer.
        psycopg.OperationalError: the warehouse cannot be reached.
    """
    folder = project / "suites" / layer
    if layer not in ("raw", "marts") or not folder.is_dir():
        raise ValueError(f"there are expectations on raw and on marts, not on {layer!r}")
    tables = sorted(f"{layer}.{path.stem}" for path in folder.glob("*.json"))
    validated_at = datetime.now(UTC)
    docs = settings.home / "expectations"
    docs.mkdir(parents=True, exist_ok=True)
    findings: list[Finding] = []
    with connect(settings, autocommit=True) as connection:
        with tempfile.TemporaryDirectory(prefix=f".{layer}-", dir=docs) as name:
            root = Path(name) / "project"
            shutil.copytree(project, root)
            for other in (root / "suites").iterdir():
                if other.name != layer:
                    shutil.rmtree(other)
            _declare_tables(root / "great_expectations.yml", tables)
            for file in (root / "suites" / layer).glob("*.json"):
                _fill_in(file, settings)
            with _open_project(root, _address(settings.warehouse_dsn, layer)) as context:
                for table in tables:
                    findings += _validate_table(context, connection, table)
                context.build_data_docs()
            _replace(root / "data_docs", docs / layer)
        _keep(connection, cast("Layer", layer), validated_at, findings)
    _write_front_page(docs)
    broken = [finding for finding in findings if not finding.is_met]
    critical = [finding for finding in broken if finding.severity == "critical"]
    return ValidationOutcome(
        layer=cast("Layer", layer),
        success=not critical,
        suites={table: all(finding.table != table for finding in critical) for table in tables},
        failures=[finding.message for finding in critical],
        warnings=[finding.message for finding in broken if finding.severity != "critical"],
        findings=findings,
        data_docs_path=docs / layer / "index.html",
    )


def _address(dsn: str, layer: str) -> str:
    """The warehouse's address in SQLAlchemy's spelling: the session speaks UTC, its schema is `layer`.

    Whatever else the connection string says (socket folder, sslmode …) is handed on.
    """
    from psycopg.conninfo import conninfo_to_dict
    from sqlalchemy.engine import URL

    parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    parts["options"] = f"{parts.get('options', '')} -c timezone=UTC -c search_path={layer}".strip()
    parts["application_name"] = "callmart expectations"
    user, password = parts.pop("user", None), parts.pop("password", None)
    # The place goes into the query, where libpq's names hold; that also takes a socket's folder.
    url = URL.create("postgresql+psycopg2", username=user, password=password, query=parts)
    return url.render_as_string(hide_password=False)


def _fill_in(suite: Path, settings: Settings) -> None:
    """Put the settings that the SQL of a suite names into its copy."""
    text = suite.read_text(encoding="utf-8")
    filled = text.replace("{business_time_zone}", settings.business_time_zone)
    suite.write_text(filled, encoding="utf-8")


def _declare_tables(configuration: Path, tables: list[str]) -> None:
    """Name the tables in the copied project; adding them one by one would write it anew each time."""
    document = yaml.safe_load(configuration.read_text(encoding="utf-8"))
    document["fluent_datasources"]["warehouse"]["assets"] = {
        table: {
            "type": "table",
            "table_name": table.partition(".")[2],
            "batch_definitions": {_WHOLE_TABLE: {"partitioner": None}},
        }
        for table in tables
    }
    configuration.write_text(yaml.safe_dump(document), encoding="utf-8")


@contextmanager
def _open_project(root: Path, address: str) -> Iterator[Any]:
    """Great Expectations over the copy at `root`; takes seconds to import, so only here."""
    import os

    # Read when the package is imported: no reports about its use leave the house.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    for name in ("great_expectations", "great_expectations.core"):
        logging.getLogger(name).setLevel(logging.WARNING)
    before = os.environ.get(_ADDRESS_VARIABLE)
    os.environ[_ADDRESS_VARIABLE] = address
    try:
        context = great_expectations.get_context(mode="file", context_root_dir=str(root))
        yield context
        context.data_sources.get("warehouse").get_execution_engine().close()
    finally:
        if before is None:
            del os.environ[_ADDRESS_VARIABLE]
        else:
            os.environ[_ADDRESS_VARIABLE] = before


def _validate_table(context: Any, connection: psycopg.Connection, table: str) -> list[Finding]:
    from great_expectations import ValidationDefinition

    suite = context.suites.get(table)
    known = connection.execute("select to_regclass(%s)", (table,)).fetchone()
    if known is None or known[0] is None:
        message = f"{table}: the table does not exist"
        return [
            Finding(table, "the table exists", "table", "critical", False, None, None, [], message)
        ]
    asset = context.data_sources.get("warehouse").get_asset(table)
    definition = context.validation_definitions.add(
        ValidationDefinition(name=table, data=asset.get_batch_definition(_WHOLE_TABLE), suite=suite)
    )
    checked = definition.run(
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": _SAMPLES,
            "unexpected_index_column_names": suite.meta.get("key", []),
        }
    )
    return [_find(connection, table, result.to_json_dict()) for result in checked.results]


def _find(connection: psycopg.Connection, table: str, result: dict[str, Any]) -> Finding:
    """One rule's outcome, in our words."""
    configuration, numbers = result["expectation_config"], result.get("result") or {}
    arguments = configuration["kwargs"]
    kind = str(configuration["type"])
    rule = str(configuration.get("description") or kind)
    severity = str(configuration.get("severity") or "critical")
    is_met = bool(result["success"])
    trouble = _trouble(result.get("exception_info") or {})
    past = _missing_past(connection, table, configuration.get("meta") or {})
    if past is not None and trouble is None:
        message = f"{table}: not judged whether {rule}: {past}"
        return Finding(table, rule, kind, severity, True, None, None, [], message, is_judged=False)
    rows_checked = numbers.get("element_count")
    unexpected = numbers.get("unexpected_count")
    samples: list[dict[str, Any]] = []
    if kind == "unexpected_rows_expectation" and trouble is None:
        unexpected = numbers.get("observed_value")
        if not is_met:
            samples = _query_samples(connection, table, str(arguments["unexpected_rows_query"]))
    elif not is_met:
        samples = _listed_samples(numbers, arguments)
    if is_met:
        message = f"{table}: {rule}"
    elif trouble is not None:
        message = f"{table}: it could not be checked that {rule}: {trouble}"
    elif kind == "expect_table_row_count_to_be_between":
        message = f"{table}: it does not hold that {rule}: the table has {numbers.get('observed_value')} rows"
    else:
        of = f" of {rows_checked}" if rows_checked is not None else ""
        rows = f"{unexpected}{of} row{'' if unexpected == 1 and not of else 's'}"
        message = f"{table}: it does not hold that {rule}: {rows} break{'s' if unexpected == 1 else ''} it"
    if samples:
        message += ", e.g. " + "; ".join(_spell(sample) for sample in samples[:3])
    return Finding(table, rule, kind, severity, is_met, rows_checked, unexpected, samples, message)


def _missing_past(connection: psycopg.Connection, table: str, meta: dict[str, Any]) -> str | None:
    """What a rule with `needs` has too little of; None where there is enough, or none is needed."""
    needs = meta.get("needs")
    if not needs:
        return None
    row = connection.execute(_on_table(connection, table, needs["query"])).fetchone()
    found = int(row[0]) if row else 0
    if found >= needs["at_least"]:
        return None
    return f"it takes {needs['at_least']} {needs['of']}, there are {found}"


def _on_table(connection: psycopg.Connection, table: str, query: str) -> bytes:
    schema, name = table.split(".")
    spelled = sql.Identifier(schema, name).as_string(connection)
    return query.replace("{batch}", spelled).encode()


def _trouble(information: dict[str, Any]) -> str | None:
    """Why a rule could not be checked; None when it was. One exception, or one a metric."""
    entries = [information] if "raised_exception" in information else list(information.values())
    for entry in entries:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return str(entry.get("exception_message")).strip().splitlines()[0]
    return None


def _listed_samples(numbers: dict[str, Any], arguments: dict[str, Any]) -> list[dict[str, Any]]:
    listed = numbers.get("partial_unexpected_index_list") or []
    if listed:
        return [dict(sample) for sample in listed[:_SAMPLES]]
    column = str(arguments.get("column") or arguments.get("column_A") or "value")
    values = (numbers.get("partial_unexpected_list") or [])[:_SAMPLES]
    return [dict(value) if isinstance(value, dict) else {column: value} for value in values]


def _query_samples(connection: psycopg.Connection, table: str, query: str) -> list[dict[str, Any]]:
    """The first rows that a rule of our own SQL returned."""
    # A cursor of the server: a rule that every row breaks must not bring every row here.
    with connection.transaction(), connection.cursor(name="samples") as cursor:
        cursor.execute(_on_table(connection, table, query))
        columns = [column.name for column in cursor.description or ()]
        return [
            dict(zip(columns, map(_plain, row), strict=True)) for row in cursor.fetchmany(_SAMPLES)
        ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _spell(sample: dict[str, Any]) -> str:
    return ", ".join(f"{column} {value}" for column, value in sample.items())


def _keep(
    connection: psycopg.Connection, layer: Layer, validated_at: datetime, findings: list[Finding]
) -> None:
    """One row a rule into `ops.expectation_results`."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.expectation_results (layer, validated_at, table_name, rule, expectation,"
            " severity, is_met, rows_checked, rows_unexpected, samples, message)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (layer, validated_at, found.table, found.rule, found.expectation, found.severity,
                 found.is_met, found.rows_checked, found.rows_unexpected,
                 Jsonb(json.loads(json.dumps(found.samples, default=str))), found.message)
                for found in findings
            ],
        )  # fmt: skip


def _replace(new: Path, old: Path) -> None:
    """Put a folder in the place of another; readers see one or the other."""
    aside = new.with_name("former")
    if old.exists():
        old.rename(aside)
    new.rename(old)


def _write_front_page(docs: Path) -> None:
    """A page that leads to the Data Docs of the layers validated so far."""
    links = "".join(
        f'<li><a href="{escape(layer)}/index.html">{escape(text)}</a></li>'
        for layer, text in (("raw", "raw · 原始数据"), ("marts", "marts · 数据集市"))
        if (docs / layer / "index.html").exists()
    )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>callmart expectations</title>'
        f"<h1>Expectations · 数据期望</h1><ul>{links}</ul></html>\n"
    )
    temporary = docs / ".index.html.new"
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(docs / "index.html")
