"""However the rows of the invented centre are delivered, the marts are the same, row for row."""

from __future__ import annotations

import gzip
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from built_marts import Marts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invented_centre import (
    FIRST_DAY,
    LAST_DAY,
    Row,
    all_rows,
    build_from,
    deliver,
    files_of,
    transcript_objects,
    write_csv,
    write_jsonl,
    write_parquet,
)

from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import build

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

Wave = dict[str, bytes]

# What tells of the loading and not of the centre: when it ran, and how many copies it met.
BOOKKEEPING = {
    "data_freshness": {
        "newest_load_at", "lag_seconds", "rows_loaded", "rows_quarantined", "files_quarantined",
        "newest_quarantine_at",
    }
}  # fmt: skip


def shuffled(rows: list[Row], seed: int) -> list[Row]:
    return random.Random(seed).sample(rows, len(rows))


def corrections_first() -> list[Wave]:
    """Shuffled rows; corrections before what they correct, transcripts before calls, customers last."""
    rows = shuffled(all_rows(), 1)
    late = files_of([row for row in rows if row.day == LAST_DAY])
    early = files_of([row for row in rows if row.day != LAST_DAY])
    keys = sorted(early, reverse=True)
    return [
        transcript_objects(),
        late,
        {key: early[key] for key in keys[::2]},
        {key: early[key] for key in keys[1::2]},
    ]


def everything_twice() -> list[Wave]:
    """Each file under two keys at once, and all of it again under a third, in JSON, rows reversed."""
    rows = all_rows()
    return [
        {**files_of(rows), **files_of(rows, name="copy"), **transcript_objects()},
        files_of(rows[::-1], name="again", write=write_jsonl, extension="jsonl"),
        {key.replace(FIRST_DAY, LAST_DAY): text for key, text in transcript_objects().items()},
    ]


def in_pieces() -> list[Wave]:
    """Five rows a file in any order, every file in another encoding or format, in three waves."""
    writers: list[tuple[str, Callable[[list[Row]], bytes]]] = [
        ("csv", lambda rows: write_csv(rows, encoding="gb18030", delimiter=";")),
        ("parquet", write_parquet),
        ("jsonl", write_jsonl),
        ("csv.gz", lambda rows: gzip.compress(write_csv(rows, encoding="utf-8-sig"))),
        ("csv", lambda rows: write_csv(rows, encoding="utf-16", delimiter="\t")),
    ]
    pieces: Wave = {}
    rows = shuffled(all_rows(), 2)
    for number, start in enumerate(range(0, len(rows), 5)):
        extension, write = writers[number % len(writers)]
        few = rows[start : start + 5]
        pieces |= files_of(few, name=f"piece_{start}", write=write, extension=extension)
    keys = random.Random(3).sample(sorted(pieces), len(pieces))
    waves = [{key: pieces[key] for key in keys[number::3]} for number in range(3)]
    return [*waves, transcript_objects()]


def contents(marts: Marts) -> dict[str, list[str]]:
    """The rows of every mart as text, in no order, less what tells of the loading (and the issues which
    name a file that was delivered)."""
    found = {}
    with connect(marts.settings) as conn:
        tables = conn.execute(
            "select table_name, array_agg(column_name::text order by ordinal_position)"
            " from information_schema.columns where table_schema = 'marts' group by table_name"
        ).fetchall()
        for table, columns in tables:
            kept = [name for name in columns if name not in BOOKKEEPING.get(table, ())]
            rows = conn.execute(
                f"select row({', '.join(kept)})::text from marts.{table} order by 1"
            ).fetchall()
            found[table] = [row[0] for row in rows if "crm/" not in row[0]]
    return found


@pytest.mark.parametrize(
    ("waves", "is_built_between"),
    [(corrections_first, True), (everything_twice, False), (in_pieces, False)],
)
def test_the_marts_are_the_same(
    waves: Callable[[], list[Wave]],
    is_built_between: bool,
    invented: Marts,
    new_settings: Callable[[str], Settings],
) -> None:
    own = new_settings(waves.__name__.replace("_", "-"))
    found = contents(build_from(own, waves(), is_built_between=is_built_between))

    wanted = contents(invented)
    assert found.keys() == wanted.keys()
    differing = {
        table: sorted(set(rows) ^ set(found[table]))[:4]
        for table, rows in wanted.items()
        if found[table] != rows
    }
    assert differing == {}


# Any delivery: as far as the current rows


@dataclass
class Warehouse:
    settings: Settings
    wanted: dict[str, list[Any]]


STAGED = ("calls", "customers", "demands", "agent_states")


def staged(settings: Settings) -> dict[str, list[Any]]:
    """Current rows and versions of the staging views, less their places of delivery."""
    found = {}
    with connect(settings) as conn:
        for view in (name for entity in STAGED for name in (entity, f"{entity}_versions")):
            rows = conn.execute(
                f"select to_jsonb(v) from staging.stg_callmart__{view} as v"
            ).fetchall()
            found[view] = sorted(
                str(sorted((k, v) for k, v in row.items() if not k.startswith("_")))
                for (row,) in rows
            )
    return found


@pytest.fixture(scope="module")
def warehouse(new_settings: Callable[[str], Settings], invented: Marts) -> Warehouse:
    own = new_settings("any-delivery")
    build(own, "run", select="path:models/staging")
    return Warehouse(own, staged(invented.settings))


@st.composite
def deliveries(draw: st.DrawFn) -> list[Wave]:
    """Rows in any order, cut anywhere into two files an entity and day, some of them delivered twice."""
    rows = draw(st.permutations([row for row in all_rows() if row.entity in STAGED]))
    repeated = draw(st.lists(st.sampled_from(rows), max_size=40))
    middle = draw(st.integers(1, len(rows)))
    halves = rows[:middle], [*rows[middle:], *repeated]
    return [files_of(half, name=f"half_{number}") for number, half in enumerate(halves)]


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(waves=deliveries())
def test_the_rows_are_the_same(warehouse: Warehouse, waves: list[Wave]) -> None:
    import boto3

    own = replace(warehouse.settings, bucket=f"any-{uuid.uuid4().hex[:12]}")
    boto3.client("s3", endpoint_url=own.s3_endpoint_url).create_bucket(Bucket=own.bucket)
    with connect(own) as conn:
        tables = conn.execute(
            "select string_agg(format('raw.%I', table_name), ', ') from information_schema.tables"
            " where table_schema = 'raw'"
        ).fetchall()[0][0]
        conn.execute(f"truncate {tables}, ops.objects cascade")

    deliver(own, waves)

    assert staged(own) == warehouse.wanted
