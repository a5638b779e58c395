"""A call's recording in a form that every browser plays."""

from __future__ import annotations

import os
import tempfile
import wave
from pathlib import Path

from callmart.landing import ObjectStore
from callmart.settings import Settings

MOST_SECONDS = 3 * 3600.0
"""A longer recording is not played here."""


class NoSoundError(LookupError):
    """There is nothing to play, and why."""


def playable(settings: Settings, keys: list[str]) -> Path:
    """Decode a recording (one key, or the agent's and the customer's) to a WAV file of its own.

    The file is 16-bit PCM at the analysis rate; the caller removes it. Raises `NoSoundError`.
    """
    from ml.audio.decode import UnreadableAudioError, decode, merge

    store = ObjectStore(settings)
    with tempfile.TemporaryDirectory(prefix="callmart-sound-") as folder:
        recordings = []
        for number, key in enumerate(keys):
            path = Path(folder, f"{number}{Path(key).suffix}")
            try:
                store.download(key, path)
                recordings.append(decode(path))
            except UnreadableAudioError as error:
                raise NoSoundError(f"{key}: {error}") from error
        whole = recordings[0] if len(recordings) == 1 else merge(*recordings)
        samples = whole.samples
        if samples.shape[1] > MOST_SECONDS * whole.sampling_rate:
            raise NoSoundError("the recording is too long to be played here")
        descriptor, name = tempfile.mkstemp(prefix="callmart-sound-", suffix=".wav")
        with os.fdopen(descriptor, "wb") as file, wave.open(file, "wb") as out:
            out.setnchannels(samples.shape[0])
            out.setsampwidth(2)
            out.setframerate(whole.sampling_rate)
            block = whole.sampling_rate * 60
            for start in range(0, samples.shape[1], block):
                out.writeframes(samples[:, start : start + block].T.astype("<i2").tobytes())
    return Path(name)
