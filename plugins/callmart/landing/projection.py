"""Records of a file to rows of entities, as the contract's own layout or a source mapping says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from callmart.contracts import Entity
from callmart.landing.expressions import Evaluator, explode
from callmart.landing.findings import Findings
from callmart.landing.mappings import EntityRows, Route, TableFiles
from callmart.landing.rows import CheckedRows, Locale, as_text, check_rows
from callmart.landing.tables import Chunk, object_frame

PARTS_A_RULE = 1_000_000
"""`_row_part` = place of the rule in the mapping × this + place in the exploded array."""

Part = tuple[Entity, CheckedRows, list[str]]
"""An entity, its checked rows, the columns that nobody knows."""


def unwrap(chunk: Chunk, name: str | None) -> Chunk:
    """The records inside an envelope or a page; a record without one stays as it is."""
    if name is None or name not in chunk.frame.columns:
        return chunk
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, record in zip(chunk.row_numbers, chunk.frame.to_dict("records"), strict=True):
        inner = record[name]
        found = [inner] if isinstance(inner, dict) else inner
        if not isinstance(found, list):
            found = [{str(field): value for field, value in record.items()}]
        records += [one for one in found if isinstance(one, dict)]
        numbers += [number] * (len(records) - len(numbers))
    return replace(
        chunk, frame=object_frame(records), row_numbers=np.array(numbers, dtype=np.int64)
    )


def project_contract(
    entity: Entity, chunk: Chunk, files: TableFiles, locale: Locale
) -> Iterator[Part]:
    """Columns by the contract's own names (in any case of letters)."""
    known: dict[str, str] = {}
    for name in chunk.frame.columns:
        folded = str(name).strip().casefold()
        if folded in entity.columns and folded not in known:
            known[folded] = str(name)
    columns = {column: chunk.frame[name] for column, name in known.items()}
    _apply_words(columns, files)
    extra = chunk.frame.drop(columns=list(known.values()))
    prefix = entity.own_fields_prefix
    unknown = [str(n) for n in extra.columns if prefix is None or not str(n).startswith(prefix)]
    parts = np.zeros(len(chunk.frame), dtype=np.int32)
    yield entity, check_rows(entity, columns, extra, chunk.row_numbers, parts, locale), unknown


class MappedProjection:
    """Rows by the expressions of a source mapping, for one file."""

    def __init__(self, entities: dict[str, Entity], route: Route, locale: Locale) -> None:
        if route.tables is None:
            raise ValueError(f"{route.key} is no extract")
        self._entities = entities
        self._route = route
        self._files = route.tables
        self._locale = locale
        self._seen: dict[int, set[tuple[Any, ...]]] = {}
        self.untaken = 0
        """Records so far that no rule took."""

    def parts(self, chunk: Chunk) -> Iterator[Part]:
        """Rows of a chunk, rule by rule. What no rule reads goes to the first rule's rows."""
        files = self._files
        read = {name for rows in files.rows for name in rows.read_fields()} | {*files.drop_fields}
        rest = [name for name in chunk.frame.columns if str(name) not in read]
        taken: set[int] = set()
        records = _with_file_fields(_without_nulls(chunk, files.nulls), self._route)
        for place, rows in enumerate(files.rows):
            selected = _select(records, rows, self._locale)
            taken.update(selected.row_numbers.tolist())
            if not len(selected.frame):
                continue
            is_first = place == 0
            checked = self._checked(place, rows, selected, rest if is_first else [])
            unknown = [str(name) for name in rest if str(name) not in files.ignore_fields]
            yield self._entities[rows.entity], checked, unknown if is_first else []
        self.untaken += len(set(chunk.row_numbers.tolist()) - taken)

    def _checked(
        self, place: int, rows: EntityRows, selected: Chunk, rest: list[Any]
    ) -> CheckedRows:
        zone = self._locale.time_zone
        evaluator = Evaluator(selected.frame, zone)
        parts = _parts(selected.row_numbers) + place * PARTS_A_RULE
        if rows.distinct:
            keep = self._not_seen(place, [evaluator.text(of) for of in rows.fields.values()])
            parts = parts[keep]
            selected = replace(
                selected,
                frame=selected.frame[keep].reset_index(drop=True),
                row_numbers=selected.row_numbers[keep],
            )
            evaluator = Evaluator(selected.frame, zone)
        columns: dict[str, pd.Series[Any]] = {}
        findings: dict[str, Findings] = {}
        for column, expression in rows.fields.items():
            columns[column], findings[column] = evaluator.column(expression)
        _apply_words(columns, self._files)
        return check_rows(
            self._entities[rows.entity],
            columns,
            selected.frame[rest],
            selected.row_numbers,
            parts.astype(np.int32),
            self._locale,
            findings,
        )

    def _not_seen(self, place: int, columns: list[pd.Series[Any]]) -> Any:
        """Which rows of a rule say what no row of the file before them said."""
        seen = self._seen.setdefault(place, set())
        values = [column.astype(object).where(column.notna(), None).tolist() for column in columns]
        keep = np.zeros(len(columns[0]), dtype=bool)
        for index, row in enumerate(zip(*values, strict=True)):
            keep[index] = row not in seen
            seen.add(row)
        return keep


def _without_nulls(chunk: Chunk, nulls: dict[str, list[str]]) -> Chunk:
    """The chunk with the words that stand for nothing taken out."""
    if not nulls:
        return chunk
    everywhere = nulls.get("*", [])
    frame = chunk.frame.copy()
    for name in frame.columns:
        words = [*everywhere, *nulls.get(str(name), [])]
        if words:
            frame[name] = frame[name].mask(as_text(frame[name]).str.strip().isin(words))
    return replace(chunk, frame=frame)


def _with_file_fields(chunk: Chunk, route: Route) -> Chunk:
    frame = chunk.frame.assign(
        _key=route.key,
        _delivered_on=str(route.delivered_on),
        _row_number=chunk.row_numbers.astype(str),
    )
    return replace(chunk, frame=frame)


def _select(chunk: Chunk, rows: EntityRows, locale: Locale) -> Chunk:
    """The records a rule takes, an element of its array each."""
    if rows.explode is not None:
        frame, parents = explode(chunk.frame, rows.explode, locale.time_zone)
        chunk = replace(chunk, frame=frame, row_numbers=chunk.row_numbers[parents])
    if rows.when is not None and len(chunk.frame):
        keep = Evaluator(chunk.frame, locale.time_zone).holds(rows.when).to_numpy(dtype=bool)
        chunk = replace(
            chunk,
            frame=chunk.frame[keep].reset_index(drop=True),
            row_numbers=chunk.row_numbers[keep],
        )
    return chunk


def _parts(row_numbers: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, Any]:
    """0, 1, 2 … within each run of one row number."""
    counter = pd.Series(row_numbers)
    return np.asarray(counter.groupby(counter).cumcount())


def _apply_words(columns: dict[str, pd.Series[Any]], files: TableFiles) -> None:
    for column, words in files.words.items():
        if column in columns:
            text = as_text(columns[column])
            folded = {word.casefold(): meant for word, meant in words.items()}
            translated = text.map(
                {
                    value: folded.get(value.strip().casefold(), value)
                    for value in text.dropna().unique().tolist()
                }
            )
            columns[column] = translated.astype("str")
