"""The words for how a call ended (docs/contracts.md)."""

from __future__ import annotations

OUTCOMES: frozenset[str] = frozenset(
    {
        # What a recording can tell.
        "human",
        "voicemail",
        "ivr",
        "fax",
        "busy",
        "congestion",
        "no_answer",
        "invalid_number",
        "silence",
        "music",
        "unreadable",
        "unknown",
        # What only signalling, a disposition or an announcement in words can tell.
        "rejected",
        "cancelled",
        "switched_off",
        "out_of_service",
        "unreachable",
        "network_failure",
    }
)
