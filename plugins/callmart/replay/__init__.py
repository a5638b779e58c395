"""History under other versions: computed beside the published one, compared, promoted or discarded."""

from __future__ import annotations

from callmart.replay.runs import (
    Replay,
    ReplayError,
    add_facts,
    discard,
    get,
    list_replays,
    make,
    promote,
    request,
)
from callmart.replay.versions import (
    RuleFileError,
    UnknownVersionError,
    Version,
    list_versions,
    propose_rules,
)

__all__ = [
    "Replay",
    "ReplayError",
    "RuleFileError",
    "UnknownVersionError",
    "Version",
    "add_facts",
    "discard",
    "get",
    "list_replays",
    "list_versions",
    "make",
    "promote",
    "propose_rules",
    "request",
]
