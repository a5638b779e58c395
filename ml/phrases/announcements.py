"""What a network, a mailbox or a menu says in words, as an outcome of a call."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from ml.phrases import rules
from ml.phrases.matcher import Hit, Matcher
from ml.transcripts import Segment, Transcript, in_time_order

# A machine speaks first, and at once. Later in a call the same words come from a person who talks
# about machines ("I'll leave a message", "all lines are busy").
_LATEST_MS: Final = 45_000
_LATEST_SEGMENT: Final = 6
# Somebody who takes turns with the agent is a person.
_MOST_EXCHANGES: Final = 3


@lru_cache(maxsize=1)
def _matcher() -> tuple[Matcher, dict[str, int]]:
    listed = rules.announcements().rules
    return Matcher(listed), {rule.id: place for place, rule in enumerate(listed)}


def announcement_outcome(transcript: Transcript) -> tuple[str, Hit] | None:
    """The outcome that an announcement in the transcript speaks of, and where it says so.

    The outcome is a word of the command line's contract: voicemail, ivr, invalid_number,
    out_of_service, switched_off, busy, congestion, unreachable, no_answer. None where nobody but
    people speak. What the agent's side says counts for nothing; where several outcomes are
    announced, the one listed first in announcements.yaml holds.
    """
    segments = in_time_order(transcript.segments)
    far = [s for s in segments if s.role != "agent" and s.text.strip()]
    if not far or _exchanges(segments) > _MOST_EXCHANGES:
        return None
    first_ms = next((s.start_ms for s in far if s.start_ms is not None), None)
    early = {segment.index for segment in far[:_LATEST_SEGMENT]}
    matcher, order = _matcher()
    hits = [
        hit
        for hit in matcher.find(transcript, is_connected=False)
        if hit.role != "agent"
        and hit.segment_index in early
        and (hit.start_ms is None or first_ms is None or hit.start_ms - first_ms <= _LATEST_MS)
    ]
    if not hits:
        return None
    best = min(hits, key=lambda hit: order[hit.rule_id])
    return best.rule_id, best


def _exchanges(segments: Iterable[Segment]) -> int:
    """How often the customer's side answers after the agent has spoken."""
    count = 0
    before: str | None = None
    for segment in segments:
        if not segment.text.strip():
            continue
        if before == "agent" and segment.role != "agent":
            count += 1
        before = segment.role
    return count
