"""The entities of the landing bucket, as `entities.yaml` defines them."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

ColumnType = Literal[
    "text", "timestamp", "date", "integer", "decimal", "boolean", "json", "phone", "enum"
]

POSTGRES_TYPES: dict[str, str] = {
    "text": "text",
    "timestamp": "timestamptz",
    "date": "date",
    "integer": "bigint",
    "decimal": "numeric",
    "boolean": "boolean",
    "json": "jsonb",
    "phone": "text",
    "enum": "text",
}


class Column(BaseModel):
    """One column of an entity. `required` holds for key columns too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: ColumnType
    key: bool = False
    required: bool = False
    values: tuple[str, ...] = ()
    pii: bool = False

    @property
    def is_required(self) -> bool:
        return self.key or self.required


class Entity(BaseModel):
    """One kind of row that a source may deliver; `updated_at` is among the columns of each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: dict[str, str]
    columns: dict[str, Column]
    own_fields_prefix: str | None = None
    """Columns that begin so are the centre's own: kept, and not reported as unknown."""

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the columns that identify a row, in order."""
        return tuple(column.name for column in self.columns.values() if column.key)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns which a file must have and a row must fill (the key's included)."""
        return tuple(column.name for column in self.columns.values() if column.is_required)

    def raw_columns(self) -> list[tuple[str, str]]:
        """Name and PostgreSQL type of the columns of the entity's raw table, metadata left out.

        A phone becomes two: `<name>` in E.164 or null, `<name>_delivered` as it came.
        """
        columns: list[tuple[str, str]] = []
        for column in self.columns.values():
            columns.append((column.name, POSTGRES_TYPES[column.type]))
            if column.type == "phone":
                columns.append((f"{column.name}_delivered", "text"))
        return columns


def parse_entities(text: str) -> dict[str, Entity]:
    """Entities by name from the text of an `entities.yaml`.

    Raises ValueError naming the entity and the fault.
    """
    document: dict[str, dict[str, Any]] = yaml.safe_load(text)
    entities: dict[str, Entity] = {}
    for name, definition in document.items():
        columns = {**definition["columns"], "updated_at": {"type": "timestamp"}}
        try:
            entities[name] = Entity(
                name=name,
                columns={
                    column: Column(name=column, **attributes)
                    for column, attributes in columns.items()
                },
                **{key: value for key, value in definition.items() if key != "columns"},
            )
        except ValidationError as error:
            raise ValueError(f"entities.yaml: {name}: {error}") from error
        for column in entities[name].columns.values():
            if (column.type == "enum") != bool(column.values):
                raise ValueError(f"entities.yaml: {name}.{column.name}: an enum lists its values")
        if not entities[name].key:
            raise ValueError(f"entities.yaml: {name} has no key column")
    return entities


@cache
def load_entities() -> dict[str, Entity]:
    """The shipped entities by name."""
    source = resources.files("callmart.contracts").joinpath("entities.yaml")
    return parse_entities(source.read_text(encoding="utf-8"))
