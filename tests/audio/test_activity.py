"""Voice activity: what is speech, where it begins, and what must not be taken for it."""

from __future__ import annotations

import numpy as np
import pytest
import scenes

from callmart.local.speech import Voice, synthesiser
from ml.audio import decode
from ml.audio.activity import Activity, find_activity
from ml.audio.spectrum import compute_frames

VOICE = Voice("en-us+m3", 160, 50, 50)
DEEP = Voice("es+m2", 160, 20, 40)
HIGH = Voice("cmn+f2", 160, 65, 60)


def hear(signal: scenes.Signal, channel: int = 0, codec: str = "pcm16") -> Activity:
    coded = scenes.encode(signal, codec)
    frames, likeness = compute_frames(decode(coded.data, coded.extension))
    other = frames[1 - channel] if len(frames) == 2 else None
    return find_activity(frames[channel], [], other, likeness)


def say(text: str, voice: Voice = VOICE, level: float = -22.0) -> scenes.Signal:
    return scenes.at_level(synthesiser().say(text, voice).signal, level)


@pytest.mark.parametrize("codec", ["pcm16", "mulaw", "gsm", "mp3", "pcm8"])
@pytest.mark.parametrize("level", [-15.0, -30.0])
@pytest.mark.parametrize(
    ("text", "voice"), [("Good morning.", VOICE), ("Buenos días.", DEEP), ("你好，请讲", HIGH)]
)
def test_speech_is_found_where_it_is(codec: str, level: float, text: str, voice: Voice) -> None:
    scene = scenes.Scene(5.0, 1, -60.0, seed=3)
    end = scene.add(0, 1.5, say(text, voice, level))
    spans = hear(scene.signal, codec=codec).speech
    assert spans, "nothing heard"
    assert spans[0][0] == pytest.approx(1.5, abs=0.12)
    assert spans[-1][1] == pytest.approx(end, abs=0.25)


@pytest.mark.parametrize(
    ("word", "voice"), [("¿Sí?", DEEP), ("喂", HIGH), ("Yes.", VOICE), ("¿Sí?", VOICE)]
)
def test_one_word_is_speech(word: str, voice: Voice) -> None:
    scene = scenes.Scene(4.0, 1, -52.0, seed=4)
    scene.add(0, 2.0, say(word, voice))
    spans = hear(scene.signal).speech
    assert len(spans) == 1
    assert spans[0][0] == pytest.approx(2.0, abs=0.12)


def clicks() -> scenes.Signal:
    signal = scenes.noise(6.0, -65.0, 1)
    signal[8000::9000] += 0.5
    return signal


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("nothing", np.zeros(40000, np.float32)),
        ("quiet noise", scenes.noise(6.0, -65.0, 1)),
        ("loud noise", scenes.noise(6.0, -25.0, 2)),
        ("a burst of noise", np.concatenate([np.zeros(8000), scenes.noise(2.0, -20.0, 2)])),
        ("hum", scenes.hum(6.0, -25.0) + scenes.noise(6.0, -60.0, 1)),
        ("clicks", clicks()),
        ("a whistle", scenes.tone((1300.0,), 4.0)),
        ("music", scenes.music(12.0, 3)),
    ],
)
def test_no_speech_in(name: str, signal: scenes.Signal) -> None:
    assert hear(signal.astype(np.float32)[None]).speech == [], name


@pytest.mark.parametrize("seed", range(6))
def test_music_is_music(seed: int) -> None:
    scene = scenes.Scene(20.0, 1, -65.0, seed=seed)
    scene.add(0, 3.0, scenes.music(14.0, seed))
    activity = hear(scene.signal)
    assert activity.speech == []
    covered = sum(end - start for start, end in activity.music)
    assert covered > 11.0
    assert activity.music[0][0] == pytest.approx(3.0, abs=0.5)


def test_speech_is_no_music() -> None:
    text = "We have a new offer for you this month, it would save you about twenty percent. "
    assert hear(say(text * 3)[None]).music == []


@pytest.mark.parametrize("leak_db", [-15.0, -25.0])
def test_a_leak_of_the_other_side_is_no_speech(leak_db: float) -> None:
    scene = scenes.Scene(12.0, 2, -70.0, seed=6)
    scene.add(0, 1.0, say("Good morning, this is Anna from Sunrise Insurance."))
    scene.signal[1] += scenes.db(leak_db) * scene.signal[0]
    scene.add(1, 8.0, say("Who is calling please?", HIGH))
    spans = hear(scene.signal, channel=1).speech
    assert spans
    assert spans[0][0] == pytest.approx(8.0, abs=0.15)


LINES = (
    "Good morning, this is Anna from Sunrise Insurance.",
    "We have a new offer for you this month, it would save you about twenty percent.",
    "May I ask who your provider is at the moment?",
)


def echoed_talk(leak_db: float, delay: float, codec: str) -> tuple[scenes.Signal, float, float]:
    """The agent talks on channel 0 and comes back on 1; there somebody asks between and at once.

    The signal, and the seconds in which the customer's own two pieces begin.
    """
    scene = scenes.Scene(24.0, 2, -66.0, seed=8)
    at = 0.5
    for line in LINES:
        at = scene.add(0, at, say(line)) + 0.4
    echo = np.convolve(scene.signal[0], [0.25, 0.5, 0.25])[: scene.signal.shape[1]]
    late = round(delay * scenes.RATE)
    scene.signal[1, late:] += scenes.db(leak_db) * echo[: echo.size - late].astype(np.float32)
    alone = at + 1.5
    end = scene.add(1, alone, say("Who is calling please?", HIGH))
    both = end + 1.5
    scene.add(0, both - 0.5, say(LINES[1]))
    scene.add(1, both, say("No, thank you, I do not want that.", HIGH))
    if codec != "pcm16":
        scene.signal = np.concatenate(
            [decode(scenes.encode(row[None], codec).data, "wav").signal for row in scene.signal]
        )
    return scene.signal, alone, both


@pytest.mark.parametrize("codec", ["pcm16", "gsm"])
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 0.25, 0.4])
@pytest.mark.parametrize("leak_db", [-6.0, -12.0, -20.0, -30.0, -40.0])
def test_an_echo_is_no_speech_and_what_is_said_into_it_is(
    leak_db: float, delay: float, codec: str
) -> None:
    signal, alone, both = echoed_talk(leak_db, delay, codec)
    spans = hear(signal, channel=1).speech
    assert spans[0][0] == pytest.approx(alone, abs=0.2), "the echo was taken for speech"
    heard = sum(max(0.0, min(end, both + 1.5) - max(start, both)) for start, end in spans)
    assert heard > 0.9, "what was said into the echo is lost"


@pytest.mark.parametrize("level", [-32.0, -27.0])
def test_a_sentence_is_heard_in_noise(level: float) -> None:
    scene = scenes.Scene(8.0, 1, level, seed=9)
    end = scene.add(0, 3.0, say(LINES[0]))
    spans = hear(scene.signal).speech
    assert spans[0][0] == pytest.approx(3.0, abs=0.3)
    assert spans[-1][1] == pytest.approx(end, abs=0.4)


def test_padding_of_a_codec_makes_no_speech_of_noise() -> None:
    signal = scenes.noise(8.0, -40.0, 4)[None]
    signal[:, :800] = 0
    signal[:, -800:] = 0
    assert hear(signal).speech == []
