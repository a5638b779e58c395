"""Filled worklists: read, checked row by row, put into the bucket as deliveries of `phrase_reviews`."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from callmart.landing import ObjectStore
from callmart.reviews.worklist import COLUMNS, VERDICTS, plain
from callmart.settings import Settings

_PREFIX = "crm/phrase_reviews/"
_FIELDS = (
    "hit_id", "reviewer", "verdict", "reviewed_at", "comment", "selection", "call_id", "rule_id",
    "updated_at",
)  # fmt: skip
_HIT_ID = re.compile(r"[0-9a-f]{32}")
_MOST_BYTES = 50 << 20  # a worklist of 100 000 hits is a fifth of it
_MOST_UNPACKED = 500 << 20
_LONGEST_COMMENT = 2000


class WorklistError(ValueError):
    """The file is no worklist; the message says why."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one row. row: as the spreadsheet numbers it, the heading being 1."""

    row: int
    rule_id: str
    reason: str

    def __str__(self) -> str:
        rule = f" (rule {self.rule_id})" if self.rule_id else ""
        return f"row {self.row}{rule}: {self.reason}"


@dataclass(frozen=True)
class Verdict:
    """What an inspector holds of a hit. reviewed_at: with offset, or None where the row does not say."""

    row: int
    hit_id: str
    reviewer: str
    verdict: str
    reviewed_at: datetime | None
    comment: str
    selection: str
    call_id: str
    rule_id: str
    is_reopened: bool
    """The worklist showed an earlier verdict that was appealed."""


def read_worklist(
    content: bytes, settings: Settings, reviewer: str | None = None, now: datetime | None = None
) -> tuple[list[Verdict], list[Fault]]:
    """The verdicts of a filled worklist (XLSX or CSV), and the rows that cannot be taken.

    Rows without a verdict are passed over. `reviewer` is who decided where a row does not say; times
    without an offset are of the business time zone; one behind `now` is a fault. Raises
    WorklistError where the file as a whole is not a worklist.
    """
    zone = ZoneInfo(settings.business_time_zone)
    now = now or datetime.now(zone)
    verdicts: list[Verdict] = []
    faults: list[Fault] = []
    rows_seen: dict[tuple[str, str], int] = {}
    for row, cells in _rows(content):
        rule_id = cells.get("rule_id", "")
        word = cells.get("verdict", "").strip().lower()
        if not word:
            if cells.get("comment", "").strip() and cells.get("hit_id"):
                faults.append(Fault(row, rule_id, "a comment, but no verdict"))
            continue
        try:
            verdict = _verdict(row, cells, word, reviewer, zone, now)
        except ValueError as error:
            faults.append(Fault(row, rule_id, str(error)))
            continue
        place = (verdict.hit_id, verdict.reviewer)
        if place in rows_seen:
            faults.append(
                Fault(
                    row, rule_id, f"{verdict.reviewer} decided this hit in row {rows_seen[place]}"
                )
            )
            continue
        rows_seen[place] = row
        verdicts.append(verdict)
    return verdicts, faults


def _verdict(
    row: int, cells: dict[str, str], word: str, reviewer: str | None, zone: ZoneInfo, now: datetime
) -> Verdict:
    """One filled row. Raises ValueError naming the fault."""
    if word not in VERDICTS:
        raise ValueError(f"verdict {cells['verdict']!r} is none of {', '.join(VERDICTS)}")
    hit_id = cells.get("hit_id", "").strip()
    if not _HIT_ID.fullmatch(hit_id):
        raise ValueError(
            f"hit_id {hit_id!r} is not one of a worklist (32 digits and letters a to f)"
        )
    by = cells.get("reviewer", "").strip() or (reviewer or "").strip()
    if not by:
        raise ValueError("reviewer is empty; fill it in or name one for all rows with --reviewer")
    comment = cells.get("comment", "").strip()
    if len(comment) > _LONGEST_COMMENT:
        raise ValueError(
            f"comment has {len(comment)} characters, at most {_LONGEST_COMMENT} are kept"
        )
    selection = cells.get("selection", "").strip().lower()
    if selection not in ("", "worst", "random"):
        raise ValueError(f"selection {selection!r} is none of worst, random")
    written = cells.get("reviewed_at", "").strip()
    reviewed_at = None
    if written:
        try:
            reviewed_at = datetime.fromisoformat(written.replace("/", "-"))
        except ValueError as error:
            raise ValueError(
                f"reviewed_at {written!r} is no time such as 2026-11-18 16:05"
            ) from error
        if reviewed_at.tzinfo is None:
            reviewed_at = reviewed_at.replace(tzinfo=zone)
        if reviewed_at > now:
            raise ValueError(f"reviewed_at {written} has not come yet")
    return Verdict(
        row, hit_id, by, word, reviewed_at, comment, selection,
        cells.get("call_id", ""), cells.get("rule_id", ""),
        bool(cells.get("so_far", "").strip()),
    )  # fmt: skip


def land_verdicts(
    settings: Settings, verdicts: Sequence[Verdict], now: datetime | None = None
) -> tuple[str | None, int]:
    """Put verdicts into the bucket as one object of `phrase_reviews`; its key, and how many are new.

    A verdict that an earlier import brought already (same hit, reviewer, verdict, comment and, if it
    says, time) is left out, unless its hit was reopened by an appeal in between; so is a whole file
    that came before. Where nothing is left, nothing is written and the key is None. To say the same
    again later, name the time. The next ingest_landing loads it.
    """
    now = now or datetime.now(ZoneInfo(settings.business_time_zone))
    store = ObjectStore(settings)
    content = sorted((*_identity(verdict), str(verdict.is_reopened)) for verdict in verdicts)
    name = f"worklist-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]}.csv"
    landed: set[tuple[str, ...]] = set()
    for key in _earlier_imports(store):
        if key.endswith(f"/{name}"):
            return None, 0
        text = b"".join(store.stream(key)).decode("utf-8")
        for cells in csv.DictReader(io.StringIO(text, newline="")):
            said = (cells["hit_id"], cells["reviewer"], cells["verdict"], cells["comment"])
            landed |= {(*said, ""), (*said, cells["reviewed_at"])}
    new = [
        replace(verdict, reviewed_at=verdict.reviewed_at or now)
        for verdict in verdicts
        if verdict.is_reopened or _identity(verdict) not in landed
    ]
    if not new:
        return None, 0
    key = f"{_PREFIX}dt={now.astimezone(ZoneInfo(settings.business_time_zone)).date()}/{name}"
    store.put(key, _csv(new), "text/csv; charset=utf-8")
    return key, len(new)


def _identity(verdict: Verdict) -> tuple[str, ...]:
    at = verdict.reviewed_at.isoformat() if verdict.reviewed_at else ""
    return (verdict.hit_id, verdict.reviewer, verdict.verdict, verdict.comment, at)


def _earlier_imports(store: ObjectStore) -> list[str]:
    return [
        item.key
        for page in store.list_pages(_PREFIX)
        for item in page
        if re.search(r"/worklist-[0-9a-f]{16}\.csv$", item.key)
    ]


def _csv(verdicts: Iterable[Verdict]) -> bytes:
    """Rows of the entity. Nobody opens them in a spreadsheet, so cells stand as they are."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _FIELDS)
    writer.writeheader()
    for verdict in verdicts:
        at = verdict.reviewed_at.isoformat() if verdict.reviewed_at else ""
        writer.writerow(
            {
                "hit_id": verdict.hit_id,
                "reviewer": verdict.reviewer,
                "verdict": verdict.verdict,
                "reviewed_at": at,
                "comment": verdict.comment,
                "selection": verdict.selection,
                "call_id": verdict.call_id,
                "rule_id": verdict.rule_id,
                "updated_at": at,
            }
        )
    return text.getvalue().encode("utf-8")


def _rows(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells (by column of the worklist) of every row below the heading."""
    if len(content) > _MOST_BYTES:
        raise WorklistError(f"larger than {_MOST_BYTES >> 20} MiB")
    table = _xlsx_rows(content) if content[:2] == b"PK" else _csv_rows(content)
    head = next(table, None)
    if head is None:
        raise WorklistError("the file is empty")
    headings = {
        heading.casefold(): name
        for name, (english, _, _) in COLUMNS.items()
        for heading in (name, english)
    }
    names = [headings.get(str(cell).split("\n")[0].strip().casefold()) for cell in head]
    missing = [name for name in ("verdict", "hit_id") if name not in names]
    if missing:
        raise WorklistError(f"no column {', '.join(missing)} in the first row")
    for name in names:
        if name is not None and names.count(name) > 1:
            raise WorklistError(f"the column {name} is there twice")
    for number, row in enumerate(table, start=2):
        cells = {name: cell for name, cell in zip(names, row, strict=False) if name is not None}
        if any(cells.values()):
            yield number, cells


def _csv_rows(content: bytes) -> Iterator[list[str]]:
    # Spreadsheets of a Chinese Windows save CSV in GB18030, and with semicolons in some countries.
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError as error:
            raise WorklistError("neither an XLSX file nor text in UTF-8 or GB18030") from error
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            yield [plain(cell) for cell in row]
    except csv.Error as error:
        raise WorklistError(f"broken CSV: {error}") from error


def _xlsx_rows(content: bytes) -> Iterator[list[str]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MOST_UNPACKED:
                raise WorklistError(f"unpacks to more than {_MOST_UNPACKED >> 20} MiB")
        # Values, not formulas: what a formula came to when the file was saved.
        workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        if isinstance(error, WorklistError):
            raise
        raise WorklistError(f"no readable XLSX file: {error}") from error
    sheet: Any = (
        workbook["worklist"] if "worklist" in workbook.sheetnames else workbook.worksheets[0]
    )
    # Other programs write the sheet's extent wrongly; then only a part would be read.
    sheet.reset_dimensions()
    for row in sheet.iter_rows(values_only=True):
        yield [_text(value) for value in row]


def _text(value: object) -> str:
    """A cell as it would stand in a CSV."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
