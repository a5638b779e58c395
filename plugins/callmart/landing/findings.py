"""What was odd about values, row by row: told beside the columns, and judged with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Series: TypeAlias = "pd.Series[Any]"
Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"


@dataclass
class Findings:
    """What was odd while the values of one column were computed, by row of the chunk."""

    unread: list[tuple[Mask, str, str, Series]] = field(default_factory=list)
    """(rows, rule, what it is not, the text): counts where the column has no value in the end."""
    unknown: list[tuple[Mask, Series]] = field(default_factory=list)
    """(rows, words) that a code map does not know and no `else` provides for."""
    doubtful: list[tuple[Mask, str, str]] = field(default_factory=list)
    """(rows, kind, what was made of it): local times that a clock change doubles or skips."""

    def add(self, other: Findings, rows: Mask | None = None) -> None:
        """Take over what was found elsewhere, of some rows or of all."""
        for mine, others in (
            (self.unread, other.unread),
            (self.unknown, other.unknown),
            (self.doubtful, other.doubtful),
        ):
            mine += [(mask if rows is None else mask & rows, *more) for mask, *more in others]
