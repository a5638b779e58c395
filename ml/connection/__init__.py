"""What became of a call: call-progress tones, people and machines."""

from ml.connection.decision import Connection, Evidence, analyse

__all__ = ["Connection", "Evidence", "analyse"]
