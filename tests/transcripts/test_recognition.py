"""A recording is cut into pieces, given to the right model, and comes back as a transcript."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models as tiny
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.audio import ANALYSIS_RATE, Recording
from ml.transcripts import read_transcript
from ml.transcripts.recognisers import RecogniserError, find_models
from ml.transcripts.recognition import (
    Piece,
    Transcriber,
    as_document,
    batches,
    cut_pieces,
    load_settings,
    speech_version,
)


def recording(*channels: NDArray[np.float32]) -> Recording:
    longest = max(len(channel) for channel in channels)
    rows = [np.pad(channel, (0, longest - len(channel))) for channel in channels]
    samples = np.round(np.stack(rows) * 32767).astype(np.int16)
    return Recording(samples, "pcm_s16le", ANALYSIS_RATE, len(rows))


def place(sound: NDArray[np.float32], second: float, length: float) -> NDArray[np.float32]:
    channel = np.zeros(round(length * ANALYSIS_RATE), np.float32)
    start = round(second * ANALYSIS_RATE)
    channel[start : start + len(sound)] = sound
    return channel


def transcriber(folder: Path) -> Transcriber:
    return Transcriber(find_models(folder)[0])


def test_both_sides_are_heard_where_they_speak(tmp_path: Path) -> None:
    tiny.make_sense_voice(tmp_path / "sense")
    agent = place(tiny.speak(0, 1), 1.0, 8.0) + place(tiny.speak(2), 5.0, 8.0)
    customer = place(tiny.speak(1), 3.0, 8.0)
    turns = [("agent", 1.3, 2.4), ("customer", 3.3, 3.7), ("agent", 5.3, 5.7)]

    found = transcriber(tmp_path).transcribe("c1", recording(agent, customer), turns)

    transcript = found.transcript
    assert [(s.role, s.text) for s in transcript.segments] == [
        ("agent", "您好"),
        ("customer", "好"),
        ("agent", "保证"),
    ]
    margin = load_settings()["margin_seconds"] * 1000
    assert [(s.start_ms, s.end_ms) for s in transcript.segments] == [
        (1300 - margin, 2400 + margin),
        (3300 - margin, 3700 + margin),
        (5300 - margin, 5700 + margin),
    ]
    second = transcript.segments[0].words[1]
    assert second.text == "好"
    assert second.start_ms == pytest.approx(2000, abs=90)
    assert (transcript.language, found.language_found) == ("zh", "heard")
    assert transcript.engine is not None
    assert "sense" in transcript.engine
    assert transcript.problems == ()
    assert found.duration_seconds == 8.0
    assert found.speech_seconds == pytest.approx(1.1 + 0.4 + 0.4 + 6 * 0.15)
    assert found.processing_seconds > 0
    assert found.realtime_factor == pytest.approx(8.0 / found.processing_seconds)
    assert found.cpu_seconds >= 0


def test_the_document_is_read_back_as_the_contract_says(tmp_path: Path) -> None:
    import json

    tiny.make_sense_voice(tmp_path / "sense")
    sound = recording(tiny.speak(0, 1), tiny.silence())
    found = transcriber(tmp_path).transcribe("c1", sound, [("agent", 0.3, 1.4)])
    document = as_document(found.transcript)

    again = read_transcript(json.dumps(document).encode(), "c1.json")

    assert again.segments == found.transcript.segments
    assert (again.call_id, again.language, again.engine) == (
        "c1",
        "zh",
        found.transcript.engine,
    )
    assert again.problems == ()


def test_two_voices_of_one_channel_and_voices_without_a_side(tmp_path: Path) -> None:
    tiny.make_sense_voice(tmp_path / "sense")
    sound = recording(np.concatenate([tiny.speak(0), tiny.speak(1)]))
    named = transcriber(tmp_path).transcribe(
        "c", sound, [("agent", 0.3, 0.7), ("customer", 1.3, 1.7)]
    )
    assert [(s.role, s.text, s.speaker) for s in named.transcript.segments] == [
        ("agent", "您", "agent"),
        ("customer", "好", "customer"),
    ]
    mixed = transcriber(tmp_path).transcribe("c", sound, [("mixed", 0.3, 0.7)])
    assert [(s.role, s.text, s.speaker) for s in mixed.transcript.segments] == [
        (None, "您", "mixed")
    ]


def test_the_language_settles_which_model_hears(tmp_path: Path) -> None:
    """SenseVoice finds the language out; English goes to the Zipformer."""
    tiny.make_sense_voice(tmp_path / "sense")
    tiny.make_transducer(tmp_path / "zipformer-en")
    both = transcriber(tmp_path)
    english = both.transcribe("c", recording(tiny.speak(0, 3)), [("mixed", 0.2, 1.6)])
    chinese = both.transcribe("c", recording(tiny.speak(0, 1)), [("mixed", 0.2, 1.6)])
    assert english.transcript.segments[0].text == "HELLO RETURN"
    assert (english.transcript.language, english.language_found) == ("en", "heard")
    assert "zipformer-en" in str(english.transcript.engine)
    assert chinese.transcript.segments[0].text == "您好"
    assert (chinese.transcript.language, chinese.language_found) == ("zh", "heard")
    # Who knows the language is believed.
    told = both.transcribe("c", recording(tiny.speak(0, 1)), [("mixed", 0.2, 1.6)], "en")
    assert told.transcript.segments[0].text == "HELLO GUARAN"
    assert (told.transcript.language, told.language_found) == ("en", "given")


def test_one_language_needs_no_finding(tmp_path: Path) -> None:
    tiny.make_transducer(tmp_path / "zipformer-en")
    found = transcriber(tmp_path).transcribe("c", recording(tiny.speak(0)), [("mixed", 0.2, 0.9)])
    assert (found.transcript.language, found.language_found) == ("en", "only")
    assert found.transcript.segments[0].text == "HELLO"


def test_two_languages_and_nobody_to_ask(tmp_path: Path) -> None:
    tiny.make_transducer(tmp_path / "zipformer-en")
    tiny.make_paraformer(tmp_path / "paraformer")
    found = transcriber(tmp_path).transcribe("c", recording(tiny.speak(0)), [("mixed", 0.2, 0.9)])
    assert found.language_found == "none"
    assert found.transcript.language is None
    assert "the language could not be found out" in found.transcript.problems


def test_a_language_that_no_model_speaks_gives_no_text(tmp_path: Path) -> None:
    tiny.make_transducer(tmp_path / "zipformer-en")
    found = transcriber(tmp_path).transcribe(
        "c", recording(tiny.speak(0)), [("mixed", 0.2, 0.9)], "fr"
    )
    assert found.transcript.segments == ()
    assert found.transcript.engine is None
    assert found.transcript.problems == ("no model here speaks fr",)


def test_silence_is_not_given_to_a_model(tmp_path: Path) -> None:
    tiny.make_sense_voice(tmp_path / "sense")
    nothing = transcriber(tmp_path).transcribe("c", recording(tiny.speak(0)), [])
    assert nothing.transcript.segments == ()
    assert nothing.transcript.problems == ("no speech",)
    assert (nothing.speech_seconds, nothing.realtime_factor) == (0.0, None)
    # What is heard and not understood is told.
    hiss = transcriber(tmp_path).transcribe(
        "c",
        recording(np.concatenate([tiny.speak(0), tiny.silence(2.0)])),
        [("mixed", 0.3, 0.7), ("mixed", 1.5, 2.5)],
    )
    assert [s.text for s in hiss.transcript.segments] == ["您"]
    assert hiss.transcript.problems == ("1 of 2 pieces not understood",)


def test_without_a_model_there_is_no_transcriber() -> None:
    with pytest.raises(RecogniserError, match="callmart doctor"):
        Transcriber([])


def test_a_long_turn_is_cut_in_its_pauses(tmp_path: Path) -> None:
    """A minute of tones, a pause of 0.4 s every 7 s: no tone may be halved, none heard twice."""
    tiny.make_sense_voice(tmp_path / "sense")
    words = [0, 1, 2, 0, 2, 1, 0, 1]
    parts = []
    for word in words:
        parts += [tiny.tone(word, 6.6), tiny.silence(0.4)]
    sound = recording(np.concatenate(parts))
    turn = [("mixed", 0.0, sound.duration_seconds)]

    pieces = cut_pieces(sound, turn)
    longest = load_settings()["longest_piece_seconds"]
    assert all(piece.seconds <= longest for piece in pieces)
    assert [piece.end for piece in pieces[:-1]] == [piece.start for piece in pieces[1:]]
    for piece in pieces[:-1]:
        assert piece.end / ANALYSIS_RATE % 7.0 >= 6.6

    found = transcriber(tmp_path).transcribe("c", sound, turn)
    said = "".join(segment.text for segment in found.transcript.segments)
    assert said == "".join(("您", "好", "保证")[word] for word in words)


def test_turns_of_one_channel_never_overlap() -> None:
    sound = recording(np.zeros(ANALYSIS_RATE * 10, np.float32))
    pieces = cut_pieces(sound, [("mixed", 1.0, 2.0), ("mixed", 2.1, 3.0), ("mixed", 9.5, 12.0)])
    spans = [(piece.start / ANALYSIS_RATE, piece.end / ANALYSIS_RATE) for piece in pieces]
    assert spans == [
        (pytest.approx(0.85), pytest.approx(2.05)),
        (pytest.approx(2.05), pytest.approx(3.15)),
        (pytest.approx(9.35), pytest.approx(10.0)),
    ]


def test_what_is_too_short_for_a_word_is_left_out() -> None:
    sound = recording(np.zeros(ANALYSIS_RATE, np.float32))
    assert cut_pieces(sound, [("mixed", 0.99, 1.5)]) == []


@given(
    st.lists(st.floats(0.2, 24.0), min_size=0, max_size=40),
)
def test_batches_hold_every_piece_once_and_pad_little(lengths: list[float]) -> None:
    empty = np.zeros(0, np.float32)
    pieces = [Piece("agent", 0, round(length * ANALYSIS_RATE), empty) for length in lengths]
    made = list(batches(pieces))
    assert sorted(number for batch in made for number in batch) == list(range(len(pieces)))
    most = load_settings()["batch_seconds"]
    for batch in made:
        seconds = [pieces[number].seconds for number in batch]
        assert seconds == sorted(seconds, reverse=True)
        assert len(batch) == 1 or len(batch) * seconds[0] <= most
    heads = [pieces[batch[0]].seconds for batch in made]
    assert heads == sorted(heads, reverse=True)


def test_a_version_follows_the_models(tmp_path: Path) -> None:
    tiny.make_sense_voice(tmp_path / "sense")
    one = find_models(tmp_path)[0]
    tiny.make_transducer(tmp_path / "zipformer-en")
    two = find_models(tmp_path)[0]
    assert speech_version(one) == speech_version(find_models(tmp_path)[0][:1])
    assert speech_version(one) != speech_version(two)
    assert speech_version(two) == speech_version(two[::-1])
