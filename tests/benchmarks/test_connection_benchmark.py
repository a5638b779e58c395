"""The judge of the connection decision: its recordings, its figures, its peer."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import connection
from benchmarks.calls import make_call, make_calls, score, sounds, sources
from benchmarks.calls.answering_machine import DEFAULTS, detect, frame_levels
from benchmarks.calls.files import CODECS, Form, choose_form, encode, lay_out, suffix
from benchmarks.calls.make import plan_scenarios
from benchmarks.calls.scenarios import AGENT, CUSTOMER, SCENARIOS
from benchmarks.calls.score import Case
from benchmarks.calls.sounds import RATE, Random, Signal
from benchmarks.calls.speech import Clip, RecordedSpeech, SyntheticSpeech
from benchmarks.frame import OptionError
from ml.audio.decode import decode

OUTCOMES = {
    *("human", "voicemail", "ivr", "fax", "busy", "congestion", "no_answer", "invalid_number"),
    *("silence", "music", "unreadable", "unknown", "rejected", "cancelled", "switched_off"),
    *("out_of_service", "unreachable", "network_failure"),
}
COUNTRIES = sorted(sounds.tables()["countries"])


class ToySpeech:
    """Voices of noise: quick to make, and told from tones by anybody."""

    def languages(self) -> list[str]:
        return ["zh", "en"]

    def speakers(self, language: str, random: Random) -> tuple[str, str]:
        return "first", "second"

    def clip(self, kind: str, language: str, speaker: str, random: Random) -> Clip:
        seconds = 0.3 if kind == "word" else float(random.uniform(0.8, 2.0))
        noise = random.standard_normal(round(seconds * RATE)).astype(np.float32)
        return Clip(noise, False, "switched_off" if kind == "announcement" else None)

    def music(self, seconds: float, random: Random) -> Signal:
        return sounds.tune(random, seconds)

    def creature(self, random: Random) -> Signal:
        return sounds.bark(random)


def _random(seed: int = 1) -> Random:
    return np.random.default_rng(seed)


# -- the recordings


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_scenario_can_be_made_and_its_truth_fits_together(scenario: str) -> None:
    for seed in (1, 2) if scenario != "long_conversation" else (1,):
        made = make_call(scenario, _random(seed), ToySpeech())
        truth, board = made.truth, made.board
        assert truth.outcome in OUTCOMES
        assert set(truth.also_acceptable) <= OUTCOMES - {truth.outcome}
        if truth.is_connected:
            assert truth.outcome == "human"
            assert truth.is_answered
        if truth.is_answered is False:
            assert truth.answered_at is None
            assert truth.is_connected is False
        assert len(made.agent) == len(made.customer)
        assert max(np.abs(made.agent).max(), np.abs(made.customer).max()) < 1.0
        if truth.answered_at is not None:
            assert 0 <= truth.answered_at <= len(made.customer) / RATE
        if board.first_sound is not None and truth.answered_at is not None:
            assert board.first_sound >= truth.answered_at


@pytest.mark.parametrize(
    "scenario",
    ["dialogue", "colour_ring_dialogue", "voicemail_with_beep", "hold_music", "one_word"],
)
def test_nothing_of_the_called_side_is_heard_before_the_answer(scenario: str) -> None:
    for seed in range(3):
        made = make_call(scenario, _random(seed), ToySpeech())
        at, ring = made.truth.answered_at, made.truth.ring_seconds
        assert at is not None
        assert ring is not None
        before = [part for part in made.board.parts if part[1] < at - 1e-9]
        assert all(side == CUSTOMER for side, _, _ in before)
        assert all(start + len(sound) / RATE <= at + 1e-3 for _, start, sound in before)
        if ring:
            (ringing,) = before
            assert ringing[1] + ring == pytest.approx(at, abs=1e-3)
        else:
            assert before == []


def test_unanswered_calls_hold_no_agent_and_silent_lines_no_customer() -> None:
    for scenario in ("no_answer", "busy", "colour_ring_no_answer", "information_tone"):
        parts = make_call(scenario, _random(), ToySpeech()).board.parts
        assert {side for side, _, _ in parts} == {CUSTOMER}
    for seed in range(3):
        made = make_call("dead_air_while_the_agent_asks", _random(seed), ToySpeech())
        at = made.truth.answered_at or 0.0
        later = [part for part in made.board.parts if part[1] >= at + 0.2]
        assert {side for side, _, _ in later} == {AGENT}


def test_people_are_heard_behind_persons_alone() -> None:
    machines = [make_call("fax_calling", _random(seed), ToySpeech()) for seed in range(12)]
    persons = [make_call("one_word", _random(seed), ToySpeech()) for seed in range(20)]
    assert not [made for made in machines if "babble" in made.conditions]
    assert [made for made in persons if "babble" in made.conditions]


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("name", ["ringback", "busy", "congestion", "invalid_number"])
def test_tones_keep_to_the_tolerances_asked_for(country: str, name: str) -> None:
    entry = sounds.tables()["countries"][country].get(name)
    if entry is None:
        assert name == "invalid_number"
        assert country != "CN"
        return
    for seed in range(3):
        signal = sounds.progress_tone(country, name, 12.0, _random(seed))
        peak = 20 * np.log10(np.abs(signal).max())
        assert -35.1 <= peak <= -5.9
        spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
        hertz = np.fft.rfftfreq(len(signal), 1 / RATE)
        for wanted in entry["hz"]:
            near = (hertz > wanted * 0.975) & (hertz < wanted * 1.025)
            assert spectrum[near].max() > 0.3 * spectrum.max()
        outside = (hertz < min(entry["hz"]) * 0.9) | (hertz > max(entry["hz"]) * 1.1)
        assert spectrum[outside].max() < 0.2 * spectrum.max()  # switching on and off
        frames = np.abs(signal[: len(signal) // 80 * 80]).reshape(-1, 80).max(axis=1)
        runs = [
            (is_on, sum(1 for _ in run) * 5.0)
            for is_on, run in groupby(frames > 0.2 * frames.max())
        ]
        for index, (is_on, length) in enumerate(runs[:-1]):
            assert is_on == (index % 2 == 0)
            nominal = entry["ms"][index % len(entry["ms"])]
            assert abs(length - nominal) <= 0.1 * nominal + 15


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "other"]
    for folder, seed in zip(folders, (5, 5, 6), strict=True):
        make_calls(folder, 5, seed, [ToySpeech()])
    contents = [
        {path.name: path.read_bytes() for path in sorted(folder.rglob("*.*"))} for folder in folders
    ]
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_truth_names_every_file_and_no_file_names_its_truth(tmp_path: Path) -> None:
    names = [name for name in SCENARIOS if name != "long_conversation"]
    path = make_calls(tmp_path, len(names), 3, [ToySpeech()], names)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["scenario"] for row in rows] == names
    listed = {name for row in rows for name in row["file"].split()}
    there = {str(p.relative_to(tmp_path)) for p in (tmp_path / "recordings").iterdir()}
    assert listed == there
    assert not [name for name in there if any(word in name for word in (*OUTCOMES, *SCENARIOS))]


def test_shares_are_kept_and_sets_of_150_hold_every_scenario() -> None:
    plan = plan_scenarios(150, _random())
    assert len(plan) == 150
    assert set(plan) == set(SCENARIOS)
    large = plan_scenarios(2000, _random())
    total = sum(weight for weight, _ in SCENARIOS.values())
    for name, (weight, _) in SCENARIOS.items():
        assert large.count(name) == pytest.approx(2000 * weight / total, abs=1)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read_back_with_its_length(codec: str, tmp_path: Path) -> None:
    tone = sounds.at_peak(sounds.tone([700], 3.0), -12)
    layout = "stereo" if codec == "vorbis" else "mono"
    form = Form(codec, 8000, 16000, layout)
    (signal,) = lay_out(tone, np.zeros_like(tone), layout)
    content = encode(signal, form)
    assert content == encode(signal, form)
    path = tmp_path / f"a.{suffix(codec)}"
    path.write_bytes(content)
    read = decode(path)
    assert read.samples.shape[1] / read.sampling_rate == pytest.approx(3.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(read.samples[0].astype(float)))
    hertz = np.fft.rfftfreq(read.samples.shape[1], 1 / read.sampling_rate)
    assert hertz[spectrum.argmax()] == pytest.approx(700, abs=3)


def test_forms_are_ones_their_codecs_can_hold() -> None:
    random = _random()
    forms = [choose_form(random) for _ in range(600)]
    assert {form.codec for form in forms} == set(CODECS)
    assert {form.layout for form in forms} == {"stereo", "mono", "two_files", "identical"}
    assert min(form.rate for form in forms) == 6000
    assert max(form.rate for form in forms) == 48000
    for form in forms:
        channels = 2 if form.layout in ("stereo", "identical") else 1
        encode(np.zeros((channels, RATE // 4), np.float32), form)


def _all_texts(entry: Any) -> set[str]:
    if isinstance(entry, dict):
        return set().union(*(_all_texts(value) for value in entry.values()))
    if isinstance(entry, list):
        return set().union(*(_all_texts(value) for value in entry))
    return {entry} if isinstance(entry, str) else set()


def test_the_two_halves_share_no_voice_and_no_sentence() -> None:
    first, second = (SyntheticSpeech(half)._texts for half in "ab")
    shared = _all_texts(first) & _all_texts(second)
    # What everybody in China says on lifting is one word, and it is in both on purpose.
    assert shared == {"喂"}


def test_recorded_speech_reads_its_part_alone(tmp_path: Path) -> None:
    import soundfile

    rows = ["path,speaker,language,kind,part,seconds"]
    for part, hz in (("dev", 300), ("test", 900)):
        for index in range(6):
            wave = sounds.at_peak(sounds.tone([hz], 1.2), -6)
            soundfile.write(tmp_path / f"{part}{index}.wav", wave, RATE)
            rows.append(f"{part}{index}.wav,{part}-voice,xx,dialogue,{part},1.2")
    (tmp_path / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    source = RecordedSpeech(tmp_path, "test", SyntheticSpeech("b"))
    assert set(source.languages()) == {"xx"}
    random = _random()
    agent, customer = source.speakers("xx", random)
    assert agent != customer  # one reader, moved apart
    clip = source.clip("customer", "xx", customer, random)
    assert clip.is_real
    spectrum = np.abs(np.fft.rfft(clip.signal))
    hertz = np.fft.rfftfreq(len(clip.signal), 1 / RATE)[spectrum.argmax()]
    assert 780 < hertz < 1050


def test_synthetic_voices_speak_in_a_call() -> None:
    (source,) = sources("a")
    made = make_call("one_word", _random(), source)
    assert made.board.is_synthetic
    assert not made.board.is_real
    at = made.truth.answered_at or 0.0
    assert sounds.active_level(made.customer[round(at * RATE) :]) > -60


# -- the peer

_LOUD, _QUIET = 1000.0, 10.0


def _levels(*runs: tuple[float, int]) -> list[float]:
    return [level for level, ms in runs for _ in range(ms // 20)]


@pytest.mark.parametrize(
    ("runs", "status", "cause"),
    [
        # a word, then 800 ms of silence
        ([(_QUIET, 400), (_LOUD, 400), (_QUIET, 800)], "HUMAN", "HUMAN"),
        ([(_QUIET, 400), (_LOUD, 400), (_QUIET, 780)], "HANGUP", ""),
        # nothing for 2.5 s
        ([(_QUIET, 2500)], "MACHINE", "INITIALSILENCE"),
        ([(_QUIET, 2480)], "HANGUP", ""),
        # a sound too short to be a word does not end the initial silence for good
        ([(_QUIET, 600), (_LOUD, 80), (_QUIET, 2500)], "MACHINE", "INITIALSILENCE"),
        # 1.5 s of voice in all
        ([(_QUIET, 200), (_LOUD, 1500)], "MACHINE", "LONGGREETING"),
        ([(_QUIET, 200), (_LOUD, 1480), (_QUIET, 800)], "HUMAN", "HUMAN"),
        # the third word
        ([(_QUIET, 200), *[(_LOUD, 200), (_QUIET, 100)] * 2, (_LOUD, 200)], "MACHINE", "MAXWORDS"),
        ([(_QUIET, 200), *[(_LOUD, 200), (_QUIET, 100)] * 2, (_QUIET, 800)], "HUMAN", "HUMAN"),
        # a word that begins with the sound was never preceded by silence: it is not counted
        ([*[(_LOUD, 200), (_QUIET, 100)] * 3, (_QUIET, 800)], "HUMAN", "HUMAN"),
        # 40 ms of silence part no words
        ([(_QUIET, 200), *[(_LOUD, 200), (_QUIET, 40)] * 4, (_QUIET, 800)], "HUMAN", "HUMAN"),
        # five seconds without a decision: short sounds that are no words keep the silence short
        ([(_QUIET, 400), *[(_LOUD, 80), (_QUIET, 400)] * 12], "NOTSURE", "TOOLONG"),
        ([], "HANGUP", ""),
    ],
)
def test_answering_machine_detection_by_its_rules(
    runs: list[tuple[float, int]], status: str, cause: str
) -> None:
    assert detect(_levels(*runs)) == (status, cause)


def test_silence_threshold_is_the_mean_of_absolute_samples() -> None:
    wave = np.full(8000, 256, np.int16)
    wave[::2] *= -1
    assert frame_levels(wave).tolist() == [256.0] * 50
    assert detect(frame_levels(wave[:800])) == ("HANGUP", "")
    quiet = np.full(8000 * 3, 255, np.int16)
    assert detect(frame_levels(quiet)) == ("MACHINE", "INITIALSILENCE")
    loud = np.full(8000 * 3, DEFAULTS.silence_threshold, np.int16)
    assert detect(frame_levels(loud))[0] == "MACHINE"
    assert detect(frame_levels(loud))[1] == "LONGGREETING"


# -- the figures


def _case(true: str, found: str, **more: Any) -> Case:
    person = {"human": True}
    values: dict[str, Any] = {
        "call_id": "c",
        "outcome": true,
        "is_answered": True,
        "is_connected": person.get(true, False),
        "found_outcome": found,
        "found_connected": person.get(found, False),
    }
    return Case(**(values | more))


def test_connection_figures_of_a_hand_made_table() -> None:
    cases = [
        *[_case("human", "human")] * 6,
        _case("human", "ivr"),  # missed
        *[_case("busy", "busy")] * 2,
        _case("voicemail", "human"),  # false
        _case("ivr", "unknown", found_connected=None),  # no verdict: wrong, but not a false one
        _case("silence", "human", is_connected=None),  # cannot be told: not scored
    ]
    found = score.connection_figures(cases)
    assert found["n"] == 11
    assert found["accuracy"] == pytest.approx(8 / 11)
    assert (found["false_connections"], found["missed"]) == (1, 1)
    assert found["false_connection_rate"] == pytest.approx(1 / 4)
    assert found["false_connections_of_all"] == pytest.approx(1 / 11)
    assert found["missed_rate"] == pytest.approx(1 / 7)
    assert found["majority"] == pytest.approx(7 / 11)


def test_interval_is_wilsons() -> None:
    low, high = score.wilson(8, 10) or (0, 0)
    assert (low, high) == (pytest.approx(0.4901625, abs=1e-5), pytest.approx(0.9433178, abs=1e-5))
    assert score.wilson(0, 0) is None
    assert (score.wilson(0, 5) or (1,))[0] == pytest.approx(0, abs=1e-12)


def test_outcomes_as_good_as_the_truth_count_as_it() -> None:
    cases = [
        _case("busy", "busy"),
        _case("busy", "congestion", also_acceptable=frozenset({"congestion"})),
        _case("busy", "congestion"),
        _case("congestion", "congestion"),
    ]
    found = score.outcome_figures(cases)
    assert found["accuracy"] == 0.75
    assert found["strict_accuracy"] == 0.5
    assert found["confusion"] == {
        "busy": {"busy": 2, "congestion": 1},
        "congestion": {"congestion": 1},
    }
    busy, congestion = found["classes"]["busy"], found["classes"]["congestion"]
    assert (busy["precision"], busy["recall"]) == (1.0, pytest.approx(2 / 3))
    assert (congestion["precision"], congestion["recall"]) == (0.5, 1.0)
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found["majority"] == 0.75
    # What only words can say counts in the mean of all classes alone.
    worded = score.outcome_figures([*cases, _case("switched_off", "human")])
    assert worded["macro_f1"] == found["macro_f1"]
    assert worded["macro_f1_of_all"] == pytest.approx((0.8 + 2 / 3 + 0) / 3)


def test_times_count_what_is_missing_and_leave_out_what_is_unknown() -> None:
    found = score.time_figures([(1.0, 1.1), (2.0, 2.5), (3.0, None), (None, 4.0), (5.0, 5.0)])
    assert (found["n"], found["missing"]) == (4, 1)
    assert found["median"] == pytest.approx(0.1)
    assert found["within_200_ms"] == 0.5
    assert score.time_figures([])["median"] is None


def test_calibration_of_a_hand_made_table() -> None:
    pairs = [(0.95, True)] * 8 + [(0.95, False)] * 2 + [(0.55, True)] * 5 + [(0.55, False)] * 5
    found = score.calibration(pairs)
    assert found["expected_error"] == pytest.approx(0.5 * 0.15 + 0.5 * 0.05)
    brier = (8 * 0.05**2 + 2 * 0.95**2 + 5 * 0.45**2 + 5 * 0.55**2) / 20
    assert found["brier"] == pytest.approx(brier)
    assert [row["n"] for row in found["bins"]] == [10, 10]
    assert score.calibration([(1.0, True)])["expected_error"] == 0.0
    assert score.calibration([])["expected_error"] is None


def test_peer_and_callmart_are_held_against_the_same_calls() -> None:
    cases = [
        _case("human", "human", amd="HUMAN"),
        _case("human", "human", amd="MACHINE"),
        _case("human", "human", amd="NOTSURE"),  # handed to an agent: connected
        _case("voicemail", "human", amd="HANGUP"),  # connects nobody
        _case("voicemail", "voicemail", amd="HUMAN"),
        _case("busy", "human"),  # a dialler never asks AMD here
    ]
    found = score.peer_figures(cases)
    assert found["n"] == 5
    assert found["peer_accuracy"] == pytest.approx(3 / 5)
    assert found["peer_accuracy_decided"] == pytest.approx(1 / 3)
    assert found["peer_missed_rate"] == pytest.approx(1 / 3)
    assert found["peer_false_connection_rate"] == pytest.approx(1 / 2)
    assert found["callmart_accuracy"] == pytest.approx(4 / 5)
    assert found["peer_errors_by_callmart_errors"] == pytest.approx(2.0)


def test_tables_cut_by_tag_and_by_each_of_several_conditions() -> None:
    cases = [
        _case("human", "human", tags={"conditions": "hum echo"}),
        _case("human", "ivr", tags={"conditions": "hum"}),
        _case("busy", "busy", tags={}),
    ]
    table = score.by_tag(cases, "conditions")
    assert {name: row["n"] for name, row in table.items()} == {"hum": 2, "echo": 1, "none": 1}
    assert table["hum"]["connected_right"] == 0.5


def test_a_goal_without_a_figure_is_not_met() -> None:
    found = connection.figures([_case("busy", "busy", found_connected=False)])
    met = {goal["goal"]: goal["is_met"] for goal in found["goals"]}
    assert met["is_connected right ≥ 0.98"]
    assert not met["median error of the answer, s ≤ 0.2"]
    assert found["ratio"] is None


def test_a_set_is_heard_and_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLMART_TEST_DATA", raising=False)
    names = ["busy", "no_answer", "text_for_sound", "dead_air", "fax_answering", "header_alone"]
    make_calls(tmp_path, len(names), 4, [ToySpeech()], names)
    found = connection.run({"set": str(tmp_path), "jobs": "1", "errors": "1"})
    assert found["n"] == len(names)
    assert found["outcomes"]["n"] == len(names)
    assert found["connection"]["n"] == 4  # of the two that are no sound nothing is known
    assert found["outcomes"]["classes"]["unreadable"]["recall"] == 1.0
    wrong = {row["call_id"] for row in found["errors"]}
    assert len(wrong) >= len(names) - round(found["outcomes"]["accuracy"] * len(names))
    assert set(found["by"]["scenario"]) == set(names)


@pytest.mark.parametrize(
    "options",
    [
        {"part": "both"},
        {"n": "0"},
        {"n": "many"},
        {"set": "/nowhere"},
        {"speech": "/nowhere"},
        {"country": "CN"},
    ],
)
def test_faulty_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        connection.run(options)
