"""History under other versions: computed beside the published one, compared, promoted or discarded."""

from __future__ import annotations

from callmart.replay.page import publish_pages, verdict, write_pages
from callmart.replay.runs import (
    Replay,
    ReplayError,
    discard,
    get,
    list_replays,
    make,
    plan_judging,
    promote,
    request,
    search,
)
from callmart.replay.versions import (
    Kind,
    RuleFileError,
    UnknownVersionError,
    Version,
    list_versions,
    propose_rules,
)

__all__ = [
    "Kind",
    "Replay",
    "ReplayError",
    "RuleFileError",
    "UnknownVersionError",
    "Version",
    "discard",
    "get",
    "list_replays",
    "list_versions",
    "make",
    "plan_judging",
    "promote",
    "propose_rules",
    "publish_pages",
    "request",
    "search",
    "verdict",
    "write_pages",
]
