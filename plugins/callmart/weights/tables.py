"""A labelled table of contacts from a file: its columns, what kind each is, and the outcome."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from callmart.weights.settings import FITTING

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = ";,\t|"
POSITIVE_WORDS = ("yes", "y", "true", "1", "won", "success", "是", "成交", "成功")
NOT_GIVEN = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""Words for nothing, in any column; `unknown` is a word of its own where the column holds words."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS_BEFORE_MONTH = np.cumsum([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30])
CALENDAR_COLUMN = "day_of_year"


class TableError(ValueError):
    """The table cannot be fitted; the message names the file, the place and the reason."""


@dataclass(frozen=True)
class Column:
    """One column of n rows.

    numbers: float64 (n,), NaN where there is none; None for a column of words.
    words: str (n,), for a column of words, and for a numeric one the word of a row without a number
    (the sentinel as it was written, or `(empty)`), else "".
    """

    name: str
    numbers: NDArray[np.float64] | None
    words: NDArray[Any]
    sentinels: tuple[float, ...] = ()
    """Numbers that stand for "none" and have a worth of their own."""

    def take(self, rows: NDArray[Any]) -> Column:
        numbers = None if self.numbers is None else self.numbers[rows]
        return Column(self.name, numbers, self.words[rows], self.sentinels)


@dataclass(frozen=True)
class Table:
    """What is known of n contacts, and how each ended (bool (n,))."""

    columns: tuple[Column, ...]
    outcome: NDArray[np.bool_]
    positive: str
    groups: NDArray[Any] | None
    notes: tuple[str, ...]

    def take(self, rows: NDArray[Any]) -> Table:
        groups = None if self.groups is None else self.groups[rows]
        columns = tuple(column.take(rows) for column in self.columns)
        return Table(columns, self.outcome[rows], self.positive, groups, self.notes)


def read_table(
    path: Path,
    outcome: str,
    positive: str | None = None,
    exclude: Sequence[str] = (),
    delimiter: str | None = None,
    groups: str | None = None,
) -> Table:
    """Read a delimited file with a header line (UTF-8 or GB18030, compressed or not).

    Columns of which 99 % are numbers are numeric, all others hold words. A numeric column's value
    that stands for "none" (a single negative one, or 99…9 far beyond the rest) is a level of its
    own. Where a column of months and one of days of the month exist, their day of the year is one
    more column. Rows without an outcome are left out and counted in the notes.

    Raises:
        TableError: no such column, an outcome of not exactly two words, ragged or no rows.
        OSError: the file cannot be read.
    """
    frame = _read_frame(path, delimiter)
    for name in (outcome, *exclude, *([groups] if groups else ())):
        if name not in frame.columns:
            raise TableError(f"{path}: no column {name!r}; it has {', '.join(frame.columns)}")
    notes = []
    words = frame[outcome].str.strip()
    given = ~words.str.lower().isin(NOT_GIVEN)
    if not given.all():
        notes.append(f"{int((~given).sum())} rows without {outcome!r} left out")
        frame, words = frame[given].reset_index(drop=True), words[given].reset_index(drop=True)
    positive = _positive_word(path, outcome, words, positive)
    columns: list[Column] = []
    for name in frame.columns:
        if name in (outcome, groups) or name in exclude:
            continue
        column = _column(str(name), frame[name].str.strip().to_numpy(dtype=object))
        reason = _useless(column)
        if reason is None:
            columns.append(column)
        else:
            notes.append(f"column {name!r} left out: {reason}")
    calendar = _calendar(columns)
    if calendar is not None:
        columns.append(calendar)
        notes.append(f"column {calendar.name!r} added, from the month and the day")
    if not columns:
        raise TableError(f"{path}: no column is left to fit")
    group_words = frame[groups].to_numpy(dtype=object) if groups else None
    return Table(
        tuple(columns),
        (words == positive).to_numpy(dtype=bool),
        positive,
        group_words,
        tuple(notes),
    )


def _read_frame(path: Path, delimiter: str | None) -> pd.DataFrame:
    import pandas as pd

    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "header": None}
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            sep = delimiter or _delimiter(path, encoding)
            frame = pd.read_csv(path, sep=sep, encoding=encoding, index_col=False, **options)
        except UnicodeDecodeError:
            continue
        except pd.errors.ParserError as error:
            raise TableError(f"{path}: {' '.join(str(error).split())}") from error
        except pd.errors.EmptyDataError as error:
            raise TableError(f"{path}: the file is empty") from error
        frame = frame.fillna("")
        frame.columns = [str(name).strip() for name in frame.iloc[0]]
        frame = frame.iloc[1:].reset_index(drop=True)
        doubled = frame.columns[frame.columns.duplicated()]
        if len(doubled):
            raise TableError(f"{path}: two columns are named {doubled[0]!r}")
        if frame.empty:
            raise TableError(f"{path}: a header and no rows")
        return pd.DataFrame(frame)
    raise TableError(f"{path}: neither UTF-8 nor GB18030")


def _delimiter(path: Path, encoding: str) -> str:
    """The delimiter that parts the header line most often, quoted parts aside."""
    import csv

    import pandas as pd

    # A separator that no text has: the whole line is one field.
    options: dict[str, Any] = {"sep": "\x01", "header": None, "nrows": 1, "dtype": str}
    line = pd.read_csv(path, encoding=encoding, quoting=csv.QUOTE_NONE, **options)
    header = str(line.iat[0, 0])
    unquoted = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=unquoted.count)


def _positive_word(path: Path, outcome: str, words: pd.Series, positive: str | None) -> str:
    found = sorted(set(words))
    if len(found) != 2:
        shown = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
        raise TableError(f"{path}: {outcome!r} needs two words, it holds {len(found)}: {shown}")
    if positive is None:
        known = [word for word in found if word.lower() in POSITIVE_WORDS]
        if len(known) != 1:
            raise TableError(
                f"{path}: which of {found[0]!r} and {found[1]!r} of {outcome!r} is the good end?"
                " Say --positive WORD"
            )
        return str(known[0])
    if positive not in found:
        raise TableError(
            f"{path}: {outcome!r} never is {positive!r}, but {found[0]!r}, {found[1]!r}"
        )
    return positive


def _column(name: str, words: NDArray[Any]) -> Column:
    lowered = np.array([str(word).lower() for word in words], dtype=object)
    missing = np.isin(lowered, list(NOT_GIVEN | {"unknown"}))
    numbers = np.full(len(words), np.nan)
    present = ~missing
    parsed = [_number(word) for word in words[present]]
    numbers[present] = parsed
    is_number = np.isfinite(numbers)
    if not present.any() or is_number[present].mean() < 0.99:
        shown = np.where(np.isin(lowered, list(NOT_GIVEN)), "(empty)", words)
        return Column(name, None, shown.astype(object))
    sentinels = _sentinels(numbers[is_number])
    special = np.isin(numbers, sentinels)
    labels = np.where(special, words, np.where(is_number, "", "(empty)")).astype(object)
    return Column(name, np.where(special, np.nan, numbers), labels, sentinels)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return np.nan


def _sentinels(numbers: NDArray[np.float64]) -> tuple[float, ...]:
    """Values that stand for "none": the only negative one, and 9s at least twice all the rest."""
    values, counts = np.unique(numbers, return_counts=True)
    frequent = counts >= FITTING.sentinel_share * len(numbers)
    found = []
    if len(values) > 2 and values[0] < 0 <= values[1] and frequent[0] and values[0] == -1:
        found.append(float(values[0]))
    largest = values[-1]
    nines = re.fullmatch(r"9{2,}", f"{largest:.0f}") is not None and largest == np.floor(largest)
    if len(values) > 2 and nines and frequent[-1] and largest >= 2 * values[-2]:
        found.append(float(largest))
    return tuple(found)


def _useless(column: Column) -> str | None:
    if column.numbers is None:
        _, counts = np.unique(column.words.astype(str), return_counts=True)
        if len(counts) == 1:
            return "one value only"
        if (counts == 1).sum() > FITTING.identifier_share * len(column.words):
            return "its words name single rows"
        return None
    present = column.numbers[np.isfinite(column.numbers)]
    if len(np.unique(present)) + len(set(column.words) - {""}) < 2:
        return "one value only"
    if len(present) == len(column.words) and np.all(np.diff(present) == 1):
        return "it numbers the rows"
    return None


def _calendar(columns: Sequence[Column]) -> Column | None:
    """The day of the year, of the first column of months and the first of days of the month."""
    month = next((column for column in columns if _month_numbers(column) is not None), None)
    day = next(
        (
            column
            for column in columns
            if column.numbers is not None
            and "day" in column.name.lower().split("_")
            and np.nanmin(column.numbers) >= 1
            and 7 < np.nanmax(column.numbers) <= 31
        ),
        None,
    )
    if month is None or day is None or day.numbers is None:
        return None
    numbers = _month_numbers(month)
    if numbers is None or any(column.name == CALENDAR_COLUMN for column in columns):
        return None
    known = np.isfinite(numbers) & np.isfinite(day.numbers)
    days = np.full(len(numbers), np.nan)
    days[known] = _DAYS_BEFORE_MONTH[numbers[known].astype(int) - 1] + day.numbers[known]
    return Column(CALENDAR_COLUMN, days, np.where(known, "", "(empty)").astype(object))


def _month_numbers(column: Column) -> NDArray[np.float64] | None:
    if column.numbers is not None:
        whole = column.name.lower() == "month" and np.nanmin(column.numbers) >= 1
        return column.numbers if whole and np.nanmax(column.numbers) <= 12 else None
    short = [str(word).lower()[:3] for word in column.words]
    if not set(short) <= set(_MONTHS):
        return None
    return np.array([_MONTHS.index(word) + 1.0 for word in short])
