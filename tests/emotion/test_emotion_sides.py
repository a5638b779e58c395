"""What is said of a recording's sides, and how speech is cut into segments."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from synthetic_voices import RATE, voice

from ml.emotion import FAMILIES, SideEmotion, describe_families, describe_sides, load_model
from ml.emotion import describe as describe_module
from ml.emotion.describe import segments_of, voiced_intervals
from ml.emotion.settings import labels, settings

CONTRACT_KEYS = {
    "label",
    "probabilities",
    "arousal",
    "valence",
    "index",
    "family",
    "model_version",
}


@pytest.fixture(scope="module")
def call() -> NDArray[np.float32]:
    """Two sides of 20 s: the agent speaks in the first half, the customer in the second."""
    signal = np.zeros((2, 20 * RATE), np.float32)
    signal[0, : 9 * RATE] = voice("neutral", 1, 9.0)
    signal[1, 10 * RATE : 15 * RATE] = voice("sad", 2, 5.0, 180.0)
    signal[1, 15 * RATE : 20 * RATE] = voice("angry", 3, 5.0, 180.0)
    return signal


SPEECH = {"agent": [(0.0, 9.0)], "customer": [(10.0, 15.0), (15.0, 20.0)]}
SIDES = ["agent", "customer"]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_each_side_is_judged(call: NDArray[np.float32], family: str) -> None:
    judged = describe_sides(call, RATE, SPEECH, SIDES, family)
    assert list(judged) == SIDES
    for side in judged.values():
        assert isinstance(side, SideEmotion)
        printed = json.loads(json.dumps(side.as_dict()))
        assert set(printed) == CONTRACT_KEYS
        assert set(printed["probabilities"]) == set(labels())
        assert sum(printed["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert printed["label"] == max(
            printed["probabilities"], key=printed["probabilities"].__getitem__
        )
        assert printed["family"] == family
        assert printed["model_version"] == load_model(family).version
        assert 0 <= printed["index"] <= 100
        assert printed["index"] == pytest.approx(50 * (1 + printed["valence"]), abs=0.01)
        json.dumps(side.as_facts())
    customer = judged["customer"]
    assert customer is not None
    assert customer.start_index == customer.segments[0].index
    assert customer.end_index == customer.segments[-1].index
    farthest = max(abs(segment.index - 50) for segment in customer.segments)
    assert abs(customer.peak_index - 50) == farthest
    assert all(10 <= s.start_seconds < s.end_seconds <= 20 for s in customer.segments)
    assert customer.speech_seconds == pytest.approx(
        sum(segment.speech_seconds for segment in customer.segments), abs=0.02
    )
    widths = {len(segment.parameters) for segment in customer.segments}
    assert len(widths) == 1
    assert widths.pop() > 1


def test_a_side_is_judged_from_its_own_speech_alone(call: NDArray[np.float32]) -> None:
    other = call.copy()
    other[0] = voice("angry", 9, 20.0)
    before = describe_sides(call, RATE, SPEECH, SIDES, "pca")["customer"]
    after = describe_sides(other, RATE, SPEECH, SIDES, "pca")["customer"]
    assert before == after


def test_all_families_in_one_pass_say_what_each_says_alone(call: NDArray[np.float32]) -> None:
    together = describe_families(call, RATE, SPEECH, SIDES)
    for side, judged in together.items():
        assert list(judged) == list(FAMILIES)
        for family, verdict in judged.items():
            assert verdict == describe_sides(call, RATE, SPEECH, SIDES, family)[side]
            for segment in verdict.segments:
                assert len(segment.relative_scores) == len(labels())
                assert len(segment.parameters) == len(judged[family].segments[0].parameters)


class _OnDisk:
    """Samples that can only be cut; notes how many were ever asked for at once."""

    def __init__(self, samples: NDArray[np.int16]) -> None:
        self._samples, self.shape, self.most = samples, samples.shape, 0

    def __getitem__(self, channel: int) -> _OnDisk._Row:
        return self._Row(self, channel)

    class _Row:
        def __init__(self, store: _OnDisk, channel: int) -> None:
            self._store, self._channel = store, channel

        def __getitem__(self, part: slice) -> NDArray[np.int16]:
            cut = self._store._samples[self._channel][part]
            self._store.most = max(self._store.most, len(cut))
            return cut


def test_a_recording_is_read_by_segments_never_whole(
    call: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describe_module, "_BATCH", 2)  # several batches, the last one not full
    whole = np.rint(call * 32767).astype(np.int16)
    store = _OnDisk(whole)
    from_disk = describe_families(store, RATE, SPEECH, SIDES)
    assert store.most <= 12 * RATE
    monkeypatch.setattr(describe_module, "_BATCH", 1000)
    at_once = describe_families(whole * np.float32(1 / 32768), RATE, SPEECH, SIDES)
    for side, judged in at_once.items():
        for family, verdict in judged.items():
            other = from_disk[side][family]
            assert len(other.segments) == len(verdict.segments) > 1
            assert other.index == pytest.approx(verdict.index, abs=0.05)


def test_two_speakers_in_one_channel_are_judged_apart(call: NDArray[np.float32]) -> None:
    mixed = call.sum(axis=0, keepdims=True)
    apart = describe_families(call, RATE, SPEECH, SIDES)
    together = describe_families(mixed, RATE, SPEECH, ["mixed"])
    assert set(together) == set(SIDES)  # nothing is said of the mixture itself
    assert together["customer"]["pca"] == apart["customer"]["pca"]


def test_level_does_not_matter(call: NDArray[np.float32]) -> None:
    loud = describe_sides(call, RATE, SPEECH, SIDES, "neural")["customer"]
    soft = describe_sides(call * np.float32(0.05), RATE, SPEECH, SIDES, "neural")["customer"]
    assert loud is not None
    assert soft is not None
    for label in labels():
        assert soft.probabilities[label] == pytest.approx(loud.probabilities[label], abs=0.01)


@pytest.mark.parametrize(
    ("signal", "speech"),
    [
        (voice("happy", 4, 0.8)[None], {"customer": [(0.0, 0.8)]}),  # a word
        (voice("happy", 4, 6.0)[None], {"customer": []}),  # nobody spoke
        (voice("happy", 4, 6.0)[None], {}),  # the side is not even named
        (voice("happy", 4, 6.0)[None], {"customer": [(2.0, 2.6)]}),  # speech, but too little
        (np.zeros((1, 8 * RATE), np.float32), {"customer": [(0.0, 8.0)]}),  # no sound
        (
            np.random.default_rng(0).standard_normal((1, 8 * RATE)).astype(np.float32),
            {"customer": [(0.0, 8.0)]},  # noise that was taken for speech
        ),
        (np.zeros((1, 0), np.float32), {"customer": [(0.0, 3.0)]}),  # an empty recording
    ],
)
def test_too_little_voice_gives_no_verdict(
    signal: NDArray[np.float32], speech: dict[str, list[tuple[float, float]]]
) -> None:
    assert describe_sides(signal, RATE, speech, ["customer"]) == {"customer": None}


def test_one_segment_has_no_trend_and_a_rising_mood_a_positive_one() -> None:
    one = describe_sides(voice("sad", 1, 4.0)[None], RATE, {"a": [(0.0, 4.0)]}, ["a"])["a"]
    assert one is not None
    assert one.trend_per_minute is None
    signal = np.concatenate([voice("sad", 1, 4.0), voice("happy", 2, 4.0)])
    speech = {"a": [(0.0, 4.0), (4.0, 8.0)]}
    two = describe_sides(signal[None], RATE, speech, ["a"])["a"]
    assert two is not None
    assert len(two.segments) == 2
    rise = two.end_index - two.start_index
    assert two.trend_per_minute == pytest.approx(rise / (4.0 / 60), rel=0.01)


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="16000 Hz"):
        describe_sides(np.zeros((1, 16000), np.float32), 16000, {}, ["agent"])
    with pytest.raises(ValueError, match="for 2 sides"):
        describe_sides(np.zeros((1, 16000), np.float32), 8000, {}, SIDES)


intervals = st.lists(st.tuples(st.floats(0.05, 30.0), st.floats(0.05, 10.0)), max_size=30).map(
    lambda steps: [
        (start := sum(a + b for a, b in steps[:i]) + gap, start + length)
        for i, (length, gap) in enumerate(steps)
    ]
)


@given(intervals)
def test_segments_hold_all_speech_once_in_order_and_are_short_enough(
    speech: list[tuple[float, float]],
) -> None:
    options = settings()["speech"]
    segments = segments_of(speech)
    flat = [piece for segment in segments for piece in segment]
    assert flat == sorted(flat)
    assert sum(b - a for a, b in flat) == pytest.approx(sum(b - a for a, b in speech))
    for segment in segments:
        assert sum(b - a for a, b in segment) <= options["maximum_segment_seconds"] + 1e-6
        for (_, end), (start, _) in itertools.pairwise(segment):
            assert start - end <= options["maximum_pause_seconds"]


def test_long_speech_is_cut_near_the_target() -> None:
    lengths = [
        sum(b - a for a, b in segment) for segment in segments_of([(0.0, 61.0), (61.5, 62.0)])
    ]
    assert all(2.0 <= length <= 6.0 for length in lengths)
    assert len(lengths) == 16


def test_voice_is_found_where_it_is() -> None:
    signal = np.zeros(70 * RATE, np.float32)
    signal[5 * RATE : 8 * RATE] = voice("neutral", 1, 3.0)
    signal[62 * RATE : 66 * RATE] = voice("happy", 1, 4.0)
    found = voiced_intervals(signal)
    assert found[0][0] == pytest.approx(5, abs=0.3)
    assert found[-1][1] == pytest.approx(66, abs=0.3)
    assert 5.5 < sum(end - start for start, end in found) < 7.5
