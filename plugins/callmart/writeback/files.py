"""Rows of a feed as the files of a target."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import IO, Any

from callmart.writeback.targets import Column, Constant, FeedFile

MEMORY_BYTES = 8 << 20
# A text that begins like this is run as a formula by a spreadsheet; with an apostrophe before it is a text
# (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_file(
    file: FeedFile, rows: Iterable[Mapping[str, Any]]
) -> tuple[IO[bytes], dict[str, Any]]:
    """The rows in the form of `file`, on disk beyond 8 MiB, and its entry in the manifest.

    rows: columns of the query and `sequence`, texts and numbers as JSON has them, times as ISO 8601
    """
    digest = hashlib.sha256()
    size = count = 0
    with ExitStack() as stack:
        body: IO[bytes] = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES))
        for line in _lines(file, rows):
            raw = line.encode()
            body.write(raw)
            digest.update(raw)
            size += len(raw)
            count += 1
        body.seek(0)
        stack.pop_all()  # done: the file is the caller's to close
    entry = {
        "name": file.name,
        "record_type": file.record_type,
        "rows": count - (file.format == "csv"),
        "bytes": size,
        "sha256": digest.hexdigest(),
    }
    return body, entry


def _lines(file: FeedFile, rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    wanted = (row for row in rows if all(row.get(k) == v for k, v in file.where.items()))
    if file.format == "csv":
        yield _csv_line([*file.fields, "callmart_sequence"])
        for row in wanted:
            cells = [_cell(file, value) for value in _values(file, row).values()]
            yield _csv_line([*cells, str(row["sequence"])])
        return
    for row in wanted:
        values = {name: _plain(file, value) for name, value in _values(file, row).items()}
        if file.nest is not None and file.id is not None:
            document = {"id": row[file.id], file.nest: values}
        else:
            document = values
        document = {**document, "callmart_sequence": row["sequence"]}
        yield json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def _values(file: FeedFile, row: Mapping[str, Any]) -> dict[str, Any]:
    if not file.fields:
        return {name: value for name, value in row.items() if name != "sequence"}
    values: dict[str, Any] = {}
    for name, source in file.fields.items():
        if isinstance(source, Constant):
            values[name] = source.const
        elif isinstance(source, Column):
            word = row[source.column]
            values[name] = source.values.get(word, word) if isinstance(word, str) else word
        else:
            values[name] = row[source]
    return values


def _moment(text: str) -> datetime | None:
    """A time as the query gives it: with hours and an offset; a text that is none is a text."""
    if len(text) < len("2026-11-18T09:00+00") or text[4:5] != "-" or text[10:11] != "T":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _plain(file: FeedFile, value: Any) -> Any:
    if value is None:
        return file.null
    if isinstance(value, str):
        moment = _moment(value)
        if moment is not None:
            if file.datetimes == "epoch_ms":
                return round(moment.timestamp() * 1000)
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _cell(file: FeedFile, value: Any) -> str:
    plain = _plain(file, value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (dict, list)):
        return json.dumps(plain, ensure_ascii=False)
    if isinstance(plain, str) and plain.startswith(_FORMULA) and plain != file.null:
        return f"'{plain}"
    return str(plain)


def _csv_line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()
