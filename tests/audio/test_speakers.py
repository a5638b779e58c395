"""Two voices in one channel: told apart where they differ, left open where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scenes

from callmart.local.speech import Voice, synthesiser
from ml.audio import decode
from ml.audio.activity import Span, find_activity
from ml.audio.speakers import Separation, separate_speakers
from ml.audio.spectrum import compute_frames
from ml.inspection import inspect_recording

LOW = Voice("en-us+m3", 160, 35, 45)
HIGH = Voice("en-us+f4", 170, 65, 55)
LINES = (
    "Good morning, this is the service of your insurance company.",
    "I am afraid I do not have the time to talk about it now.",
    "It would only take a minute, and it would save you some money.",
    "Then please tell me how much it would be for a month.",
    "That depends on the number of people in your household.",
    "There are four of us, and the smallest one is three years old.",
)


def talk(
    first: Voice, second: Voice, before: float = 0.8
) -> tuple[scenes.Signal, list[list[Span]]]:
    """Both in one channel, taking turns; where each speaks."""
    scene = scenes.Scene(48.0, 1, -62.0, seed=3)
    spans: list[list[Span]] = [[], []]
    at = before
    for index, line in enumerate(LINES * 2):
        voice = (first, second)[index % 2]
        sound = scenes.at_level(synthesiser().say(line, voice).signal, (-20.0, -25.0)[index % 2])
        end = scene.add(0, at, sound)
        spans[index % 2].append((at, end))
        at = end + 0.5
    return scene.signal[:, : round((at + 0.5) * scenes.RATE)], spans


def separate(signal: scenes.Signal) -> Separation | None:
    recording = decode(scenes.encode(signal).data, "wav")
    (frames,), _ = compute_frames(recording)
    return separate_speakers(recording.samples[0], frames, find_activity(frames, []).speech)


def shared(left: list[Span], right: list[Span]) -> float:
    return sum(max(0.0, min(b, d) - max(a, c)) for a, b in left for c, d in right)


@pytest.mark.parametrize(("first", "second"), [(LOW, HIGH), (HIGH, LOW)])
def test_two_different_voices_are_told_apart(first: Voice, second: Voice) -> None:
    signal, spans = talk(first, second)
    found = separate(signal)
    assert found is not None
    assert found.is_sure
    assert found.probability > 0.95
    right = sum(shared(found.voices[side], spans[side]) for side in (0, 1))
    wrong = sum(shared(found.voices[side], spans[1 - side]) for side in (0, 1))
    assert right / (right + wrong) > 0.95


def test_one_voice_is_not_made_two() -> None:
    signal, _ = talk(LOW, LOW)
    signal = signal / np.abs(signal).max() * 0.5
    found = separate(signal)
    assert found is None or not found.is_sure


def test_too_little_is_left_alone() -> None:
    scene = scenes.Scene(3.0, 1, -62.0, seed=1)
    scene.add(0, 1.0, scenes.at_level(synthesiser().say("Hello?", LOW).signal, -20.0))
    assert separate(scene.signal) is None


def test_every_second_of_speech_has_one_voice() -> None:
    signal, _ = talk(HIGH, LOW)
    recording = decode(scenes.encode(signal).data, "wav")
    (frames,), _ = compute_frames(recording)
    speech = find_activity(frames, []).speech
    found = separate_speakers(recording.samples[0], frames, speech)
    assert found is not None
    assert shared(found.voices[0], found.voices[1]) == 0.0
    assert sum(b - a for spans in found.voices for a, b in spans) == pytest.approx(
        sum(b - a for a, b in speech), abs=0.02 * len(speech)
    )


def test_the_called_person_speaks_first() -> None:
    """After a ring the first voice is the customer; without one nobody can say, unless it is told."""
    ring = scenes.progress_tone("DE", "ringback", 9.0)
    signal, _ = talk(LOW, HIGH, before=2.5)
    greeting = scenes.at_level(synthesiser().say("Hello, who is there?", LOW).signal, -20.0)
    start = round(0.8 * scenes.RATE)
    signal[0, start : start + greeting.size] += greeting
    rung = np.concatenate([ring[None] + scenes.noise(9.0, -62.0, 5), signal], axis=1)
    found = inspect_recording(data=scenes.encode(rung).data, extension="wav", with_emotion=False)
    speech = found.report["speech"]
    assert speech["customer"]["first_speech_seconds"] == pytest.approx(9.8, abs=0.3)
    assert speech["agent"]["first_speech_seconds"] > speech["customer"]["first_speech_seconds"]
    assert speech["overlap_seconds"] is None
    assert speech["interruptions"] is None
    assert speech["response_seconds_median"] == pytest.approx(0.5, abs=0.25)
    assert speech["separation"]["is_sure"]
    bare = inspect_recording(data=scenes.encode(signal).data, extension="wav", with_emotion=False)
    assert bare.report["speech"]["agent"] is None
    assert bare.separation is not None
    assert not bare.separation["are_sides_named"]
    told = inspect_recording(
        data=scenes.encode(signal).data, extension="wav", with_emotion=False, direction="outbound"
    )
    assert told.report["speech"]["customer"]["first_speech_seconds"] == pytest.approx(0.8, abs=0.3)


def test_a_real_call_mixed_into_one_channel(test_data: Path) -> None:
    """What the channels of a real call say is what its mixture must give."""
    names = ("agent", "customer")
    rows = [
        decode(next((test_data / "landing").rglob(f"1795010700.4021.{name}.wav"))).samples[0]
        for name in names
    ]
    count = min(row.size for row in rows)
    apart = []
    for row in rows:
        (frames,), _ = compute_frames(decode(scenes.encode(row[None, :count] / 32768).data, "wav"))
        apart.append(find_activity(frames, []).speech)
    found = separate((rows[0][:count] + rows[1][:count])[None] / np.float32(32768))
    assert found is not None
    assert found.is_sure
    right = max(
        sum(shared(found.voices[side], apart[side ^ turn]) for side in (0, 1)) for turn in (0, 1)
    )
    total = sum(b - a for spans in found.voices for a, b in spans)
    assert right / total > 0.9
