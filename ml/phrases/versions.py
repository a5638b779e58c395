"""Versions of what searches transcripts; a new one makes the warehouse search again."""

from __future__ import annotations

import hashlib
from pathlib import Path

MATCHER_VERSION = "1.2.0"
"""Raised when the matcher finds other hits for the same rules, or says more of them."""

ANNOUNCEMENTS_VERSION = (
    f"{MATCHER_VERSION}+"
    f"{hashlib.sha256(Path(__file__).with_name('announcements.yaml').read_bytes()).hexdigest()[:8]}"
)
"""Of the announcements: the matcher's, and a hash of the list."""
