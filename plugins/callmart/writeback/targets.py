"""How a CRM wants to be told: which files, under which names, in which form. One YAML file a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

RECORD_TYPES = ("customers", "demands", "requests")
SHIPPED = Path(__file__).with_name("targets")


class TargetError(ValueError):
    """A target that is none: the message names the file and what is wrong in it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """A field from a column, its words translated; a word that `values` lacks stays as it is."""

    column: str
    values: dict[str, str] = {}


class Constant(_Strict):
    """A field that is the same in every row."""

    const: str | bool | int | float


class FeedFile(_Strict):
    """One file of a feed.

    fields: the CRM's field → column of the query; none: every column under its own name
    where: only rows whose columns have these values
    nest: JSON lines hold `id` and the fields under this name
    null: what stands for nothing; none: an empty cell, or null
    """

    record_type: Literal["customers", "demands", "requests"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+\.(csv|jsonl)$")]
    format: Literal["csv", "jsonl"]
    where: dict[str, str] = {}
    nest: str | None = None
    id: str | None = None
    datetimes: Literal["iso", "epoch_ms"] = "iso"
    null: str | None = None
    fields: dict[str, str | Column | Constant] = {}

    @model_validator(mode="after")
    def _fits(self) -> FeedFile:
        if not self.name.endswith(f".{self.format}"):
            raise ValueError(f"{self.name} does not end in .{self.format}")
        if self.format == "csv" and not self.fields:
            raise ValueError(f"{self.name}: a CSV file needs fields")
        if (self.nest is None) != (self.id is None) or (self.nest and self.format != "jsonl"):
            raise ValueError(f"{self.name}: nest and id go together, in JSON lines")
        return self


class Target(_Strict):
    """One CRM.

    schema_version: raised when a file or a field changes its meaning
    webhook: a robot of kind webhook that is told of each feed (`robot:<name>`)
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    schema_version: int
    webhook: Annotated[str, Field(pattern=r"^robot:[a-z0-9_]+$")] | None = None
    files: Annotated[list[FeedFile], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Target:
        names = [file.name for file in self.files]
        if len(set(names)) < len(names):
            raise ValueError("two files have one name")
        return self


def load_target(named: str) -> Target:
    """A target by the name of a shipped one, or by the path of a file of one's own.

    Raises `TargetError`.
    """
    path = Path(named) if "/" in named or named.endswith(".yaml") else SHIPPED / f"{named}.yaml"
    try:
        described: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Target.model_validate(described)
    except FileNotFoundError:
        shipped = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
        raise TargetError(f"{path}: no such file; shipped are {shipped}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise TargetError(f"{path}: {faults}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TargetError(f"{path}: {error}") from error
