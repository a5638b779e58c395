"""What a transcript is, whatever its supplier calls it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["agent", "customer"]


class TranscriptError(ValueError):
    """A transcript that cannot be read; the message is the reason."""

    @property
    def reason(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Word:
    """A word with its own times, where the supplier gives them."""

    text: str
    start_ms: int | None
    end_ms: int | None
    confidence: float | None = None


@dataclass(frozen=True)
class Segment:
    """One turn as delivered.

    index: its place in the delivered file, from 0
    role: None where nothing says which side speaks: such a segment meets rules of role any alone
    text: as delivered, code point for code point (markup of subtitles taken out)
    speech_start: where the speech begins in `text`, behind the name of a speaker before it
    speaker: the supplier's label, where there is one
    """

    index: int
    role: Role | None
    start_ms: int | None
    end_ms: int | None
    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    speech_start: int = 0


@dataclass(frozen=True)
class Transcript:
    """A call in words. `segments` are in order of time; `problems` says what was repaired."""

    call_id: str
    language: str | None
    engine: str | None
    format: str
    segments: tuple[Segment, ...]
    is_connected: bool | None = None
    problems: tuple[str, ...] = field(default=())


def _ascend(numbers: list[int]) -> bool:
    return all(map(operator.le, numbers, numbers[1:]))


def in_time_order(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Segments by start time; one without a time stays behind the one delivered before it.

    The result does not depend on the order in which the segments are given.
    """
    given = tuple(segments)
    starts = [s.start_ms for s in given if s.start_ms is not None]
    if len(starts) == len(given) and _ascend(starts) and _ascend([s.index for s in given]):
        return given
    delivered = sorted(given, key=lambda segment: segment.index)
    latest = next((s.start_ms for s in delivered if s.start_ms is not None), 0)
    keyed: list[tuple[int, int]] = []
    for place, segment in enumerate(delivered):
        if segment.start_ms is not None:
            latest = segment.start_ms
        keyed.append((latest, place))
    return tuple(delivered[place] for _, place in sorted(keyed))
