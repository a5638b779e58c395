"""Inspectors' verdicts on phrase hits: the worklist that goes out, the verdicts that come back.

read_hits(settings, …)          hits that wait for a verdict, worst or random ones first
write_xlsx, write_csv           the worklist as a file
read_worklist(file, …)          the verdicts of a filled worklist, and what is wrong with its rows
land_verdicts(settings, …)      put them into the bucket, where every entity comes in
"""

from callmart.reviews.selection import WaitingHit, read_hits
from callmart.reviews.verdicts import (
    Fault,
    Verdict,
    WorklistError,
    land_verdicts,
    read_worklist,
)
from callmart.reviews.worklist import COLUMNS, write_csv, write_xlsx

__all__ = [
    "COLUMNS",
    "Fault",
    "Verdict",
    "WaitingHit",
    "WorklistError",
    "land_verdicts",
    "read_hits",
    "read_worklist",
    "write_csv",
    "write_xlsx",
]
