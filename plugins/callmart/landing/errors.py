"""What can be wrong with what was delivered."""

from __future__ import annotations

from dataclasses import dataclass


class FileError(Exception):
    """A file that breaks the contract as a whole: quarantined, with this rule and reason."""

    def __init__(self, rule: str, reason: str, rows: int | None = None) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason
        self.rows = rows
        """How many rows the file has, where that is known."""


@dataclass(frozen=True)
class MappingFault:
    """One fault of a source mapping; line and column count from 1."""

    line: int
    column: int
    place: str
    """Keys and places in lists that lead there, joined by dots; empty: the file as a whole."""
    reason: str

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"line {self.line}, column {self.column}: {where}{self.reason}"


class MappingError(ValueError):
    """A source mapping that cannot be used; the message names the file, the place and the fault."""

    def __init__(self, name: str, faults: str | list[MappingFault]) -> None:
        shown = faults if isinstance(faults, str) else "; ".join(str(fault) for fault in faults)
        super().__init__(f"{name}: {shown}")
        self.faults = [] if isinstance(faults, str) else faults
