"""People, machines, music and silence after and without ringing, from made calls."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import scenes

from callmart.local.speech import Voice, synthesiser
from ml.audio import decode
from ml.connection import Connection, analyse
from ml.connection.calibration import MODELS
from ml.connection.decision import RULES, Verdict, calibrated
from ml.connection.rules import CALIBRATION_PATH, load_rules

AGENT = Voice("en-us+f2", 165, 55, 50)
CUSTOMER = Voice("en-us+m3", 155, 40, 50)
CHINESE_AGENT = Voice("cmn+f1", 165, 55, 50)
CHINESE = Voice("cmn+m3", 160, 45, 50)

PITCHES = (
    "Good morning, this is Anna from Sunrise Insurance, do you have a moment?",
    "We have a new offer for you this month, it would save you about twenty percent.",
    "Thank you, I will call you again on Monday.",
)
GREETING = (
    "You have reached the voice mail of John Miller. I am not available right now. "
    "Please leave a message after the tone."
)
MENU = (
    "Thank you for calling Northern Bank. For account information, press one. "
    "For cards, press two. To speak to an agent, press zero."
)
CHINESE_MENU = "欢迎致电北方银行，账户查询请按一，信用卡请按二，人工服务请按零，重听请按井号"


def say(text: str, voice: Voice, level: float = -22.0) -> scenes.Signal:
    return scenes.at_level(synthesiser().say(text, voice).signal, level)


class Call:
    """A call under construction; `at` is the second at which the last sound ended."""

    def __init__(self, seed: int = 1, noise_level: float = -62.0) -> None:
        self.scene = scenes.Scene(150.0, 2, noise_level, seed)
        self.at = 0.0

    def ring(self, country: str = "CN", seconds: float = 10.0) -> Call:
        tone = scenes.progress_tone(country, "ringback", seconds, -18.0)
        self.at = self.scene.add(1, self.at, tone)
        return self

    def music(self, seconds: float, seed: int = 1) -> Call:
        self.at = self.scene.add(1, self.at, scenes.music(seconds, seed))
        return self

    def beep(self, hz: float = 1000.0, seconds: float = 0.4) -> Call:
        self.at = self.scene.add(1, self.at + 0.4, scenes.tone((hz,), seconds, -18.0))
        return self

    def agent(self, text: str, pause: float = 0.4, voice: Voice = AGENT) -> Call:
        self.at = self.scene.add(0, self.at + pause, say(text, voice))
        return self

    def customer(self, text: str, pause: float = 0.4, voice: Voice = CUSTOMER) -> Call:
        self.at = self.scene.add(1, self.at + pause, say(text, voice))
        return self

    def wait(self, seconds: float) -> Call:
        self.at += seconds
        return self

    def decide(self, codec: str = "pcm16", mono: bool = False) -> Connection:
        signal = self.scene.signal[:, : round((self.at + 0.5) * scenes.RATE)]
        if mono:
            signal = signal.sum(axis=0, keepdims=True)
        coded = scenes.encode(signal, codec)
        return analyse(decode(coded.data, coded.extension))


def dialogue(call: Call) -> Call:
    call.customer("Hello?", 0.5).agent(PITCHES[0]).customer("Yes, go on.")
    return call.agent(PITCHES[1]).customer("No thank you, I am not interested.").agent(PITCHES[2])


@pytest.mark.parametrize("codec", ["pcm16", "gsm", "mp3", "mulaw"])
@pytest.mark.parametrize("mono", [False, True])
@pytest.mark.parametrize("country", ["CN", "US", None])
def test_a_dialogue_is_human(country: str | None, mono: bool, codec: str) -> None:
    call = Call().ring(country, 9.0) if country else Call()
    found = dialogue(call).decide(codec, mono)
    assert (found.outcome, found.is_answered, found.is_connected) == ("human", True, True)
    if country:
        # The word that follows comes half a second after the ringing.
        assert found.answered_at_seconds == pytest.approx(9.0, abs=0.65)
        assert found.ring_seconds == pytest.approx(9.0, abs=0.65)
    else:
        assert found.answered_at_seconds == 0.0
        assert found.ring_seconds == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_music_before_the_answer_is_ringing(seed: int) -> None:
    found = dialogue(Call(seed).wait(0.5).music(12.0, seed)).decide()
    assert found.outcome == "human"
    assert found.answered_at_seconds == pytest.approx(12.5, abs=0.5)
    assert found.ring_seconds == pytest.approx(12.0, abs=0.8)
    assert "colour_ringback" in {item.kind for item in found.evidence}


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("hello, and nobody there", Call().ring().customer("Hello?", 0.6).wait(3.0)),
        (
            "hello, hello",
            Call().ring().customer("Hello?", 0.6).customer("Hello?", 2.5).wait(2.0),
        ),
        ("one Chinese word", Call().ring().customer("喂", 0.6, CHINESE).wait(3.0)),
        (
            "one word and the agent talks",
            Call().ring().customer("Yes?", 0.5).agent(PITCHES[0]).wait(1.0),
        ),
        (
            "the agent talks long, then one word",
            Call().agent(PITCHES[0], 0.5).agent(PITCHES[1]).customer("No.", 0.5),
        ),
    ],
)
def test_few_words_are_a_person(name: str, call: Call) -> None:
    found = call.decide()
    assert (found.outcome, found.is_connected) == ("human", True), name


@pytest.mark.parametrize("mono", [False, True])
@pytest.mark.parametrize("codec", ["pcm16", "gsm", "mp3"])
@pytest.mark.parametrize(("hz", "seconds"), [(440.0, 0.25), (1000.0, 0.4), (1400.0, 1.0)])
def test_greeting_and_beep_are_voicemail(hz: float, seconds: float, codec: str, mono: bool) -> None:
    found = Call().ring("US", 12.0).customer(GREETING, 0.6).beep(hz, seconds).decide(codec, mono)
    assert (found.outcome, found.is_answered, found.is_connected) == ("voicemail", True, False)
    assert "beep" in {item.kind for item in found.evidence}


@pytest.mark.parametrize("noise_level", [-50.0, -48.0])
def test_a_long_beep_is_heard_through_noise(noise_level: float) -> None:
    # At the edge of hearing the text must be the same in any order of tests: espeak-ng's voice
    # depends on what it said before, so a process of its own says it.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        greeting = pool.submit(say, GREETING, CUSTOMER).result()
    call = Call(noise_level=noise_level).ring("FR", 8.0)
    call.at = call.scene.add(1, call.at + 0.6, greeting)
    call.at = call.scene.add(1, call.at + 0.7, scenes.tone((1400.0,), 0.8, -34.0))
    found = call.wait(1.5).decide("gsm")
    assert (found.outcome, found.is_connected) == ("voicemail", False)


def test_a_message_left_makes_no_person_of_a_voicemail() -> None:
    call = Call().ring("US", 12.0).customer(GREETING, 0.6).beep()
    found = call.agent(PITCHES[0], 0.5).agent(PITCHES[1]).decide()
    assert (found.outcome, found.is_connected) == ("voicemail", False)


@pytest.mark.parametrize(
    ("text", "voice"), [(MENU, CUSTOMER), (CHINESE_MENU, CHINESE), (MENU, AGENT)]
)
@pytest.mark.parametrize("rings", [True, False])
def test_a_prompt_with_nobody_answering_it_is_a_machine(
    rings: bool, text: str, voice: Voice
) -> None:
    call = Call().ring("CN", 9.0) if rings else Call()
    found = call.customer(text, 0.6, voice).wait(2.0).decide()
    assert (found.outcome, found.is_answered, found.is_connected) == ("ivr", True, False)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rings", [True, False])
def test_music_alone_is_music(rings: bool, seed: int) -> None:
    call = Call(seed).ring("US", 8.0) if rings else Call(seed)
    found = call.wait(0.5).music(25.0, seed).decide()
    assert (found.outcome, found.is_answered, found.is_connected) == ("music", True, False)


@pytest.mark.parametrize("noise_level", [-90.0, -70.0, -50.0, -40.0])
def test_dead_air_is_silence(noise_level: float) -> None:
    found = Call(noise_level=noise_level).wait(12.0).decide()
    assert (found.outcome, found.is_answered, found.is_connected) == ("silence", True, False)
    assert found.speech == {"agent": [], "customer": []}


def test_silence_long_after_the_last_ring_was_picked_up() -> None:
    found = Call().ring("CN", 11.0).wait(20.0).decide()
    assert found.outcome == "silence"
    assert found.answered_at_seconds == pytest.approx(13.0, abs=2.5)


def test_tones_after_a_conversation_are_only_its_end() -> None:
    call = dialogue(Call().ring("CN", 6.0))
    call.scene.add(1, call.at + 0.5, scenes.progress_tone("CN", "busy", 4.0, -20.0))
    found = call.wait(4.5).decide()
    assert found.outcome == "human"
    assert "busy" in {item.kind for item in found.evidence}


def test_an_announcement_before_a_tone_is_explained_by_it() -> None:
    call = Call().customer("The number you have dialled is busy. Please try again later.", 0.5)
    call.scene.add(1, call.at + 0.5, scenes.progress_tone("CN", "busy", 5.0, -20.0))
    found = call.wait(5.5).decide()
    assert (found.outcome, found.is_answered) == ("busy", False)


def test_the_answer_is_heard_where_the_line_changes() -> None:
    """The called side opens its microphone at 9.0 s and speaks at 10.2 s."""
    call = Call(noise_level=-75.0).ring("US", 8.0)
    call.scene.signal[1, 9 * scenes.RATE :] += scenes.noise(141.0, -52.0, 5)
    call.at = 9.0
    found = dialogue(call.wait(0.7)).decide()
    assert found.outcome == "human"
    assert found.answered_at_seconds == pytest.approx(9.0, abs=0.1)


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0])
def test_very_short_recordings_get_a_verdict(seconds: float) -> None:
    coded = scenes.encode(scenes.Scene(seconds, 2, -65.0).signal)
    found = analyse(decode(coded.data, coded.extension))
    assert found.outcome == "silence"


def test_evidence_lies_in_the_recording_and_in_order() -> None:
    call = dialogue(Call().ring("US", 8.0))
    found = call.decide()
    places = [(item.start_seconds, item.end_seconds) for item in found.evidence]
    assert places == sorted(places, key=lambda place: place[0])
    assert all(0.0 <= start < end <= call.at + 0.6 for start, end in places)


def test_every_rule_has_a_probability() -> None:
    confidences = load_rules(CALIBRATION_PATH)["confidence"]
    assert set(confidences) == set(RULES)
    for rule in RULES:
        for probability in (0.5, 0.75, 0.999) if rule in MODELS else (None,):
            assert 0.0 < calibrated(Verdict("human", rule, probability)) < 1.0


def test_everything_in_the_first_channel_of_two() -> None:
    call = dialogue(Call().ring("US", 8.0))
    signal = call.scene.signal[:, : round(call.at * scenes.RATE)].copy()
    signal[0] += signal[1]
    signal[1] = 0.0
    found = analyse(decode(scenes.encode(signal).data, "wav"))
    assert found.outcome == "human"
    assert list(found.speech) == ["mixed"]
    assert found.ring_seconds == pytest.approx(8.0, abs=0.7)


ANNOUNCEMENT = "The customer you are calling is talking to somebody else. Please try again later."


@pytest.mark.parametrize("codec", ["pcm16", "gsm", "opus"])
@pytest.mark.parametrize("mono", [False, True])
@pytest.mark.parametrize("text", [MENU, ANNOUNCEMENT])
def test_what_is_played_twice_is_a_machine(text: str, mono: bool, codec: str) -> None:
    call = Call(noise_level=-48.0).customer(text, 0.5).customer(text, 1.2).wait(0.5)
    call.scene.add(0, 3.0, say("Hello? Is anybody there?", AGENT))
    found = call.decide(codec, mono)
    assert (found.outcome, found.is_connected, found.rule) == ("ivr", False, "repeated_prompt")


def test_a_person_may_come_after_a_repeated_prompt() -> None:
    call = Call().customer(ANNOUNCEMENT, 0.5).customer(ANNOUNCEMENT, 1.2)
    found = dialogue(call).decide()
    assert (found.outcome, found.is_connected) == ("human", True)


def test_a_person_who_says_the_same_again_is_no_recording() -> None:
    """Synthetic voices do so to the sample; what the agent says in between is not said again."""
    call = Call().customer("Hello?", 0.5).agent(PITCHES[0])
    for pitch in PITCHES[1:]:
        call.customer("I really do not know what you want from me.").agent(pitch)
    assert call.decide(mono=False).outcome == "human"
    assert call.decide(mono=True).outcome == "human"


def test_an_agent_who_hangs_up_on_a_prompt_makes_it_no_person() -> None:
    call = Call().customer(MENU, 0.5)
    call.scene.add(0, call.at - 0.5, say("Oh well, I will try again later.", AGENT))
    assert not call.wait(2.0).decide().is_connected


@pytest.mark.parametrize("text", [MENU, ANNOUNCEMENT, GREETING])
@pytest.mark.parametrize("lead", [1.0, 0.3, -0.4])
def test_a_short_goodbye_is_no_dialogue(text: str, lead: float) -> None:
    call = Call().customer(text, 0.5)
    call.scene.add(0, call.at - lead, say("Oh well, goodbye.", AGENT))
    assert not call.wait(2.5).decide().is_connected


@pytest.mark.parametrize(("first", "second"), [(AGENT, CUSTOMER), (CHINESE_AGENT, AGENT)])
def test_hello_and_a_pause_after_ringing_is_a_person_in_one_channel(
    first: Voice, second: Voice
) -> None:
    call = Call().ring("DE", 8.0).customer("Hello?", 0.7, second)
    found = call.agent(PITCHES[0], 1.0, first).customer("No.", 0.5, second).decide(mono=True)
    assert (found.outcome, found.is_connected) == ("human", True)


@pytest.mark.parametrize("hz", [425.0, 450.0])
def test_a_beep_at_the_frequency_of_a_ring_is_a_beep(hz: float) -> None:
    call = Call().customer("This is John, please leave a message.", 0.8).beep(hz, 0.7)
    found = call.agent(PITCHES[0], 0.8).decide()
    assert (found.outcome, found.is_connected) == ("voicemail", False)


def test_one_whole_sentence_alone_in_one_channel_is_an_announcement() -> None:
    found = Call().customer(ANNOUNCEMENT, 0.5).wait(0.5).decide("gsm", mono=True)
    assert (found.outcome, found.is_connected) == ("ivr", False)


def test_talk_that_the_recording_cuts_into_is_no_announcement() -> None:
    call = Call().customer(ANNOUNCEMENT, 0.5)
    call.scene.signal = call.scene.signal[:, round(0.9 * scenes.RATE) :]
    call.at -= 0.9
    found = call.decide("pcm16", mono=True)
    assert (found.outcome, found.is_connected) == ("human", True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("codec", ["flac", "mp3"])
def test_music_cut_off_by_the_end_holds_no_word(codec: str, seed: int) -> None:
    """The last scrap of it, steady no more because it breaks off, is not an answer."""
    call = Call(seed).wait(0.1).music(12.9, seed)
    call.at -= 0.5
    found = call.decide(codec)
    assert (found.outcome, found.is_connected) == ("music", False)


def test_music_that_stops_and_nobody_speaks_was_picked_up() -> None:
    found = Call(2).wait(0.2).music(15.0, 2).wait(12.0).decide()
    assert found.outcome == "silence"
    assert found.ring_seconds == pytest.approx(15.0, abs=0.8)


@pytest.mark.parametrize("pause", [0.9, 1.3, 3.0])
def test_two_short_words_are_a_person_whatever_the_pause(pause: float) -> None:
    found = Call().ring().customer("Hello?", 0.6).customer("Hello?", pause).wait(2.0).decide()
    assert (found.outcome, found.is_connected) == ("human", True)


def test_a_fax_answers_before_its_tone() -> None:
    """T.30: the answering tone begins 1.8 to 2.5 s after the answer."""
    call = Call().ring("CN", 11.5).wait(2.0)
    call.at = call.scene.add(1, call.at, scenes.tone((2100.0,), 3.0, -18.0))
    found = call.decide()
    assert found.outcome == "fax"
    assert found.answered_at_seconds == pytest.approx(11.5, abs=0.5)


@pytest.mark.parametrize("country", ["UK", "CN", "DE"])
def test_ringing_that_goes_on_was_not_answered(country: str) -> None:
    """A low-rate codec smears a ring into what sounds like a word; the next rings disprove it."""
    period = {"UK": 3.0, "CN": 5.0, "DE": 5.0}[country]
    call = Call().ring(country, 4 * period)
    for _ in range(2):
        smeared = call.at
        call.customer("Uh oh, hello.", 0.0)
        call.at = smeared + period
        call.ring(country, 4 * period)
    found = call.decide()
    assert (found.outcome, found.is_answered, found.is_connected) == ("no_answer", False, False)
    assert found.ring_seconds == pytest.approx(14 * period, abs=period)


@pytest.mark.parametrize("cut", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("country", ["CN", "DE", "US"])
def test_a_ring_that_breaks_off_tells_the_answer(country: str, cut: float) -> None:
    period = {"CN": 5.0, "DE": 5.0, "US": 6.0}[country]
    found = dialogue(Call().ring(country, 2 * period + cut).wait(0.5)).decide()
    assert found.answered_by == "ring_cut"
    assert found.answered_at_seconds == pytest.approx(2 * period + cut, abs=0.05)


@pytest.mark.parametrize("pause", [0.3, 0.6, 1.0])
def test_without_a_sign_the_answer_lies_half_a_second_before_the_first_word(pause: float) -> None:
    found = dialogue(Call().ring("CN", 8.0).wait(pause - 0.5)).decide()
    # Ringing has stopped at 6.0; the word comes `pause` after the answer at 8.0.
    assert found.answered_at_seconds == pytest.approx(8.0, abs=0.6)


def test_an_answer_is_no_later_than_the_ring_that_stayed_out() -> None:
    found = dialogue(Call().ring("US", 12.0).wait(0.6)).decide()
    assert found.answered_by == "next_ring"
    assert found.answered_at_seconds == pytest.approx(12.0, abs=0.05)


def test_a_lone_click_is_the_answer() -> None:
    call = Call(noise_level=-68.0).ring("CN", 8.0)
    click = scenes.noise(0.01, -20.0, 3)
    call.scene.add(1, 7.4, click)
    found = dialogue(call.wait(0.4)).decide()
    assert found.answered_by == "click"
    assert found.answered_at_seconds == pytest.approx(7.4, abs=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_ring_back_music_ends_where_it_breaks_off(seed: int) -> None:
    found = dialogue(Call(seed).music(11.0, seed).wait(0.2)).decide("mulaw")
    assert found.answered_by == "music_end"
    assert found.answered_at_seconds == pytest.approx(11.0, abs=0.15)


@pytest.mark.parametrize("lead", [0.4, 1.7, 3.0])
def test_silence_before_a_call_moves_the_answer_by_as_much(lead: float) -> None:
    plain = dialogue(Call().ring("FR", 8.0).wait(0.4))
    moved = dialogue(Call().wait(lead))
    moved.scene.signal[:, round(lead * scenes.RATE) :] = plain.scene.signal[
        :, : moved.scene.signal.shape[1] - round(lead * scenes.RATE)
    ]
    moved.at = plain.at + lead
    before, after = plain.decide(), moved.decide()
    assert before.answered_at_seconds is not None
    assert after.answered_at_seconds is not None
    assert after.answered_at_seconds - before.answered_at_seconds == pytest.approx(lead, abs=0.05)


@pytest.mark.parametrize("delay", [0.08, 0.25, 0.45])
@pytest.mark.parametrize("loss", [-14.0, -24.0])
def test_the_agents_own_echo_is_nobody(loss: float, delay: float) -> None:
    call = Call(noise_level=-70.0).ring("UK", 6.0)
    for pitch in PITCHES:
        call.agent(pitch, 1.2)
    late = round(delay * scenes.RATE)
    call.scene.signal[1, late:] += scenes.db(loss) * call.scene.signal[0, :-late]
    found = call.wait(1.0).decide()
    assert not found.is_connected
    assert found.speech["customer"] == []


@pytest.mark.parametrize("hz", [(770.0, 1027.0), (720.0, 960.0)])
def test_a_beep_may_have_two_frequencies(hz: tuple[float, float]) -> None:
    call = Call().ring("CN", 9.0).customer(GREETING, 0.6)
    call.at = call.scene.add(1, call.at + 0.5, scenes.tone(hz, 0.5, -18.0))
    assert call.wait(1.0).decide().outcome == "voicemail"


def test_a_whistle_is_no_beep() -> None:
    """A whistled note glides; a machine's stands still."""
    call = Call().customer("Hello?", 0.5).agent(PITCHES[0])
    time = np.arange(round(0.6 * scenes.RATE)) / scenes.RATE
    glide = np.sin(2 * np.pi * (1150.0 * time + 120.0 / 6.0 * np.sin(6.0 * time)))
    whistle = (scenes.db(-18.0) * glide).astype(np.float32)
    call.at = call.scene.add(1, call.at + 0.6, whistle)
    found = call.customer("No, thank you.", 0.6).agent(PITCHES[1]).decide()
    assert "beep" not in {item.kind for item in found.evidence}
    assert found.is_connected


def test_a_word_and_the_busy_tone_were_a_person() -> None:
    call = Call(noise_level=-70.0).ring("DE", 6.0)
    call.scene.add(1, 7.2, scenes.noise(0.2, -30.0, 9))
    call.at = call.scene.add(1, 8.6, scenes.progress_tone("DE", "busy", 4.0, -20.0))
    found = call.decide()
    assert (found.outcome, found.rule) == ("human", "hung_up")


def test_ringing_and_the_busy_tone_alone_were_nobody() -> None:
    call = Call(noise_level=-70.0).ring("DE", 6.0)
    call.at = call.scene.add(1, 8.6, scenes.progress_tone("DE", "busy", 4.0, -20.0))
    assert call.decide().outcome == "busy"


@pytest.mark.parametrize("heard", [0.15, 0.2])
@pytest.mark.parametrize("country", ["CN", "UK", "US"])
def test_a_first_ring_cut_by_the_end_of_the_recording_rang(country: str, heard: float) -> None:
    call = Call().wait(1.2)
    call.scene.signal = call.scene.signal[:, : round((1.2 + heard) * scenes.RATE)]
    call.scene.add(1, 1.2, scenes.progress_tone(country, "ringback", heard, -20.0))
    call.at = 1.2 + heard - 0.5
    found = call.decide()
    assert (found.outcome, found.is_connected) == ("no_answer", False)


def busy_call(hz: float, on: float, off: float) -> scenes.Scene:
    scene = scenes.Scene(12.0, 1, -60.0, 5)
    at = 0.5
    while at < 10.0:
        scene.add(0, at, scenes.tone((hz,), on, -15.0))
        at += on + off
    return scene


def hear_tone(scene: scenes.Scene, country: str | None) -> Connection:
    coded = scenes.encode(scene.signal, "pcm16")
    return analyse(decode(coded.data, coded.extension), country)


@pytest.mark.parametrize(
    ("hz", "on", "off", "outcome", "elsewhere"),
    [
        # Between Spain's busy (200/200) and Germany's congestion (240/240), nearer to the latter.
        (425.0, 0.220, 0.220, "congestion", {"ES": "busy"}),
        # As published: no other country's table comes near.
        (450.0, 0.35, 0.35, "busy", {}),
        (450.0, 0.7, 0.7, "congestion", {}),
    ],
)
def test_a_tone_that_another_country_means_otherwise_says_so(
    hz: float, on: float, off: float, outcome: str, elsewhere: dict[str, str]
) -> None:
    found = hear_tone(busy_call(hz, on, off), None)
    assert (found.outcome, found.outcome_by_country) == (outcome, elsewhere)
    detail = " ".join(item.detail for item in found.evidence if item.kind == outcome)
    assert all(f"in {code} {other}" in detail for code, other in elsewhere.items())
    for code, other in elsewhere.items():
        told = hear_tone(busy_call(hz, on, off), code)
        assert (told.outcome, told.outcome_by_country) == (other, {})
