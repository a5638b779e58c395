"""Asterisk's answering machine detection (AMD), the peer of the connection benchmark.

Written anew from the published rules: `apps/app_amd.c` and `configs/samples/amd.conf.sample` of
github.com/asterisk/asterisk (commits 012156de and 1797c925), and `ast_dsp_silence` of `main/dsp.c`:
a frame is silence when the mean of its absolute 16-bit samples is below the threshold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FRAME_MS = 20


@dataclass(frozen=True)
class Settings:
    """amd.conf's names; milliseconds. The defaults are those of the sample configuration."""

    initial_silence: int = 2500
    greeting: int = 1500
    after_greeting_silence: int = 800
    total_analysis_time: int = 5000
    minimum_word_length: int = 100
    between_words_silence: int = 50
    words_of_a_machine: int = 3
    """The word with which it is a machine: `>= 3` with maximum_number_of_words = 3 in the older
    sources, `> 2` with the newer ones' 2."""
    silence_threshold: int = 256
    maximum_word_length: int = 5000


DEFAULTS = Settings()


def frame_levels(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """Mean absolute value of each 20 ms of `(samples,)` at 8 kHz; a last piece that is short falls."""
    size = 8 * FRAME_MS
    count = len(samples) // size
    levels: npt.NDArray[np.float64] = (
        np.abs(samples[: count * size].astype(np.float64)).reshape(count, size).mean(axis=1)
    )
    return levels


def detect(levels: Iterable[float], settings: Settings = DEFAULTS) -> tuple[str, str]:
    """(AMDSTATUS, AMDCAUSE) for the frames from the answer on.

    Status: HUMAN, MACHINE, NOTSURE, or HANGUP where the sound ends before a decision.
    """
    total = voice = word = silent = words = 0
    in_silence = in_greeting = False
    for level in levels:
        total += FRAME_MS
        if total >= settings.total_analysis_time:
            return "NOTSURE", "TOOLONG"
        if level < settings.silence_threshold:
            silent += FRAME_MS
            if silent >= settings.between_words_silence:
                in_silence, word = True, 0
            if not in_greeting and silent >= settings.initial_silence:
                return "MACHINE", "INITIALSILENCE"
            if in_greeting and silent >= settings.after_greeting_silence:
                return "HUMAN", "HUMAN"
            continue
        silent = 0
        word += FRAME_MS
        voice += FRAME_MS
        if word >= settings.minimum_word_length and in_silence:
            words += 1
            in_silence = False
        if word >= settings.maximum_word_length:
            return "MACHINE", "MAXWORDLENGTH"
        if words >= settings.words_of_a_machine:
            return "MACHINE", "MAXWORDS"
        if in_greeting and voice >= settings.greeting:
            return "MACHINE", "LONGGREETING"
        if word >= settings.minimum_word_length:
            in_greeting = True
    return "HANGUP", ""
