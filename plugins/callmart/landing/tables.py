"""Files to tables: CSV, JSON and Parquet in chunks of rows, malformed rows set apart.

A chunk is a pandas frame of text columns (JSON: of the values as they stand) and the number of each
row in its file. Numbers count records from 1, header and blank lines left out. Memory holds one
chunk, whatever the size of the file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import IO, Any

import numpy as np
import pandas as pd

from callmart.landing.errors import FileError
from callmart.landing.texts import find_delimiter

CHUNK_BYTES = 8 << 20
CHUNK_ROWS = 65_536
RECORD_BYTES = 1 << 20
"""The longest record; where none ends within it, a quote was never closed."""
QUOTE = 0x22
NEWLINE = 0x0A


@dataclass(frozen=True)
class RejectedRow:
    """A row that does not go in, and why."""

    row_number: int
    rule: str
    reason: str
    record_key: str | None = None
    payload: Any = None


@dataclass
class Chunk:
    """Rows of one file: `frame` and, for each of its rows, the number in the file."""

    frame: pd.DataFrame
    row_numbers: np.ndarray[Any, np.dtype[np.int64]]
    rejected: list[RejectedRow] = field(default_factory=list)


@dataclass
class CsvDialect:
    """How a CSV is laid out; what is None is found out."""

    delimiter: str | None = None
    header: list[str] | None = None
    """Names of the columns of a file that has no header."""
    has_quotes: bool = True


def _clean_header(names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    names = [name or f"column_{index}" for index, name in enumerate(names, 1)]
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise FileError("duplicate_header", f"the header names {name} twice")
        seen.add(name.casefold())
    return names


@dataclass
class LineLayout:
    """How a text of one record a line is laid out that no CSV reader takes; one of the three is given."""

    delimiter: str | None = None
    """Several characters, or `blanks`: runs of blanks and tabs."""
    columns: dict[str, tuple[int, int | None]] | None = None
    """Name → first and last place, from 1."""
    pattern: str | None = None
    """RE2 with named groups that the whole line is."""
    header: list[str] | None = None
    """Names of the columns of a delimited file that has no header."""


def without_lines(
    file: IO[bytes], target: IO[bytes], skip: int, skip_footer: int, ignore: Sequence[str]
) -> None:
    """Copy a text without its first and last lines, and without those that a pattern finds.

    Blank lines are left out, too, and count for nothing at the end.
    """
    patterns = [re.compile(pattern.encode()) for pattern in ignore]
    held: deque[bytes] = deque()
    for number, line in enumerate(file):
        if number < skip or any(pattern.search(line.rstrip(b"\r\n")) for pattern in patterns):
            continue
        if not line.strip():
            continue
        held.append(line)
        if len(held) > skip_footer:
            target.write(held.popleft())
    target.seek(0)


class LineReader:
    """Reads a text of one record a line, by fixed places, by a pattern, or by a wide delimiter."""

    def __init__(self, file: IO[bytes], layout: LineLayout) -> None:
        self._lines = (line for line in file if line.strip())
        self._split = self._splitter(layout)
        self.delimiter = layout.delimiter
        if layout.columns is not None:
            self.header = list(layout.columns)
        elif layout.pattern is not None:
            self.header = _group_names(layout.pattern)
        elif layout.header is not None:
            self.header = layout.header
        else:
            first = next(self._lines, b"").decode("utf-8").strip("\r\n")
            if not first:
                raise FileError("empty_file", "the file is empty")
            self.header = _clean_header([name or "" for name in self._split(first) or []])

    @staticmethod
    def _splitter(layout: LineLayout) -> Callable[[str], list[str | None] | None]:
        if layout.columns is not None:
            slices = [slice(first - 1, last) for first, last in layout.columns.values()]
            return lambda line: [line[part].strip() or None for part in slices]
        if layout.pattern is not None:
            import re2

            compiled = re2.compile(layout.pattern)
            names = _group_names(layout.pattern)

            def match(line: str) -> list[str | None] | None:
                found = compiled.fullmatch(line)
                return [found.group(name) or None for name in names] if found else None

            return match
        if layout.delimiter == "blanks":
            return lambda line: list(re.split(r"[ \t]+", line.strip(" \t")))
        delimiter = layout.delimiter or ","
        return lambda line: [field.strip() or None for field in line.split(delimiter)]

    def __iter__(self) -> Iterator[Chunk]:
        number = 0
        while batch := list(islice(self._lines, CHUNK_ROWS)):
            rows: list[list[str | None]] = []
            numbers: list[int] = []
            rejected: list[RejectedRow] = []
            for line in batch:
                number += 1
                fault = ("nul_character", "the row holds a NUL character") if 0 in line else None
                fields = None
                if fault is None:
                    fields = self._split(line.decode("utf-8").strip("\r\n"))
                    fault = self._fault(fields)
                if fields is None or fault is not None:
                    rejected.append(
                        RejectedRow(
                            number,
                            *(fault or ("ragged_row", "")),
                            payload={"line": _printable(line.rstrip(b"\r\n"))},
                        )
                    )
                else:
                    rows.append(fields)
                    numbers.append(number)
            columns = zip(*rows, strict=True) if rows else ([] for _ in self.header)
            frame = pd.DataFrame(
                {
                    name: pd.Series(list(values), dtype="str")
                    for name, values in zip(self.header, columns, strict=True)
                }
            )
            yield Chunk(frame, np.array(numbers, dtype=np.int64), rejected)
        if not number:
            raise FileError("empty_file", "the file has no record")

    def _fault(self, fields: list[str | None] | None) -> tuple[str, str] | None:
        if fields is None:
            return "other_form", "the line has not the form that the mapping's pattern says"
        if len(fields) != len(self.header):
            return "ragged_row", f"{len(fields)} fields where the header has {len(self.header)}"
        return None


def _group_names(pattern: str) -> list[str]:
    import re2

    groups: dict[str, int] = re2.compile(pattern).groupindex
    return sorted(groups, key=lambda name: groups[name])


class CsvReader:
    """Reads the records of one CSV file in UTF-8; pandas parses, this finds the records' bounds.

    Bounds are needed before parsing: they give each record its number, and set apart what pandas
    would silently fill up, cut or join (ragged rows, broken quotes, NUL).
    """

    def __init__(self, file: IO[bytes], dialect: CsvDialect, known_names: Sequence[str]) -> None:
        self._file = file
        self._buffer = b""
        self._at_end = False
        self._is_old_mac: bool | None = None
        """Lines end in carriage returns alone; the first block decides."""
        self._row_number = 0
        self._has_quotes = dialect.has_quotes
        first_line = self._first_record()
        self.delimiter = dialect.delimiter or find_delimiter(first_line, known_names)
        self._delimiter_code = ord(self.delimiter)
        if dialect.header is not None:
            self.header = dialect.header
            self._is_ragged_allowed = True
        else:
            record = csv.reader(
                io.StringIO(first_line, newline=""),
                delimiter=self.delimiter,
                quoting=csv.QUOTE_MINIMAL if self._has_quotes else csv.QUOTE_NONE,
            )
            self.header = _clean_header(next(record, []))
            self._is_ragged_allowed = False
            self._buffer = self._buffer[self._first_length :]
        code = re.escape(self.delimiter.encode())
        self._unquoted = re.compile(rb"[^" + code + rb"\n]*+")

    def _first_record(self) -> str:
        """The first record that is not blank, left in the buffer."""
        while not self._buffer and not self._at_end:
            self._fill(CHUNK_BYTES)
            self._buffer = self._buffer.lstrip(b"\r\n")
        if not self._buffer:
            raise FileError("empty_file", "the file is empty")
        position, is_open = 0, False
        while True:
            if position == len(self._buffer):
                if self._at_end:
                    break
                self._fill(CHUNK_BYTES)
                continue
            byte = self._buffer[position]
            if byte == QUOTE and self._has_quotes:
                is_open = not is_open
            elif byte == NEWLINE and not is_open:
                break
            position += 1
            if position > RECORD_BYTES:
                raise FileError("header", "the header's line has no end")
        self._first_length = position + 1
        return self._buffer[:position].decode("utf-8").rstrip("\r")

    def _fill(self, size: int) -> None:
        """Read one more block; carriage returns before line feeds vanish."""
        block = self._file.read(size)
        if block and block.endswith(b"\r"):
            block += self._file.read(1)
        if not block:
            self._at_end = True
            return
        if self._is_old_mac is None:
            self._is_old_mac = b"\r" in block and b"\n" not in block
        if self._is_old_mac:
            block = block.replace(b"\r", b"\n")
        elif b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        self._buffer += block

    def __iter__(self) -> Iterator[Chunk]:
        want = CHUNK_BYTES
        while True:
            if len(self._buffer) < want and not self._at_end:
                self._fill(want - len(self._buffer))
                if len(self._buffer) < want and not self._at_end:
                    continue
            if not self._buffer:
                return
            chunk, used = self._scan()
            if used:
                self._buffer = self._buffer[used:]
                want = CHUNK_BYTES
            else:
                want += CHUNK_BYTES
            if len(chunk.frame) or chunk.rejected:
                yield chunk

    def _scan(self) -> tuple[Chunk, int]:
        """Rows of the buffer's complete records, and how many bytes these took."""
        buffer = self._buffer
        if self._at_end and not buffer.endswith(b"\n"):
            buffer += b"\n"
        data = np.frombuffer(buffer, dtype=np.uint8)
        newlines = np.flatnonzero(data == NEWLINE)
        delimiters = np.flatnonzero(data == self._delimiter_code)
        if self._has_quotes and QUOTE in buffer:
            quotes = np.flatnonzero(data == QUOTE)
            if not self._are_quotes_sound(data, quotes):
                return self._scan_slowly(buffer)
            newlines = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
            delimiters = delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]
        if not len(newlines):
            if len(buffer) > RECORD_BYTES or self._at_end:
                return self._scan_slowly(buffer)
            return self._parse(buffer, np.array([]), np.array([]), np.array([])), 0
        if self._at_end and newlines[-1] + 1 < len(buffer):
            return self._scan_slowly(buffer)  # the rest stands in a quote that is never closed
        starts = np.concatenate(([0], newlines[:-1] + 1))
        ends = newlines
        counts = np.searchsorted(delimiters, ends) - np.searchsorted(delimiters, starts) + 1
        used = int(ends[-1]) + 1
        return self._parse(buffer, starts, ends, counts), min(used, len(self._buffer))

    def _are_quotes_sound(self, data: Any, quotes: Any) -> bool:
        """Whether each quote opens or closes a field, or is one of a doubled pair."""
        ends = (self._delimiter_code, NEWLINE)
        opening, closing = quotes[0::2], quotes[1::2]
        before = data[opening - 1]
        is_start = (opening == 0) | np.isin(before, (*ends, QUOTE))
        # A quote before an opening one must be the closing one before it (a doubled quote).
        if not bool(is_start.all()):
            return False
        inside = closing[closing + 1 < len(data)]
        return bool(np.isin(data[inside + 1], (*ends, QUOTE)).all())

    def _scan_slowly(self, buffer: bytes) -> tuple[Chunk, int]:
        """Record by record, for a buffer in which quotes stand where they should not.

        A record with broken quotes is its first line; reading goes on at the next line.
        """
        starts: list[int] = []
        ends: list[int] = []
        counts: list[int] = []
        broken: list[int] = []
        position = 0
        while position < len(buffer):
            end, count = self._record(buffer, position)
            if end < 0:
                is_complete = self._at_end or len(buffer) - position > RECORD_BYTES
                if count == 0 and not is_complete:
                    break  # the quote may be closed in what was not read yet
                end = buffer.find(b"\n", position)
                if end < 0:
                    break
                broken.append(len(starts))
            starts.append(position)
            ends.append(end)
            counts.append(count)
            position = end + 1
        chunk = self._parse(
            buffer, np.array(starts), np.array(ends), np.array(counts), frozenset(broken)
        )
        return chunk, min(position, len(self._buffer))

    def _record(self, buffer: bytes, position: int) -> tuple[int, int]:
        """(end, fields) of the record at `position`; (-1, 0) no end yet, (-1, -1) broken."""
        count = 0
        limit = min(len(buffer), position + RECORD_BYTES)
        while True:
            count += 1
            if buffer[position : position + 1] == b'"' and self._has_quotes:
                match = _QUOTED.match(buffer, position, limit)
                if match is None or match.end() >= limit:
                    return -1, 0
                position = match.end()
                if buffer[position] != QUOTE:
                    return -1, -1
                position += 1
            else:
                match = self._unquoted.match(buffer, position)
                position = match.end() if match else position
            if position >= len(buffer):
                return -1, 0
            if buffer[position] == NEWLINE:
                return position, count
            if buffer[position] != self._delimiter_code:
                return -1, -1
            position += 1

    def _parse(
        self,
        buffer: bytes,
        starts: Any,
        ends: Any,
        counts: Any,
        broken: frozenset[int] = frozenset(),
    ) -> Chunk:
        width = len(self.header)
        if not len(starts):
            empty = pd.DataFrame({name: pd.Series(dtype="str") for name in self.header})
            return Chunk(empty, np.array([], dtype=np.int64))
        is_blank = ends == starts
        numbers = self._row_number + np.cumsum(~is_blank)
        self._row_number = int(numbers[-1])
        is_bad = np.zeros(len(starts), dtype=bool)
        reasons: dict[int, tuple[str, str]] = {}
        for index in broken:
            is_bad[index] = True
            reasons[index] = ("broken_quotes", "the quotes of the row are broken")
        if self._is_ragged_allowed:
            width = max(width, int(counts[~is_bad].max(initial=0)))
        else:
            ragged = (counts != width) & ~is_blank & ~is_bad
            for index in np.flatnonzero(ragged).tolist():
                reasons[index] = (
                    "ragged_row",
                    f"{counts[index]} fields where the header has {width}",
                )
            is_bad |= ragged
        if 0 in buffer:
            zeros = np.flatnonzero(np.frombuffer(buffer, dtype=np.uint8) == 0)
            owners = np.searchsorted(starts, zeros, side="right") - 1
            for index in np.unique(owners).tolist():
                if zeros[owners == index][0] <= ends[index] and not is_bad[index]:
                    is_bad[index] = True
                    reasons[index] = ("nul_character", "the row holds a NUL character")
        rejected = [
            RejectedRow(
                int(numbers[index]),
                *reasons[index],
                payload={"line": _printable(buffer[int(starts[index]) : int(ends[index])])},
            )
            for index in sorted(reasons)
        ]
        keep = ~is_bad & ~is_blank
        return Chunk(self._frame(buffer, starts, ends, keep, width), numbers[keep], rejected)

    def _frame(self, buffer: bytes, starts: Any, ends: Any, keep: Any, width: int) -> pd.DataFrame:
        names = self.header + [f"column_{i}" for i in range(len(self.header) + 1, width + 1)]
        if not keep.any():
            return pd.DataFrame({name: pd.Series(dtype="str") for name in names})
        if keep.all():
            good = buffer[int(starts[0]) : int(ends[-1]) + 1]
        else:
            good = b"".join(
                buffer[int(start) : int(end) + 1]
                for start, end in zip(starts[keep], ends[keep], strict=True)
            )
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(good),
            sep=self.delimiter,
            header=None,
            names=names,
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            quoting=csv.QUOTE_MINIMAL if self._has_quotes else csv.QUOTE_NONE,
            lineterminator="\n",
            skip_blank_lines=False,
            index_col=False,
            engine="c",
            low_memory=False,
        )
        if len(frame) != int(keep.sum()):
            raise FileError(
                "unreadable", f"{int(keep.sum())} records found but {len(frame)} could be parsed"
            )
        return frame


_QUOTED = re.compile(rb'"(?:[^"]++|"")*+')


def _printable(line: bytes) -> str:
    return line[:2000].decode("utf-8", "replace").replace("\x00", "\ufffd")


def _check_characters(record: Any) -> None:
    """Raise ValueError for what an escape can write and no database can hold."""
    text = json.dumps(record, ensure_ascii=False, default=str)
    if "\\u0000" in text:
        raise ValueError("it holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("it holds half of a surrogate pair") from error


def _reject_constant(name: str) -> None:
    """JSON has no NaN and no Infinity; Python writes them, and they mean no value."""


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_reject_constant)


def read_json_lines(file: IO[bytes]) -> Iterator[Chunk]:
    """One JSON object a line. Numbers with a fraction stay exact (Decimal)."""
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    rejected: list[RejectedRow] = []
    number = size = good = 0
    for line in file:
        if not line.strip():
            continue
        number += 1
        size += len(line)
        try:
            record = _DECODER.decode(line.decode("utf-8"))
            if b"\\u" in line:
                _check_characters(record)
        except (ValueError, RecursionError) as error:
            reason = f"not readable as JSON: {error}"
            rejected.append(
                RejectedRow(number, "not_json", reason, payload={"line": _printable(line)})
            )
        else:
            if isinstance(record, dict):
                records.append(record)
                numbers.append(number)
            else:
                rejected.append(
                    RejectedRow(
                        number,
                        "not_json",
                        "the line is not a JSON object",
                        payload={"line": _printable(line)},
                    )
                )
        if size >= CHUNK_BYTES or len(records) >= CHUNK_ROWS:
            good += len(records)
            yield Chunk(object_frame(records), np.array(numbers, dtype=np.int64), rejected)
            records, numbers, rejected, size = [], [], [], 0
    good += len(records)
    if not number:
        raise FileError("empty_file", "the file is empty")
    if not good:
        raise FileError("unreadable", "unreadable: no line of the file is a JSON object")
    yield Chunk(object_frame(records), np.array(numbers, dtype=np.int64), rejected)


def _documents(file: IO[bytes]) -> Iterator[Any]:
    """JSON documents one after another, with or without anything between; arrays are opened."""
    text, position, at_end = "", 0, False
    reader = io.TextIOWrapper(file, encoding="utf-8")
    try:
        while True:
            while position < len(text) and text[position] in " \t\r\n,[]\x1e":
                position += 1
            if position < len(text):
                try:
                    document, position = _DECODER.raw_decode(text, position)
                except (ValueError, RecursionError) as error:
                    if at_end:
                        raise FileError("unreadable", f"unreadable: not JSON: {error}") from error
                else:
                    yield document
                    continue
            elif at_end:
                return
            more = reader.read(max(CHUNK_BYTES, len(text) - position))
            at_end = not more
            text, position = text[position:] + more, 0
    finally:
        reader.detach()


def read_json_documents(file: IO[bytes]) -> Iterator[Chunk]:
    """Objects of a JSON array, or written one after another as stream exporters do."""
    records: list[dict[str, Any]] = []
    number = 0
    for document in _documents(file):
        number += 1
        if not isinstance(document, dict):
            raise FileError("unreadable", f"unreadable: document {number} is not a JSON object")
        try:
            _check_characters(document)
        except ValueError as error:
            raise FileError("unreadable", f"unreadable: document {number}: {error}") from error
        records.append(document)
        if len(records) >= CHUNK_ROWS:
            yield Chunk(object_frame(records), np.arange(number - len(records), number) + 1)
            records = []
    if not number:
        raise FileError("empty_file", "the file is empty")
    if records:
        yield Chunk(object_frame(records), np.arange(number - len(records), number) + 1)


def object_frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Records of JSON as a frame of their values; a key that a record lacks is None there."""
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    return pd.DataFrame(
        {name: pd.Series([record.get(name) for record in records], dtype=object) for name in names},
        index=range(len(records)),
    )


def read_parquet(file: IO[bytes]) -> Iterator[Chunk]:
    """Row-group batches of a Parquet file; times stay times, all else becomes text or objects."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(file)
        _clean_header(source.schema_arrow.names)
        number = 0
        for batch in source.iter_batches(batch_size=CHUNK_ROWS):
            columns = {
                name: _from_arrow(column)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }
            frame = pd.DataFrame(columns, index=range(batch.num_rows))
            yield Chunk(frame, np.arange(number, number + batch.num_rows) + 1)
            number += batch.num_rows
        if not number:
            yield Chunk(
                pd.DataFrame({name: pd.Series(dtype="str") for name in source.schema_arrow.names}),
                np.array([], dtype=np.int64),
            )
    except pa.ArrowException as error:
        raise FileError("unreadable", f"unreadable Parquet: {error}") from error


def _from_arrow(column: Any) -> pd.Series[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_timestamp(kind):
        series: pd.Series[Any] = column.cast(pa.timestamp("us", kind.tz), safe=False).to_pandas()
        return series
    if pa.types.is_nested(kind):
        return pd.Series(column.to_pylist(), dtype=object)
    if pa.types.is_null(kind):
        return pd.Series([None] * len(column), dtype="str")
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    text: pd.Series[Any] = column.cast(pa.string()).to_pandas().astype("str")
    return text
