"""Records of a file to rows of entities, as the contract's own layout or a source mapping says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from callmart.contracts import Entity
from callmart.landing.expressions import Evaluator
from callmart.landing.mappings import EntityRows, TableFiles
from callmart.landing.rows import CheckedRows, Locale, as_text, check_rows
from callmart.landing.tables import Chunk, object_frame

PARTS_A_RULE = 1000
"""`_row_part` = place of the rule in the mapping × this + place in the exploded array."""

Part = tuple[Entity, CheckedRows, list[str]]
"""An entity, its checked rows, the columns that nobody knows."""


def unwrap(chunk: Chunk, name: str | None) -> Chunk:
    """The records inside an envelope; a record without one stays as it is."""
    if name is None or name not in chunk.frame.columns:
        return chunk
    records: list[dict[str, Any]] = [
        record[name]
        if isinstance(record[name], dict)
        else {str(field): value for field, value in record.items()}
        for record in chunk.frame.to_dict("records")
    ]
    return replace(chunk, frame=object_frame(records))


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


def project_mapped(
    entities: dict[str, Entity], chunk: Chunk, files: TableFiles, locale: Locale
) -> Iterator[Part]:
    """Rows by the expressions of a source mapping. What no rule reads goes to the first rule's rows."""
    read = {name for rows in files.rows for name in rows.read_fields()}
    rest = [name for name in chunk.frame.columns if str(name) not in read]
    for place, rows in enumerate(files.rows):
        entity = entities[rows.entity]
        selected = _select(chunk, rows, locale)
        if not len(selected.frame):
            continue
        evaluator = Evaluator(selected.frame, locale.time_zone)
        columns = {
            column: evaluator.value(expression) for column, expression in rows.fields.items()
        }
        _apply_words(columns, files)
        is_first = place == 0
        extra = selected.frame[rest if is_first else []]
        unknown = [str(name) for name in rest if str(name) not in files.ignore_fields]
        parts = _parts(selected.row_numbers) + place * PARTS_A_RULE
        checked = check_rows(
            entity, columns, extra, selected.row_numbers, parts.astype(np.int32), locale
        )
        yield entity, checked, unknown if is_first else []


def _select(chunk: Chunk, rows: EntityRows, locale: Locale) -> Chunk:
    """The records a rule takes, an element of its array each."""
    if rows.explode is not None:
        frame = chunk.frame.assign(
            item=Evaluator(chunk.frame, locale.time_zone).value(rows.explode)
        )
        frame["item"] = frame["item"].map(lambda v: v if isinstance(v, list) and v else [None])
        repeats = frame["item"].map(len).to_numpy()
        numbers = np.repeat(chunk.row_numbers, repeats)
        frame = frame.explode("item", ignore_index=True)
        keep = frame["item"].notna().to_numpy()
        chunk = replace(chunk, frame=frame[keep].reset_index(drop=True), row_numbers=numbers[keep])
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
