"""Sound in: decoding, frames, voice activity, conversation figures."""

from ml.audio.decode import ANALYSIS_RATE, Recording, UnreadableAudio, decode, merge

__all__ = ["ANALYSIS_RATE", "Recording", "UnreadableAudio", "decode", "merge"]
