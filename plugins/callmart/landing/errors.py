"""What can be wrong with what was delivered."""

from __future__ import annotations


class FileError(Exception):
    """A file that breaks the contract as a whole: quarantined, with this rule and reason."""

    def __init__(self, rule: str, reason: str, rows: int | None = None) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason
        self.rows = rows
        """How many rows the file has, where that is known."""


class MappingError(ValueError):
    """A source mapping that cannot be used; the message names the file, the place and the fault."""
