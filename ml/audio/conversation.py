"""Turns and figures of a conversation from the speech spans of its sides."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ml.audio.activity import Span, load_thresholds

Turn = tuple[str, float, float]
"""Side, start and end in seconds."""


@dataclass(frozen=True)
class Conversation:
    """Figures of two sides; all seconds."""

    turns: list[Turn]
    """In order of start; `mixed` as the side of a recording with both in one channel."""
    talk_seconds: dict[str, float]
    turn_counts: dict[str, int]
    longest_turn_seconds: dict[str, float]
    first_speech_seconds: dict[str, float | None]
    silence_seconds: float
    """Nobody speaks."""
    mutual_silence_over_3s_seconds: float
    """The part of it in stretches longer than `conversation.long_silence_seconds`."""
    overlap_seconds: float | None
    interruptions: dict[str, int] | None
    """By the side that cut in."""
    response_medians: dict[str, float | None]
    """By the side that responds: the other's end → its start."""


def describe_conversation(
    speech: dict[str, list[Span]], duration: float, overlap_is_heard: bool = True
) -> Conversation:
    """Figures from speech spans by side (`agent` and `customer`, or `mixed` alone).

    With `mixed` alone nothing is said of overlap, interruptions and responses: they cannot be heard.
    `overlap_is_heard`: False for two voices told apart in one channel, of which but one is followed
    at a time: then neither overlap nor interruptions are told.
    """
    settings = load_thresholds()["conversation"]
    sides = list(speech)
    turns = sorted(
        (
            (side, start, end)
            for side in sides
            for start, end in _turns(speech, side, settings["turn_gap_seconds"])
        ),
        key=lambda turn: (turn[1], turn[2]),
    )
    everyone = _union([span for spans in speech.values() for span in spans])
    silences = _gaps(everyone, duration)
    both = len(sides) == 2
    overlapping = both and overlap_is_heard
    return Conversation(
        turns=turns,
        talk_seconds={side: _total(spans) for side, spans in speech.items()},
        turn_counts={side: sum(t[0] == side for t in turns) for side in sides},
        longest_turn_seconds={
            side: max((t[2] - t[1] for t in turns if t[0] == side), default=0.0) for side in sides
        },
        first_speech_seconds={
            side: spans[0][0] if spans else None for side, spans in speech.items()
        },
        silence_seconds=_total(silences),
        mutual_silence_over_3s_seconds=sum(
            end - start for start, end in silences if end - start > settings["long_silence_seconds"]
        ),
        overlap_seconds=(
            sum(_total(spans) for spans in speech.values()) - _total(everyone)
            if overlapping
            else None
        ),
        interruptions=(
            {side: _count_interruptions(turns, side) for side in sides} if overlapping else None
        ),
        response_medians={side: _response_median(turns, side) if both else None for side in sides},
    )


def _turns(speech: dict[str, list[Span]], side: str, gap: float) -> list[Span]:
    """Spans of one side joined over short pauses in which the other side does not begin to speak."""
    others = sorted(start for name, spans in speech.items() if name != side for start, _ in spans)
    turns: list[Span] = []
    for start, end in speech[side]:
        if turns:
            pause = (turns[-1][1], start)
            if pause[1] - pause[0] <= gap and not any(pause[0] <= o < pause[1] for o in others):
                turns[-1] = (turns[-1][0], end)
                continue
        turns.append((start, end))
    return turns


def _count_interruptions(turns: list[Turn], side: str) -> int:
    """Turns of `side` that begin in the other's turn, are no back-channel, and take the floor."""
    settings = load_thresholds()["conversation"]
    count = 0
    for name, start, end in turns:
        if name != side or end - start < settings["interruption_min_seconds"]:
            continue
        count += any(
            other != side and begin + settings["interruption_lead_seconds"] <= start < stop < end
            for other, begin, stop in turns
        )
    return count


def _response_median(turns: list[Turn], side: str) -> float | None:
    """Median gap from the end of the other side's turn to the start of `side`'s next one."""
    longest = load_thresholds()["conversation"]["response_max_seconds"]
    gaps = [
        turn[1] - previous[2]
        for previous, turn in pairwise(turns)
        if turn[0] == side and previous[0] != side and 0.0 <= turn[1] - previous[2] <= longest
    ]
    return median(gaps) if gaps else None


def _union(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _gaps(spans: list[Span], duration: float) -> list[Span]:
    edges = [0.0, *[t for span in spans for t in span], duration]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def _total(spans: list[Span]) -> float:
    return sum(end - start for start, end in spans)
