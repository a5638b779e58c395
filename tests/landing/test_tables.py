"""Readers: records, their numbers, and what is set apart."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmart.landing import tables
from callmart.landing.errors import FileError
from callmart.landing.tables import Chunk, CsvDialect, CsvReader, read_json_documents

HEADER = ["a", "b", "c"]


def read(data: bytes | str, dialect: CsvDialect | None = None) -> tuple[list[Chunk], CsvReader]:
    body = data.encode() if isinstance(data, str) else data
    reader = CsvReader(io.BytesIO(body), dialect or CsvDialect(), HEADER)
    return list(reader), reader


def rows(chunks: list[Chunk]) -> list[tuple[int, list[str | None]]]:
    found = []
    for chunk in chunks:
        for number, values in zip(
            chunk.row_numbers.tolist(), chunk.frame.astype(object).to_numpy().tolist(), strict=True
        ):
            found.append((number, [None if value != value else value for value in values]))
    return found


def rejected(chunks: list[Chunk]) -> list[tuple[int, str]]:
    return [(row.row_number, row.rule) for chunk in chunks for row in chunk.rejected]


@pytest.fixture(params=[17, 64, 8 << 20], ids=["17 bytes", "64 bytes", "8 MiB"])
def any_chunk_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CHUNK_BYTES", request.param)


cells = st.text(
    st.one_of(
        st.sampled_from("\",;\n\r \t|ab张é'\\"), st.characters(exclude_categories=["Cs", "Cc"])
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=200)
@given(
    records=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    size=st.integers(8, 200),
)
def test_what_a_csv_writer_writes_is_read_back(
    records: list[list[str]], delimiter: str, line_end: str, size: int
) -> None:
    target = io.StringIO(newline="")
    # The writer leaves a lone carriage return unquoted, where it would be part of the line's end.
    has_returns = any("\r" in cell for record in records for cell in record)
    writer = csv.writer(
        target,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if has_returns else csv.QUOTE_MINIMAL,
    )
    writer.writerows([HEADER, *records])
    original, tables.CHUNK_BYTES = tables.CHUNK_BYTES, size
    try:
        chunks, reader = read(target.getvalue())
    finally:
        tables.CHUNK_BYTES = original

    # A carriage return before a line feed is one line end, also inside quotes.
    wanted = [[cell.replace("\r\n", "\n") or None for cell in record] for record in records]
    assert rejected(chunks) == []
    assert rows(chunks) == list(enumerate(wanted, 1))
    assert reader.delimiter == delimiter


CASES = {
    "too few and too many fields": (
        "a,b,c\n1,2,3\n4,5\n6,7,8\n9,9,9,9\n1,1,1\n",
        [(1, "1"), (3, "6"), (5, "1")],
        [(2, "ragged_row"), (4, "ragged_row")],
    ),
    "a quote that is never closed takes its line along, not the rest": (
        'a,b,c\n1,"2,3\n4,5,6\n7,"8",9\n',
        [(2, "4"), (3, "7")],
        [(1, "broken_quotes")],
    ),
    "a quote that is never closed in the last line": (
        'a,b,c\n1,2,3\n4,"5,6',
        [(1, "1")],
        [(2, "broken_quotes")],
    ),
    "text after a closing quote": (
        'a,b,c\n1,"2"x,3\n4,5,6\n',
        [(2, "4")],
        [(1, "broken_quotes")],
    ),
    "a quote inside a plain field is a quote": (
        'a,b,c\n1,5" screen,3\n4,"5",6\n',
        [(1, "1"), (2, "4")],
        [],
    ),
    "NUL": ("a,b,c\n1,2,3\n4,\x005,6\n7,8,9\n", [(1, "1"), (3, "7")], [(2, "nul_character")]),
    "blank lines are no records": ("a,b,c\n\n1,2,3\n\r\n\n4,5,6\n\n", [(1, "1"), (2, "4")], []),
    "no line end at the end": ("a,b,c\n1,2,3\n4,5,6", [(1, "1"), (2, "4")], []),
    "line ends of old Macs": ("a,b,c\r1,2,3\r4,5,6\r", [(1, "1"), (2, "4")], []),
    "only a header": ("a,b,c\n", [], []),
}


@pytest.mark.usefixtures("any_chunk_size")
@pytest.mark.parametrize("case", CASES)
def test_malformed_rows_are_set_apart(case: str) -> None:
    text, good, bad = CASES[case]
    chunks, _ = read(text)
    assert [(number, values[0]) for number, values in rows(chunks)] == good
    assert rejected(chunks) == bad


def test_values_that_look_like_nothing_stay(any_chunk_size: None) -> None:
    chunks, _ = read('a,b,c\nNA,null,""\nNaN,007,1.50\n')
    assert rows(chunks) == [(1, ["NA", "null", None]), (2, ["NaN", "007", "1.50"])]


@pytest.mark.parametrize(
    ("text", "rule"),
    [("", "empty_file"), ("\n\r\n", "empty_file"), ("a,b,A\n1,2,3\n", "duplicate_header")],
)
def test_files_that_are_no_table(text: str, rule: str) -> None:
    with pytest.raises(FileError) as caught:
        read(text)
    assert caught.value.rule == rule


def test_a_file_without_header_takes_the_mapping_s_names_and_any_width() -> None:
    chunks, _ = read("1|x\n2|y|z|zz\n", CsvDialect("|", ["n", "v"], has_quotes=False))
    assert list(chunks[0].frame.columns) == ["n", "v", "column_3", "column_4"]
    assert rows(chunks) == [(1, ["1", "x", None, None]), (2, ["2", "y", "z", "zz"])]


def test_memory_holds_a_chunk_and_not_the_file() -> None:
    class Endless(io.RawIOBase):
        """100 MB that nobody stores."""

        def __init__(self) -> None:
            self.left = 100_000_000
            self.largest = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.largest = max(self.largest, size)
            start = -self.left % 20
            self.left -= size
            line = b"1234567,abcdefg,xyz\n"
            return (line * (size // 20 + 2))[start : start + size]

    source = Endless()
    reader = CsvReader(cast("IO[bytes]", source), CsvDialect(header=HEADER), HEADER)
    count, widest = 0, 0
    for chunk in reader:
        count += len(chunk.frame)
        widest = max(widest, len(chunk.frame))
    assert count == 100_000_000 // 20
    assert source.largest <= tables.CHUNK_BYTES
    assert widest <= 2 * tables.CHUNK_BYTES // 20


def test_json_lines_keep_numbers_exact_and_set_bad_lines_apart() -> None:
    lines = [
        '{"a": 0.1, "b": 12345678901234567890}',
        "",
        "{broken",
        "[1, 2]",
        '{"a": "\\ud800"}',
        '{"a": "\\u0000"}',
        '{"a": NaN, "c": {"d": [1]}}',
    ]
    chunk = next(tables.read_json_lines(io.BytesIO("\n".join(lines).encode())))
    records = chunk.frame.to_dict("records")
    assert records[0]["a"] == Decimal("0.1")
    assert records[0]["b"] == 12345678901234567890
    assert records[1]["a"] is None
    assert records[1]["c"] == {"d": [1]}
    assert chunk.row_numbers.tolist() == [1, 6]
    assert [row.row_number for row in chunk.rejected] == [2, 3, 4, 5]
    assert "surrogate" in chunk.rejected[2].reason
    assert "NUL" in chunk.rejected[3].reason


def documents(separator: str, opening: str = "", closing: str = "") -> Iterator[str]:
    yield opening + separator.join(json.dumps({"n": n, "t": "}{"}) for n in range(5)) + closing


@pytest.mark.usefixtures("any_chunk_size")
@pytest.mark.parametrize(
    "text",
    [
        *documents(""),
        *documents("\n"),
        *documents(",\n", "[\n", "\n]\n"),
        "[" + json.dumps([{"n": n, "t": "}{"} for n in range(5)])[1:],
    ],
)
def test_json_documents_however_they_are_put_together(text: str) -> None:
    (chunk,) = read_json_documents(io.BytesIO(text.encode()))
    assert chunk.frame["n"].tolist() == [0, 1, 2, 3, 4]
    assert chunk.row_numbers.tolist() == [1, 2, 3, 4, 5]


def test_a_cut_json_document_is_refused() -> None:
    with pytest.raises(FileError, match="not JSON"):
        list(read_json_documents(io.BytesIO(b'{"n": 1}{"n": ')))
