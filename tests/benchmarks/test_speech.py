"""The measures of the speech benchmark on small hand-made truths."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import speech


def frames(*spans: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(1000, dtype=bool)
    for start, end in spans:
        mask[start:end] = True
    return mask


def test_misses_and_false_alarms_count_against_the_labelled_speech() -> None:
    rates = speech._rates([(frames((100, 300)), frames((150, 320)))])
    assert rates["miss"] == pytest.approx(50 / 200)
    assert rates["false_alarm"] == pytest.approx(20 / 200)
    assert rates["error"] == pytest.approx(70 / 200)
    # 0.25 s around both boundaries do not count: 25 missed frames of 150 are left.
    assert rates["error_collar"] == pytest.approx(25 / 150)


def test_a_recording_without_speech_counts_its_false_alarms() -> None:
    assert speech._rates([(frames(), frames((0, 100)))]) == {"false_alarm_share": 0.1}


def test_short_pauses_are_speech() -> None:
    assert speech.close(frames((100, 200), (229, 300)))[200:229].all()
    assert not speech.close(frames((100, 200), (230, 300)))[200:230].any()


def test_the_names_of_the_voices_do_not_matter_and_overlap_does() -> None:
    truth = np.stack([frames((0, 300)), frames((250, 500))])
    assert speech._diarisation_error(truth, truth[::-1], 0.0) == 0.0
    one = np.stack([frames((0, 500)), frames()])
    assert speech._diarisation_error(truth, one, 0.0) == pytest.approx(250 / 550)


@pytest.mark.parametrize("codec", ["ALAW", "GSM610"])
def test_a_codec_keeps_length_and_level(codec: str) -> None:
    time = np.arange(8000) / 8000
    tone = (0.2 * np.sin(2 * np.pi * 700 * time)).astype(np.float32)
    back = speech.coded(tone, codec)
    assert back.shape == tone.shape
    assert np.sqrt(np.mean(back**2)) == pytest.approx(np.sqrt(np.mean(tone**2)), rel=0.1)
