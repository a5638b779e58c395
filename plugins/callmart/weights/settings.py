"""The numbers of `callmart weights fit`, from `fitting.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Published:
    """A figure others published for tables that have these columns."""

    name: str
    columns: tuple[str, ...]
    auc: float
    without: tuple[str, ...]
    """Columns that were not used for it."""
    source: str


@dataclass(frozen=True)
class Fitting:
    """See the comments in `fitting.yaml`."""

    folds: int
    seed: int
    minimum_of_each: int
    minimum_customers: int
    knots: int
    calendar_knots: int
    minimum_level_rows: int
    most_levels: int
    identifier_share: float
    leak_auc: float
    sentinel_share: float
    calibration_bins: int
    pulls: tuple[float, ...]
    inner_folds: int
    published: tuple[Published, ...]


def _read() -> Fitting:
    file = Path(__file__).with_name("fitting.yaml")
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    published = tuple(
        Published(
            one["name"], tuple(one["columns"]), one["auc"], tuple(one["without"]), one["source"]
        )
        for one in values.pop("published")
    )
    return Fitting(pulls=tuple(values.pop("pulls")), published=published, **values)


FITTING = _read()
