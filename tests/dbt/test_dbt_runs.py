"""Running dbt in this process: what comes back, what is refused, what is left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import PROJECT_DIR, DbtError, build, manifest_path, parse


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "as_of", ["yesterday", "2026-11-18T10:00:00", datetime.fromisoformat("2026-11-18T10:00:00")]
)
def test_an_as_of_without_a_meaning_is_refused(as_of: Any, tmp_path: Path) -> None:
    settings = replace(Settings.from_environment({}), home=tmp_path)
    with pytest.raises(ValueError, match="as_of"):
        build(settings, as_of=as_of)


def test_without_a_warehouse_nothing_runs(tmp_path: Path) -> None:
    settings = replace(Settings.from_environment({}), home=tmp_path)
    with pytest.raises(ValueError, match="CALLMART_WAREHOUSE_DSN"):
        build(settings)


def test_parsing_needs_no_warehouse_and_leaves_the_project_alone(tmp_path: Path) -> None:
    before = files_of(PROJECT_DIR)
    settings = replace(Settings.from_environment({}), home=tmp_path)

    parse(settings)

    assert Path(manifest_path(settings)).is_file()
    assert files_of(PROJECT_DIR) == before


@pytest.mark.postgres
def test_a_failure_names_the_node_and_the_reason(
    make_database: Callable[[], str], tmp_path: Path
) -> None:
    settings = replace(Settings.from_environment({}), home=tmp_path, warehouse_dsn=make_database())
    with connect(settings, autocommit=True) as conn:
        conn.execute("drop table raw.campaigns")

    with pytest.raises(
        DbtError, match=r"stg_callmart__campaigns_versions.*raw.campaigns"
    ) as caught:
        build(settings, "run", select="stg_callmart__campaigns_versions+1 stg_callmart__lines")

    assert caught.value.result is not None
    statuses = {node.name: node.status for node in caught.value.result.nodes}
    assert statuses["stg_callmart__campaigns_versions"] == "error"
    assert statuses["stg_callmart__campaigns"] == "skipped"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("as_of", "calls", "disposition"),
    [
        (None, ["a", "b"], "SALE"),
        (date(2026, 11, 18), ["a"], "ANSWERED"),
        (datetime(2026, 11, 17, 16, 0, 1, tzinfo=UTC), ["a"], "ANSWERED"),
        (datetime(2026, 11, 17, 16, 0, 0, tzinfo=UTC), [], None),
    ],
)
def test_as_of_hides_what_came_later(
    make_database: Callable[[], str],
    tmp_path: Path,
    as_of: date | None,
    calls: list[str],
    disposition: str | None,
) -> None:
    settings = replace(Settings.from_environment({}), home=tmp_path, warehouse_dsn=make_database())
    midnight_in_shanghai = "2026-11-17T16:00:00Z"
    rows = [
        # the first version was written after the day, its call still belongs to it
        ("a", midnight_in_shanghai, "ANSWERED", "2026-11-18T17:00:00Z"),
        ("a", midnight_in_shanghai, "SALE", "2026-11-19T17:00:00Z"),
        ("b", "2026-11-18T16:00:00Z", "ANSWERED", "2026-11-18T17:00:00Z"),
    ]
    with connect(settings) as conn:
        object_id = conn.execute(
            "insert into ops.objects (bucket, object_key, etag, size_bytes, modified_at, kind,"
            " status) values ('b', 'k', 'e', 1, now(), 'crm', 'loaded') returning object_id"
        ).fetchall()[0][0]
        for number, (call_id, started_at, word, updated_at) in enumerate(rows, 1):
            conn.execute(
                "insert into raw.calls (call_id, direction, started_at, disposition, updated_at,"
                " _object_id, _row_number, _row_part, _delivered_on, _object_key,"
                " _object_modified_at, _source)"
                " values (%s, 'outbound', %s, %s, %s, %s, %s, 0, '2026-11-19', 'k', now(), 's')",
                (call_id, started_at, word, updated_at, object_id, number),
            )

    build(settings, "run", select="+stg_callmart__calls", as_of=as_of)

    with connect(settings) as conn:
        found = dict(
            conn.execute("select call_id, disposition from staging.stg_callmart__calls").fetchall()
        )
    assert sorted(found) == calls
    assert found.get("a") == disposition
