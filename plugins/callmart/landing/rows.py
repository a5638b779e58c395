"""Rows against the contract: values converted column by column, rows that break it set apart.

Everything is vectorised: a column is converted at once, and only values that fail are looked at one
by one. A row with several faults is one rejected row with all reasons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from callmart.contracts import Column, Entity
from callmart.landing.findings import Findings
from callmart.landing.tables import RejectedRow

# ISO 8601 calendar dates and times, extended or basic, with or without offset.
_DATE = r"(?:\d{4}-\d{2}-\d{2}|\d{8})"
_CLOCK = r"[T ]\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d{1,9})?)?)?"
_OFFSET = r" ?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)"
_TIME = rf"{_DATE}(?:{_CLOCK}(?:{_OFFSET})?)?"
_TIME_WITH_OFFSET = rf"{_DATE}{_CLOCK}{_OFFSET}"
_INTEGER = r"[+-]?\d{1,18}(?:\.0*)?"
_DECIMAL = r"[+-]?(?:\d{1,100}(?:\.\d{0,100})?|\.\d{1,100})(?:[eE][+-]?\d{1,2})?"
_TRUE = ("true", "t", "1", "yes", "y", "1.0")
_FALSE = ("false", "f", "0", "no", "n", "0.0")

DOUBTS = (
    ("ambiguous_time", "ambiguous local time, read as the earlier"),
    ("nonexistent_time", "local time skipped by the clock change, moved on"),
)
"""(kind, text) of the flags for what `parse_times` returns as ambiguous and as nonexistent."""

Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Locale:
    """How a source writes times and numbers that do not say it themselves."""

    time_zone: str
    country: str


@dataclass
class CheckedRows:
    """Rows that go in, those that do not, and what was odd about the former."""

    table: pa.Table
    """Columns of the raw table up to `_flags`; row place first: _row_number, _row_part."""
    rejected: list[RejectedRow]
    flag_counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """(kind, column) → rows"""


@dataclass
class _Converted:
    arrays: dict[str, Any]
    """Column name → Arrow array."""
    bad: Mask
    rule: str
    reason: str
    flags: list[tuple[Mask, str, str]] = field(default_factory=list)
    """(rows, kind, text)"""


def as_text(series: pd.Series[Any]) -> pd.Series[Any]:
    """Any column as text (dtype str); empty text is null, nested values become JSON text."""
    if not isinstance(series.dtype, pd.StringDtype):
        if series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) not in (
            "string",
            "empty",
        ):
            series = pd.Series([_value_text(value) for value in series], index=series.index)
        elif isinstance(series.dtype, pd.DatetimeTZDtype) or series.dtype.kind == "M":
            series = series.map(lambda value: value.isoformat(), na_action="ignore")
        series = series.astype("str")
    return series.where(series != "")


def _value_text(value: Any) -> str | None:
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=_json_value)
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, float) and value != value:
        return None
    return str(value)


def _json_value(value: Any) -> Any:
    """What the json module does not know: exact decimals and times of foreign files."""
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def parse_times(series: pd.Series[Any], time_zone: str) -> tuple[pd.Series[Any], Mask, Mask, Mask]:
    """Times of a column in UTC; those without an offset are read in `time_zone` (IANA name).

    Returns (times as datetime64[us, UTC] with NaT where null or bad, bad, ambiguous, nonexistent).
    A local time that the clock change makes ambiguous is read as the earlier one; one that it skips
    is moved to the end of the gap. Both are for the caller to flag.
    """
    none = np.zeros(len(series), dtype=bool)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return series.dt.tz_convert("UTC").dt.as_unit("us"), none, none, none
    if series.dtype.kind == "M":
        local = series.dt.as_unit("us")
        times, ambiguous, nonexistent = _localize(local, time_zone)
        return times, none, ambiguous, nonexistent
    text = as_text(series).str.strip()
    is_given = text.notna().to_numpy()
    is_time = text.str.fullmatch(_TIME).fillna(False).to_numpy(dtype=bool)
    has_offset = text.str.fullmatch(_TIME_WITH_OFFSET).fillna(False).to_numpy(dtype=bool)
    if not is_given.any():
        empty = pd.Series(pd.NaT, index=series.index, dtype="datetime64[us, UTC]")
        return empty, none, none, none
    if has_offset.all():
        times = _parse(text, utc=True)
        ambiguous = nonexistent = none
    else:
        times = pd.Series(pd.NaT, index=series.index, dtype="datetime64[us, UTC]")
        ambiguous, nonexistent = none.copy(), none.copy()
        if has_offset.any():
            times[has_offset] = _parse(text[has_offset], utc=True)
        naive = is_time & ~has_offset
        if naive.any():
            local = _parse(text[naive], utc=False)
            times[naive], ambiguous[naive], nonexistent[naive] = _localize(local, time_zone)
    bad = is_given & times.isna().to_numpy()
    return times, bad, ambiguous, nonexistent


def _parse(text: pd.Series[Any], *, utc: bool) -> pd.Series[Any]:
    text = text.str.replace(",", ".", regex=False)
    parsed = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=utc)
    microseconds: pd.Series[Any] = parsed.dt.as_unit("us")
    return microseconds


def _localize(local: pd.Series[Any], time_zone: str) -> tuple[pd.Series[Any], Mask, Mask]:
    zone = ZoneInfo(time_zone)
    first = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    unclear = (first.isna() & local.notna()).to_numpy()
    if not unclear.any():
        return first.dt.tz_convert("UTC"), unclear, unclear
    # True reads an ambiguous time as daylight saving time, which is the earlier of the two.
    doubtful = local[unclear]
    is_dst = np.ones(len(doubtful), dtype=bool)
    ambiguous_read = doubtful.dt.tz_localize(zone, ambiguous=is_dst, nonexistent="NaT")
    read = doubtful.dt.tz_localize(zone, ambiguous=is_dst, nonexistent="shift_forward")
    times = first.dt.tz_convert("UTC")
    times[unclear] = read.dt.tz_convert("UTC")
    nonexistent = np.zeros(len(local), dtype=bool)
    nonexistent[unclear] = ambiguous_read.isna().to_numpy()
    return times, unclear & ~nonexistent, nonexistent


@lru_cache(maxsize=200_000)
def normalize_phone(number: str, country: str) -> str | None:
    """E.164 of a number as delivered, read in `country` (ISO 3166 alpha-2); None if it is none.

    >>> normalize_phone('010-6552 9988', 'CN')
    '+861065529988'
    """
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    # Possible, not valid: numbering plans change faster than the library's tables.
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _convert(column: Column, series: pd.Series[Any], locale: Locale) -> _Converted:
    """A column's values as Arrow arrays of the raw table's types; `bad` marks what is none."""
    if column.type == "timestamp":
        times, bad, ambiguous, nonexistent = parse_times(series, locale.time_zone)
        flags = [(ambiguous, *DOUBTS[0]), (nonexistent, *DOUBTS[1])]
        array = pa.array(times, type=pa.timestamp("us", tz="UTC"), from_pandas=True)
        return _Converted({column.name: array}, bad, "not_a_time", "is not a time", flags)
    text = as_text(series)
    if column.type == "text":
        has_nul = text.str.contains("\x00", regex=False).fillna(False).to_numpy(dtype=bool)
        return _text(column.name, text, has_nul, "nul_character", "holds a NUL character")
    is_given = text.notna().to_numpy()
    if column.type == "json":
        values = [_json_text(v) if isinstance(v, str) else None for v in text.array.tolist()]
        result = pd.Series(values, index=text.index, dtype="str")
        bad = is_given & result.isna().to_numpy()
        return _text(column.name, result, bad, "not_json", "is not JSON")
    text = text.str.strip()
    text = text.where(text != "")
    is_given = text.notna().to_numpy()
    if column.type == "phone":
        return _convert_phone(column, text, locale)
    if column.type == "enum":
        return _convert_enum(column, text, is_given)
    if column.type == "boolean":
        folded = text.str.lower()
        good = folded.isin((*_TRUE, *_FALSE)).to_numpy()
        result = folded.isin(_TRUE).astype("boolean").where(folded.notna())
        array = pa.array(result, type=pa.bool_(), from_pandas=True)
        return _Converted(
            {column.name: array}, is_given & ~good, "not_a_boolean", "is neither true nor false"
        )
    if column.type == "integer":
        good = text.str.fullmatch(_INTEGER).fillna(False).to_numpy(dtype=bool)
        digits = text.where(good).str.replace(r"\.0*$", "", regex=True).str.lstrip("+")
        return _text(
            column.name, digits, is_given & ~good, "not_an_integer", "is not a whole number"
        )
    if column.type == "decimal":
        good = text.str.fullmatch(_DECIMAL).fillna(False).to_numpy(dtype=bool)
        return _text(
            column.name, text.where(good), is_given & ~good, "not_a_number", "is not a number"
        )
    return _convert_date(column, text, is_given)


def _text(name: str, text: pd.Series[Any], bad: Mask, rule: str, reason: str) -> _Converted:
    array = pa.array(text, type=pa.string(), from_pandas=True)
    return _Converted({name: array}, bad, rule, reason)


def _json_text(value: str) -> str | None:
    """The JSON text if PostgreSQL's jsonb takes it, else None."""
    try:
        parsed = json.loads(value, parse_constant=_refuse_constant)
        text = json.dumps(parsed, ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError):
        return None
    return None if "\\u0000" in text else value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _convert_phone(column: Column, text: pd.Series[Any], locale: Locale) -> _Converted:
    normalized = text.map(
        {
            number: normalize_phone(number, locale.country)
            for number in text.dropna().unique().tolist()
        }
    ).astype("str")
    failed = (text.notna() & normalized.isna()).to_numpy()
    return _Converted(
        {
            column.name: pa.array(normalized, type=pa.string(), from_pandas=True),
            f"{column.name}_delivered": pa.array(text, type=pa.string(), from_pandas=True),
        },
        np.zeros(len(text), dtype=bool),
        "",
        "",
        [(failed, "phone_not_normalised", f"not a phone number in {locale.country}")],
    )


def _convert_enum(column: Column, text: pd.Series[Any], is_given: Mask) -> _Converted:
    folded = text.str.lower()
    good = folded.isin(column.values).to_numpy()
    if len(column.values) == 2:
        reason = f"is neither {column.values[0]} nor {column.values[1]}"
    else:
        reason = f"is none of {', '.join(column.values)}"
    return _text(column.name, folded.where(good), is_given & ~good, "not_in_list", reason)


def _convert_date(column: Column, text: pd.Series[Any], is_given: Mask) -> _Converted:
    # A time is taken for the date that it shows, whatever its offset.
    is_time = text.str.fullmatch(_TIME).fillna(False).to_numpy(dtype=bool)
    shown = text.where(is_time).str.replace("-", "", regex=False).str.slice(0, 8)
    dates = pd.to_datetime(shown, format="%Y%m%d", errors="coerce").dt.as_unit("s")
    bad = is_given & dates.isna().to_numpy()
    array = pa.array(dates, type=pa.timestamp("s"), from_pandas=True).cast(pa.date32())
    return _Converted({column.name: array}, bad, "not_a_date", "is not a date")


def check_rows(
    entity: Entity,
    columns: dict[str, pd.Series[Any]],
    extra: pd.DataFrame,
    row_numbers: np.ndarray[Any, np.dtype[np.int64]],
    row_parts: np.ndarray[Any, np.dtype[np.int32]],
    locale: Locale,
    findings: Mapping[str, Findings] = MappingProxyType({}),
) -> CheckedRows:
    """Convert and check the rows of one chunk. `findings`: by column, what computing it found odd.

    `columns`: the entity's columns that the source delivers, all of one length; `extra`: what the
    contract does not know, kept as JSON. All other columns of the entity are null.
    """
    count = len(row_numbers)
    arrays: dict[str, Any] = {}
    faults: dict[int, list[tuple[str, str]]] = {}
    flags: dict[int, dict[str, str]] = {}
    flag_counts: dict[tuple[str, str], int] = {}
    for column in entity.columns.values():
        series = columns.get(column.name)
        if series is None:
            series = pd.Series([None] * count, dtype="str")
        series = series.reset_index(drop=True)
        unread: set[int] = set()
        if column.name in findings:
            unread = _unread(column, series, findings[column.name], faults)
            series = _known_words(column, series, findings[column.name], flags, flag_counts)
        converted = _convert(column, series, locale)
        arrays.update(converted.arrays)
        for index in np.flatnonzero(converted.bad).tolist():
            shown = str(as_text(series.iloc[[index]]).iloc[0])[:200].replace("\x00", "\ufffd")
            faults.setdefault(index, []).append(
                (converted.rule, f"{column.name} {converted.reason}: {shown}")
            )
        if column.is_required:
            text = series if series.dtype.kind == "M" else as_text(series)
            empty = text.isna().to_numpy()
            if not isinstance(text.dtype, pd.DatetimeTZDtype) and text.dtype.kind != "M":
                empty = empty | (text.str.strip() == "").fillna(False).to_numpy(dtype=bool)
            kind = "key" if column.key else "required column"
            for index in np.flatnonzero(empty).tolist():
                if index in unread:
                    continue
                faults.setdefault(index, []).append(
                    (f"{kind.split()[0]}_empty", f"the {kind} {column.name} is empty")
                )
        told = [
            *converted.flags,
            *(findings[column.name].doubtful if column.name in findings else []),
        ]
        for mask, kind, text_of_flag in told:
            indices = np.flatnonzero(mask).tolist()
            if indices:
                flag_counts[(kind, column.name)] = flag_counts.get((kind, column.name), 0) + len(
                    indices
                )
            for index in indices:
                flags.setdefault(index, {})[column.name] = text_of_flag
    extra_texts = _extra_texts(extra, faults)
    rejected = [
        RejectedRow(
            int(row_numbers[index]),
            found[0][0],
            "; ".join(reason for _, reason in found),
            _record_key(entity, columns, index),
            _payload(columns, extra, index),
        )
        for index, found in sorted(faults.items())
    ]
    arrays["_extra"] = pa.array(extra_texts, type=pa.string())
    arrays["_flags"] = pa.array(
        [json.dumps(flags[index]) if index in flags else "{}" for index in range(count)]
        if flags
        else ["{}"] * count,
        type=pa.string(),
    )
    table = pa.table(
        {
            "_row_number": pa.array(row_numbers, type=pa.int64()),
            "_row_part": pa.array(row_parts, type=pa.int32()),
            **arrays,
        }
    )
    if faults:
        keep = np.ones(count, dtype=bool)
        keep[list(faults)] = False
        table = table.filter(pa.array(keep))
    return CheckedRows(table, rejected, flag_counts)


def _unread(
    column: Column,
    series: pd.Series[Any],
    findings: Findings,
    faults: dict[int, list[tuple[str, str]]],
) -> set[int]:
    """Enter as faults what was given and could not be read, where nothing else gave a value."""
    is_empty = series.isna().to_numpy()
    found: set[int] = set()
    for mask, rule, what, text in findings.unread:
        for index in np.flatnonzero(mask & is_empty).tolist():
            if index not in found:
                shown = str(text.iloc[index])[:200].replace("\x00", "\ufffd")
                faults.setdefault(index, []).append((rule, f"{column.name} is not {what}: {shown}"))
                found.add(index)
    return found


def _known_words(
    column: Column,
    series: pd.Series[Any],
    findings: Findings,
    flags: dict[int, dict[str, str]],
    flag_counts: dict[tuple[str, str], int],
) -> pd.Series[Any]:
    """Flag and count words that a code map does not know; of a list that is not obligatory, drop them."""
    for mask, words in findings.unknown:
        rows = mask
        if column.type == "enum":
            given = as_text(series).str.strip().str.lower()
            rows = mask & ~given.isin(column.values).to_numpy(dtype=bool)
        for index in np.flatnonzero(rows).tolist():
            word = str(words.iloc[index])[:200].replace("\x00", "\ufffd")
            flags.setdefault(index, {})[column.name] = f"the mapping does not know the word {word}"
            key = ("unknown_word", f"{column.name}: {word}")
            flag_counts[key] = flag_counts.get(key, 0) + 1
        if column.type == "enum" and not column.is_required:
            series = series.mask(rows)
    return series


def _extra_texts(extra: pd.DataFrame, faults: dict[int, list[tuple[str, str]]]) -> list[str | None]:
    """One JSON object a row; what JSON in PostgreSQL cannot hold becomes a fault of the row."""
    if not len(extra.columns):
        return ["{}"] * len(extra)
    names = [str(name) for name in extra.columns]
    columns = [_plain_values(extra[name]) for name in extra.columns]
    texts: list[str | None] = []
    for index, values in enumerate(zip(*columns, strict=True)):
        text = json.dumps(
            dict(zip(names, values, strict=True)), ensure_ascii=False, default=_json_value
        )
        if "\\u0000" in text or not _is_encodable(text):
            faults.setdefault(index, []).append(
                ("nul_character", "an unknown column holds a character that cannot be stored")
            )
            text = "{}"
        texts.append(text)
    return texts


def _plain_values(series: pd.Series[Any]) -> list[Any]:
    values: list[Any] = series.astype(object).tolist()
    return [
        None if value is None or value is pd.NaT or value != value else value for value in values
    ]


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _record_key(entity: Entity, columns: dict[str, pd.Series[Any]], index: int) -> str:
    parts = []
    for name in entity.key:
        value = columns[name].iloc[index] if name in columns else None
        text = None if value is None or value is pd.NaT or value != value else _value_text(value)
        parts.append(text or "")
    return "|".join(parts).replace("\x00", "\ufffd")


def _payload(columns: dict[str, pd.Series[Any]], extra: pd.DataFrame, index: int) -> dict[str, Any]:
    """The row as delivered, storable as JSON."""
    payload: dict[str, Any] = {}
    for name, series in [*columns.items(), *((str(n), extra[n]) for n in extra.columns)]:
        value = series.iloc[index]
        is_null = value is None or value is pd.NaT or (isinstance(value, float) and value != value)
        text = None if is_null else _value_text(value)
        payload[name] = (
            None
            if text is None
            else text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        )
    return payload
