"""What a reader of one format hands over before times, sides and order are checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# text, start, end (milliseconds, unchecked), confidence (unchecked)
DraftWord = tuple[str, Any, Any, Any]


@dataclass
class DraftSegment:
    """A segment as delivered. start and end in milliseconds, not yet checked."""

    text: str
    start: Any = None
    end: Any = None
    label: str | None = None
    words: list[DraftWord] = field(default_factory=list)
    speech_start: int = 0


@dataclass
class Draft:
    """A transcript as delivered."""

    format: str
    segments: list[DraftSegment]
    call_id: str | None = None
    language: str | None = None
    engine: str | None = None
    is_connected: bool | None = None
    problems: list[str] = field(default_factory=list)
