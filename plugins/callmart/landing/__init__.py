"""The way in: object store, ledger, readers, source mappings, quarantine.

discover(settings)              enter what is new in the bucket; batches that wait
load_objects(settings, ids)     load them, each exactly once
requeue(settings, selector)     drive quarantined items again
"""

from callmart.landing.errors import FileError, MappingError
from callmart.landing.ledger import quarantine_file
from callmart.landing.load import (
    LoadSummary,
    RequeueSelector,
    RequeueSummary,
    discover,
    load_objects,
    requeue,
)
from callmart.landing.mappings import load_dispositions_csv, load_mappings
from callmart.landing.store import ObjectStore

__all__ = [
    "FileError",
    "LoadSummary",
    "MappingError",
    "ObjectStore",
    "RequeueSelector",
    "RequeueSummary",
    "discover",
    "load_dispositions_csv",
    "load_mappings",
    "load_objects",
    "quarantine_file",
    "requeue",
]
