"""Transcripts of any supplier, read into one shape."""

from ml.transcripts.model import (
    Role,
    Segment,
    Transcript,
    TranscriptError,
    Word,
    in_time_order,
)
from ml.transcripts.reader import call_id_of, decode, read_transcript

__all__ = [
    "Role",
    "Segment",
    "Transcript",
    "TranscriptError",
    "Word",
    "call_id_of",
    "decode",
    "in_time_order",
    "read_transcript",
]
