"""Worklists of phrase hits: what is listed, what a spreadsheet makes of it, what comes back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from callmart.cli import main
from callmart.landing import discover, load_objects
from callmart.reviews import (
    COLUMNS,
    Verdict,
    WaitingHit,
    WorklistError,
    land_verdicts,
    read_worklist,
    write_csv,
    write_xlsx,
)
from callmart.reviews.worklist import guarded, parts, place, plain
from callmart.settings import Settings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ID = "0123456789abcdef0123456789abcde"  # and one digit more
HIT = WaitingHit(
    hit_id=f"{ID}1", call_id="out-1", rule_id="promise", rule_name_en="Promised a gain",
    rule_name_zh="保证赚钱", kind="prohibited", severity="critical", points=20.0, role="agent",
    agent_id="A-1", agent_name="=HYPERLINK(\"http://evil\")", started_at=NOW, start_ms=61_400,
    quoted_text="稳赚不赔", context="=1+1 这个产品稳赚不赔，放心。",
    recording_key="recordings/dt=2026-11-20/out-1.wav",
    verdict_so_far=None, comment_so_far=None, selection="worst",
)  # fmt: skip
SETTINGS = Settings.from_environment({})


def test_formulas_from_outside_stay_text_in_xlsx() -> None:
    file = write_xlsx([HIT], "Asia/Shanghai", "bucket")
    sheet = load_workbook(io.BytesIO(file))["worklist"]
    cells = {name: sheet.cell(2, index) for index, name in enumerate(COLUMNS, start=1)}

    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}
    assert {cell.value for cell in sheet[2] if cell.data_type == "n"} == {None, 20}
    assert cells["agent"].value == 'A-1 =HYPERLINK("http://evil")'
    assert cells["quote"].value == HIT.context
    assert all(cells[name].quotePrefix for name in ("agent", "quote"))


def test_the_workbook_guides_the_inspector() -> None:
    file = write_xlsx([HIT], "Asia/Shanghai", "bucket", "https://listen.example/")
    sheet = load_workbook(io.BytesIO(file), rich_text=True)["worklist"]
    cells = {name: sheet.cell(2, index) for index, name in enumerate(COLUMNS, start=1)}

    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:S2"
    (choice,) = sheet.data_validations.dataValidation
    assert (str(choice.sqref), choice.formula1) == ("A2", '"confirmed,rejected,appealed"')
    before, said, after = cells["quote"].value
    assert (str(before), said.text, str(after)) == ("=1+1 这个产品", "稳赚不赔", "，放心。")
    assert said.font.b
    assert said.font.color.rgb == "FFC00000"
    assert cells["call_started_at"].value == "2026-11-20 20:00"
    assert cells["place"].value == "1:01"
    assert cells["recording"].hyperlink.target == f"https://listen.example/{HIT.recording_key}"
    assert {
        name: cells[name].value for name in ("verdict", "comment", "reviewer")
    } == dict.fromkeys(("verdict", "comment", "reviewer"))


def test_characters_that_no_workbook_can_hold_are_replaced() -> None:
    odd = WaitingHit(**{**vars(HIT), "quoted_text": "a\x00b", "context": "\x08 a\x00b \ud800"})
    sheet = load_workbook(io.BytesIO(write_xlsx([odd], "UTC", "bucket")))["worklist"]
    assert sheet.cell(2, list(COLUMNS).index("quote") + 1).value == "\ufffd a\ufffdb \ufffd"


def test_without_hits_there_is_a_heading() -> None:
    sheet = load_workbook(io.BytesIO(write_xlsx([], "UTC", "bucket")))["worklist"]
    assert sheet.max_row == 1
    assert read_worklist(write_csv([], "UTC"), SETTINGS) == ([], [])


@pytest.mark.parametrize("cell", ["=1+1", "+86", "-5", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_of_the_csv_is_a_formula(cell: str) -> None:
    hit = WaitingHit(**{**vars(HIT), "call_id": cell, "rule_name_en": cell})
    (row,) = csv.DictReader(io.StringIO(write_csv([hit], "UTC").decode("utf-8-sig"), newline=""))
    assert row["call_id"] == f"'{cell}"
    assert row["rule"].startswith(f"'{cell}")


@given(st.text())
def test_the_guard_is_taken_off_again(text: str) -> None:
    assert plain(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize(
    ("quote", "context", "expected"),
    [
        ("gain", "a gain b", ("a ", "gain", " b")),
        ("gain", "gain gain gain", ("gain ", "gain", " gain")),
        ("sure\ngain", "a sure gain b", ("a ", "sure gain", " b")),
        ("a+", "aaa a+ b", ("aaa ", "a+", " b")),
        ("gain", "cut short", ("", "gain", "")),
        ("gain", None, ("", "gain", "")),
        (None, None, ("", "", "")),
    ],
)
def test_the_hit_is_found_in_its_context(
    quote: str | None, context: str | None, expected: tuple[str, str, str]
) -> None:
    assert parts(quote, context) == expected


@pytest.mark.parametrize(
    ("ms", "expected"), [(None, ""), (0, "0:00"), (59_999, "0:59"), (3_600_000, "60:00")]
)
def test_the_place_is_minutes_and_seconds(ms: int | None, expected: str) -> None:
    assert place(ms) == expected


# --- what comes back --------------------------------------------------------------------------------------


def filled(**cells: str) -> bytes:
    """A worklist of one row as CSV."""
    row = {
        "verdict": "rejected",
        "reviewer": "li",
        "hit_id": f"{ID}1",
        "rule_id": "promise",
        **cells,
    }
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerow(row)
    return text.getvalue().encode()


def test_a_filled_workbook_is_read() -> None:
    book = load_workbook(io.BytesIO(write_xlsx([HIT, HIT], "Asia/Shanghai", "bucket")))
    sheet = book["worklist"]
    for column, value in (("A", " Rejected "), ("B", "=quoted the law"), ("C", 4711)):
        sheet[f"{column}3"] = value
    sheet["B3"].data_type = "s"
    sheet["D3"] = datetime.fromisoformat("2026-11-20 09:30")  # a spreadsheet knows no offset
    file = io.BytesIO()
    book.save(file)

    assert read_worklist(file.getvalue(), SETTINGS, now=NOW) == (
        [
            Verdict(
                3, f"{ID}1", "4711", "rejected", datetime.fromisoformat("2026-11-20T09:30+08:00"),
                "=quoted the law", "worst", "out-1", "promise", False,
            )
        ],
        [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"verdict": "maybe"}, "verdict 'maybe' is none of confirmed, rejected, appealed"),
        ({"hit_id": "1.23E+30"}, "hit_id '1.23E+30' is not one of a worklist"),
        ({"reviewer": " "}, "reviewer is empty"),
        ({"reviewed_at": "yesterday"}, "reviewed_at 'yesterday' is no time"),
        ({"reviewed_at": "2026-11-21"}, "reviewed_at 2026-11-21 has not come yet"),
        ({"comment": "x" * 2001}, "comment has 2001 characters"),
        ({"verdict": "", "comment": "well"}, "a comment, but no verdict"),
        ({"selection": "best"}, "selection 'best' is none of"),
    ],
)
def test_a_fault_names_row_rule_and_reason(cells: dict[str, str], reason: str) -> None:
    verdicts, (fault,) = read_worklist(filled(**cells), SETTINGS, now=NOW)
    assert verdicts == []
    assert str(fault).startswith("row 2 (rule promise): ")
    assert reason in str(fault)


def test_two_verdicts_of_one_inspector_on_a_hit_are_a_fault_of_the_second() -> None:
    head, row = filled().decode().splitlines()
    text = "\n".join([head, row, row.replace("rejected", "confirmed"), row.replace("li", "wang")])
    verdicts, faults = read_worklist(text.encode(), SETTINGS, now=NOW)
    assert [(v.row, v.reviewer) for v in verdicts] == [(2, "li"), (4, "wang")]
    assert [str(fault) for fault in faults] == [
        "row 3 (rule promise): li decided this hit in row 2"
    ]


def test_who_decided_may_be_said_for_all_rows_and_other_shapes_are_read() -> None:
    text = filled(reviewer="", comment="没有承诺").decode().replace(",", ";").encode("gb18030")
    ((verdict,), faults) = read_worklist(text, SETTINGS, reviewer="wang", now=NOW)
    assert (verdict.reviewer, verdict.comment, verdict.reviewed_at, faults) == (
        "wang", "没有承诺", None, [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "no column verdict, hit_id"),
        (b"verdict,hit_id,verdict\n", "verdict is there twice"),
        (b"PK\x03\x04 broken", "no readable XLSX"),
        (b"\xff\xff\xff", "neither an XLSX file nor text"),
        (b'verdict,hit_id\n"a"b,c\n', "broken CSV"),
    ],
)
def test_a_file_that_is_no_worklist_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(WorklistError, match=reason):
        read_worklist(content, SETTINGS)


# --- from the warehouse and into the bucket -----------------------------------------------------------------


@pytest.fixture
def violations(empty_marts: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Enters phrase hits into built marts; takes them out again afterwards."""
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", empty_marts)

    def enter(number: int, rule: str, severity: str, day: int, verdict: str | None = None) -> None:
        row = {
            "phrase_violation_id": f"v{number}", "hit_id": f"{ID}{number:x}", "call_id": f"c{number}",
            "rule_id": rule, "rule_name_en": rule, "rule_name_zh": rule, "kind": "prohibited",
            "severity": severity, "points": 3, "call_date": f"2026-11-{day}",
            "started_at": f"2026-11-{day} 10:00+08", "review_verdict": verdict, "is_counted": True,
            "quoted_text": "gain", "context": "a gain", "start_ms": 1000,
        }  # fmt: skip
        names = ", ".join(row)
        marks = ", ".join(["%s"] * len(row))
        connection.execute(
            f"insert into marts.phrase_violations ({names}) values ({marks})",
            list(row.values()),
        )

    with psycopg.connect(empty_marts, autocommit=True) as connection:
        yield enter
        connection.execute("truncate marts.phrase_violations")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def exported(tmp_path: Path, *options: str) -> list[tuple[str, str]]:
    path = tmp_path / "worklist.csv"
    result = run("review", "export", "--csv", path, *options)
    assert result.exit_code == 0, result.output
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [(row["call_id"], row["selection"]) for row in csv.DictReader(file)]


@pytest.mark.postgres
def test_the_worst_come_first_and_what_is_decided_is_left_out(
    violations: Any, tmp_path: Path
) -> None:
    violations(1, "slip", "minor", 20)
    violations(2, "promise", "critical", 18)
    violations(3, "promise", "critical", 19)
    violations(4, "threat", "major", 20, "confirmed")
    violations(5, "threat", "major", 20, "rejected")
    violations(6, "threat", "major", 17, "appealed")

    everything = [("c3", "worst"), ("c2", "worst"), ("c6", "worst"), ("c1", "worst")]
    assert exported(tmp_path) == everything
    assert exported(tmp_path, "--limit", "2") == everything[:2]
    assert exported(tmp_path, "--since", "2026-11-19") == [everything[0], everything[3]]
    assert exported(tmp_path, "--rule", "threat") == [everything[2]]


@pytest.mark.postgres
def test_a_sample_is_drawn_by_its_seed_among_all_hits_of_a_rule(
    violations: Any, tmp_path: Path
) -> None:
    for number in range(1, 11):
        violations(number, "promise", "critical", 18, "confirmed" if number % 2 else None)
    violations(11, "slip", "minor", 18)

    first = exported(tmp_path, "--sample", "4")
    assert first == exported(tmp_path, "--sample", "4")
    assert {selection for _, selection in first} == {"random"}
    draws = {
        frozenset(call for call, _ in exported(tmp_path, "--sample", "4", "--seed", str(seed)))
        for seed in range(6)
    }
    assert len(draws) > 1
    # The decided ones among the four drawn are not replaced by others: those left would no longer be random.
    assert all("c11" in draw and len(draw) <= 5 for draw in draws)
    assert any(len(draw) < 5 for draw in draws)


@pytest.mark.postgres
def test_verdicts_go_the_way_of_every_entity_and_are_taken_once(
    postgres: str, s3: Any, tmp_path: Path
) -> None:
    settings = Settings.from_environment()
    file = tmp_path / "filled.csv"
    file.write_bytes(filled(comment="=quoted the law, twice"))

    first = run("review", "import", file, "--json")
    second = run("review", "import", file, "--json")

    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    summary = json.loads(first.stdout)
    assert (summary["new"], json.loads(second.stdout)["new"]) == (1, 0)
    keys = [item["Key"] for item in s3.client.list_objects_v2(Bucket=s3.name)["Contents"]]
    assert keys == [summary["key"]]
    for batch in discover(settings):
        loaded = load_objects(settings, batch["object_ids"])
        assert loaded.failed == 0, loaded.messages
    with psycopg.connect(postgres) as connection:
        rows = connection.execute(
            "select hit_id, reviewer, verdict, comment, updated_at = reviewed_at, _extra"
            " from raw.phrase_reviews"
        ).fetchall()
        quarantined = connection.execute("select * from ops.quarantine").fetchall()
    assert rows == [(f"{ID}1", "li", "rejected", "=quoted the law, twice", True, {})]
    assert quarantined == []


def test_good_rows_are_taken_beside_bad_ones(s3: Any, tmp_path: Path) -> None:
    head, row = filled().decode().splitlines()
    file = tmp_path / "filled.csv"
    file.write_text("\n".join([head, row.replace("rejected", "no"), row]))

    result = run("review", "import", file)

    assert result.exit_code == 1
    assert "row 2 (rule promise): verdict 'no' is none of" in result.stderr
    assert "1 verdicts taken into crm/phrase_reviews/dt=" in result.stdout


def verdict(**values: Any) -> Verdict:
    standard = {
        "row": 2, "hit_id": f"{ID}1", "reviewer": "li", "verdict": "confirmed", "reviewed_at": None,
        "comment": "", "selection": "", "call_id": "", "rule_id": "", "is_reopened": False,
    }  # fmt: skip
    return Verdict(**{**standard, **values})


def test_what_was_taken_before_is_not_taken_again(s3: Any) -> None:
    settings = Settings.from_environment()

    def taken(*verdicts: Verdict) -> int:
        return land_verdicts(settings, verdicts, NOW)[1]

    assert taken(verdict()) == 1
    # The same worklist with one row more.
    assert taken(verdict(), verdict(hit_id=f"{ID}2")) == 1
    assert taken(verdict(verdict="rejected")) == 1
    assert taken(verdict(comment="sure")) == 1
    assert taken(verdict()) == 0
    # Once more, on purpose: with the time, or in answer to an appeal.
    assert taken(verdict(reviewed_at=datetime(2026, 11, 20, 13, tzinfo=UTC))) == 1
    assert taken(verdict(is_reopened=True)) == 1
    assert taken(verdict(is_reopened=True)) == 0
    assert taken() == 0


@pytest.mark.parametrize(
    "arguments", [["export"], ["export", "--out", "x.xlsx", "--sample", "0"], ["import", "nowhere"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert run("review", *arguments).exit_code == 2
