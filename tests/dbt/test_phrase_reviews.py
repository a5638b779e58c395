"""A verdict on a real hit, from the worklist through the bucket to scores, marts and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from built_marts import Marts
from click.testing import CliRunner
from openpyxl import load_workbook

from callmart.cli import main
from callmart.landing import discover, load_objects
from callmart.recordings.wording import match_phrases
from callmart.reviews import COLUMNS, read_hits
from callmart.warehouse import connect
from callmart.warehouse.dbt import build

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SCORES = """
select evaluation_date, score, missing_phrase_points
from marts.evaluation_inspection where customer_id = %s order by evaluation_date
"""
RECORD = """
select review_verdict, is_counted, reviewer, review_comment, verdicts
from marts.phrase_violations where hit_id = %s
"""
LETTERS = {name: chr(ord("A") + index) for index, name in enumerate(COLUMNS)}


@pytest.fixture
def heard(marts: Marts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Marts]:
    """The marts after the transcripts were searched; without reviews again afterwards."""
    settings = marts.settings
    match_phrases(settings)
    build(settings, command="run")
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", settings.warehouse_dsn)
    monkeypatch.setenv("CALLMART_BUCKET", settings.bucket)
    monkeypatch.setenv("CALLMART_S3_ENDPOINT_URL", settings.s3_endpoint_url or "")
    yield marts
    with connect(settings) as connection:
        connection.execute("truncate raw.phrase_reviews")
    build(settings, command="run")


def call(*arguments: str | Path) -> None:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def load_and_build(marts: Marts, command: str) -> None:
    for batch in discover(marts.settings):
        loaded = load_objects(marts.settings, batch["object_ids"])
        assert loaded.failed == 0, loaded.messages
    build(marts.settings, command=command)


def fill(path: Path, hit_id: str, **cells: str | datetime) -> None:
    """What an inspector does: finds the row and fills the yellow columns."""
    book = load_workbook(path, rich_text=True)
    sheet = book["worklist"]
    (row,) = (cell.row for cell in sheet[LETTERS["hit_id"]] if cell.value == hit_id)
    for name, value in cells.items():
        sheet[f"{LETTERS[name]}{row}"] = value
    book.save(path)


def test_a_rejected_hit_gives_its_points_back_from_that_day_on(
    heard: Marts, tmp_path: Path
) -> None:
    worklist = tmp_path / "worklist.xlsx"
    hits = {hit.hit_id: hit for hit in read_hits(heard.settings)}
    # The notice that one call lacks: a hit without a place.
    hit_id, customer, call_date, points = heard.query(
        "select hit_id, customer_id, call_date, points from marts.phrase_violations"
        " where is_connected and kind = 'missing' and customer_id is not null"
    )[0]
    verdict_date = call_date + timedelta(days=1)
    before = heard.query(SCORES, customer)

    call("review", "export", "--out", worklist)
    at = datetime.fromisoformat(f"{verdict_date}T00:30")
    fill(worklist, hit_id, verdict="rejected", comment="读的是条款", reviewer="li", reviewed_at=at)
    call("review", "import", worklist)
    load_and_build(heard, "build")  # with the data tests

    def in_force(scores: list[tuple[date, float, float]], day: date) -> tuple[float, ...]:
        return max(row for row in scores if row[0] <= day)[1:]

    after = heard.query(SCORES, customer)
    assert in_force(after, call_date) == in_force(before, call_date)
    assert in_force(after, verdict_date)[1] == in_force(before, verdict_date)[1] - points
    assert in_force(after, verdict_date)[0] > in_force(before, verdict_date)[0]
    assert heard.query(RECORD, hit_id) == [("rejected", False, "l**", "读的是条款", 1)]
    assert heard.column(
        "select sum(rejected_hits) from marts.phrase_rule_precision where rule_id = %s",
        hits[hit_id].rule_id,
    ) == [1]
    assert heard.column(
        "select count(*) from marts.data_issues where issue_type like 'review%%'"
    ) == [0]
    assert hit_id not in {hit.hit_id for hit in read_hits(heard.settings)}

    # The same file again, and the same search again, change nothing.
    call("review", "import", worklist)
    match_phrases(heard.settings)
    load_and_build(heard, "run")
    assert heard.query(SCORES, customer) == after
    assert heard.query(RECORD, hit_id) == [("rejected", False, "l**", "读的是条款", 1)]

    # An appeal opens the hit again: it counts, and is listed with what was said so far.
    with connect(heard.settings) as connection:
        connection.execute(
            "insert into raw.phrase_reviews (hit_id, reviewer, verdict, reviewed_at, updated_at,"
            " _object_id, _row_number, _delivered_on, _object_key, _object_modified_at, _source)"
            " values (%s, 'wang', 'appealed', %s, %s, 1, 1, %s, 'k', now(), 'contract')",
            (hit_id, at.replace(hour=9), at.replace(hour=9), verdict_date),
        )
    build(heard.settings, command="run")
    assert heard.query(SCORES, customer) == before
    assert heard.query(RECORD, hit_id) == [("appealed", True, "w**", None, 2)]
    (reopened,) = (hit for hit in read_hits(heard.settings) if hit.hit_id == hit_id)
    assert reopened.verdict_so_far == "appealed"


def test_every_hit_of_the_landing_zone_has_an_id_of_its_own(heard: Marts) -> None:
    assert heard.query(
        "select count(*) > 3, count(*) = count(distinct hit_id) from marts.phrase_violations"
    ) == [(True, True)]
    assert heard.column("select count(*) from marts.phrase_violations where not is_counted") == [0]
