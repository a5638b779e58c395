"""Call-progress tones of every country, off pitch, off beat, loud, soft, noisy and coded."""

from __future__ import annotations

import pytest
import scenes
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.audio import decode
from ml.audio.spectrum import compute_frames
from ml.connection import Connection, analyse
from ml.connection.tones import Signal, find_tones, load_table, read_tones

OUTCOME = {"ringback": "no_answer"}
SECONDS = {"ringback": 13.0}
KINDS = sorted(scenes.CADENCES)


def hear(signal: scenes.Signal, codec: str = "pcm16", country: str | None = None) -> Connection:
    coded = scenes.encode(signal, codec)
    return analyse(decode(coded.data, coded.extension), country)


def tones_in(signal: scenes.Signal) -> list[Signal]:
    recording = decode(scenes.encode(signal[None]).data, "wav")
    frames, _ = compute_frames(recording)
    return read_tones(find_tones(frames[0], recording.samples[0]), recording.duration_seconds)


def scene_with(tone: scenes.Signal, noise_level: float, seed: int = 1) -> scenes.Signal:
    scene = scenes.Scene(len(tone) / scenes.RATE + 1.0, 2, -70.0, seed)
    scene.add(1, 0.5, tone)
    scene.signal[1] += scenes.noise(scene.signal.shape[1] / scenes.RATE, noise_level, seed)
    return scene.signal


def test_the_table_holds_what_the_tests_know() -> None:
    table = {
        (country, tone["kind"]): (tuple(tone["hz"]), tuple(ms / 1000 for ms in tone["cadence_ms"]))
        for country, block in load_table()["countries"].items()
        for tone in block["tones"]
    }
    assert table == scenes.CADENCES


@pytest.mark.parametrize("codec", ["alaw", "mulaw", "gsm", "mp3"])
@pytest.mark.parametrize(("country", "kind"), KINDS)
def test_every_tone_through_every_codec(country: str, kind: str, codec: str) -> None:
    tone = scenes.progress_tone(country, kind, SECONDS.get(kind, 7.0), -20.0)
    found = hear(scene_with(tone, -55.0), codec)
    assert found.outcome == OUTCOME.get(kind, kind)
    assert not found.is_answered
    assert found.confidence >= 0.85


@pytest.mark.parametrize(("level", "noise_level"), [(-6.0, -26.0), (-35.0, -50.0)])
@pytest.mark.parametrize(("frequency", "length"), [(0.98, 1.08), (1.02, 0.92)])
@pytest.mark.parametrize(("country", "kind"), KINDS)
def test_every_tone_at_the_edges_of_its_tolerance(
    country: str, kind: str, frequency: float, length: float, level: float, noise_level: float
) -> None:
    tone = scenes.progress_tone(country, kind, SECONDS.get(kind, 8.0), level, frequency, length)
    found = hear(scene_with(tone, noise_level), country=country)
    assert found.outcome == OUTCOME.get(kind, kind)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.floats(0.985, 1.015),
    st.floats(0.95, 1.05),
    st.floats(-32.0, -8.0),
    st.integers(0, 10_000),
)
def test_any_tone_within_tolerance(
    kind: tuple[str, str], frequency: float, length: float, level: float, seed: int
) -> None:
    tone = scenes.progress_tone(*kind, SECONDS.get(kind[1], 9.0), level, frequency, length)
    found = hear(scene_with(tone, level - 20.0, seed), country=kind[0])
    assert found.outcome == OUTCOME.get(kind[1], kind[1])


@pytest.mark.parametrize("hum_hz", [50.0, 60.0])
@pytest.mark.parametrize(("country", "kind"), [("CN", "busy"), ("UK", "ringback"), ("ES", "busy")])
def test_hum_hides_no_tone(country: str, kind: str, hum_hz: float) -> None:
    signal = scene_with(scenes.progress_tone(country, kind, 10.0, -25.0), -60.0)
    signal[1] += scenes.hum(signal.shape[1] / scenes.RATE, -30.0, hum_hz)
    assert hear(signal).outcome == OUTCOME.get(kind, kind)


@pytest.mark.parametrize(
    ("name", "hz", "on_off"),
    [
        ("right beat, wrong pitch", (520.0,), (0.35, 0.35)),
        ("right pitch, no beat", (450.0,), (30.0, 1.0)),
        ("right pitch, another beat", (450.0,), (0.9, 0.15)),
        ("a beat that nobody uses", (480.0, 620.0), (1.2, 0.3)),
    ],
)
def test_what_the_table_does_not_hold_is_no_tone(
    name: str, hz: tuple[float, ...], on_off: tuple[float, ...]
) -> None:
    assert tones_in(scenes.cadence(hz, on_off, 8.0, -15.0)) == [], name


@pytest.mark.parametrize("seed", range(4))
def test_music_holds_no_tone(seed: int) -> None:
    kinds = {signal.kind for signal in tones_in(scenes.music(30.0, seed))}
    assert kinds <= {"dtmf"}


@pytest.mark.parametrize("each", [0.274, 0.33, 0.38])
@pytest.mark.parametrize("factor", [0.98, 1.0, 1.02])
def test_special_information_tone(factor: float, each: float) -> None:
    found = hear(scene_with(scenes.information_tone(-20.0, factor, each), -50.0))
    assert found.outcome == "invalid_number"
    assert "special_information" in {item.kind for item in found.evidence}


def test_falling_tones_are_no_special_information() -> None:
    falling = scenes.information_tone(-15.0)[::-1].copy()
    assert "special_information" not in {s.kind for s in tones_in(falling)}


@pytest.mark.parametrize(
    "tone",
    [
        scenes.tone((2100.0,), 3.0, -20.0),
        scenes.tone((2100.0 * 0.985,), 2.6, -30.0),
        scenes.cadence((1100.0,), (0.5, 3.0), 8.0, -20.0),
    ],
)
def test_fax(tone: scenes.Signal) -> None:
    found = hear(scene_with(tone, -50.0))
    assert (found.outcome, found.is_answered, found.is_connected) == ("fax", True, False)


def test_keys_are_read() -> None:
    rows = {697: "123", 770: "456", 852: "789", 941: "*0#"}
    columns = (1209, 1336, 1477)
    scene = scenes.Scene(6.0, 2, -65.0)
    for place, key in enumerate("1590#"):
        low = next(hz for hz, keys in rows.items() if key in keys)
        high = columns[rows[low].index(key)]
        scene.add(0, 1.0 + 0.25 * place, scenes.tone((float(low), float(high)), 0.1, -15.0))
    evidence = [item for item in hear(scene.signal).evidence if item.kind == "dtmf"]
    assert [item.detail for item in evidence] == ["agent: keys 1590#"]
    assert evidence[0].start_seconds == pytest.approx(1.0, abs=0.03)


def test_the_place_of_a_tone_is_exact() -> None:
    (signal,) = tones_in(scenes.progress_tone("US", "busy", 5.0, -15.0))
    starts = [tone.start for tone in signal.tones]
    assert starts == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0], abs=0.015)
    assert [tone.seconds for tone in signal.tones] == pytest.approx([0.5] * 5, abs=0.03)


@pytest.mark.parametrize("heard_seconds", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("country", ["CN", "US", "FR"])
def test_a_call_dropped_in_the_first_ring_rang(country: str, heard_seconds: float) -> None:
    scene = scenes.Scene(heard_seconds + 0.4, 2, -68.0)
    scene.add(1, 0.4, scenes.progress_tone(country, "ringback", heard_seconds, -20.0))
    found = hear(scene.signal)
    assert found.outcome == "no_answer"
    assert found.ring_seconds == pytest.approx(heard_seconds, abs=0.1)


@pytest.mark.parametrize("country", ["CN", "US", "UK", "DE", "FR", "ES"])
def test_ring_seconds_last_to_the_end_when_nobody_answers(country: str) -> None:
    scene = scenes.Scene(22.0, 2, -68.0)
    scene.add(1, 1.0, scenes.progress_tone(country, "ringback", 21.0, -20.0))
    found = hear(scene.signal)
    assert found.outcome == "no_answer"
    assert found.ring_seconds == pytest.approx(21.0, abs=0.1)
    assert found.answered_at_seconds is None
