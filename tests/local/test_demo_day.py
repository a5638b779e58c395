"""The demo day: the same bytes from the same seed, and a truth that its sounds bear out."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import json
import re
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callmart.local import demo_day
from callmart.local.demo_dialogue import Dice, hear_machine, load, make_speaker
from callmart.local.demo_simulation import Simulation
from callmart.local.demo_sounds import (
    CODECS,
    MONO_ONLY,
    SAMPLING_RATE,
    Part,
    RecordingPlan,
    cadence,
    encode,
    mix,
    music,
    tone,
)
from callmart.local.speech import SpeechError, Voice, synthesiser
from ml.audio.decode import decode

ENTITIES = {
    "customers", "demands", "campaigns", "lines", "agents", "agent_states", "agent_schedules", "calls",
    "call_routes", "sales_rules", "phrase_rules", "complaints", "number_marks",
}  # fmt: skip


def tree_hash(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> demo_day.DemoDay:
    return demo_day.generate(tmp_path_factory.mktemp("demo") / "day", days=2, scale=0.2)


@pytest.fixture(scope="module")
def truth(small: demo_day.DemoDay) -> list[dict[str, str]]:
    with (small.root / "truth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def centre() -> Any:
    """The whole centre without its sound on disk, for what only large numbers show."""
    return Simulation(Dice(demo_day.DEFAULT_SEED), 3, 1.0).run()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Any extract of the demo, for the test alone: formats are told by name and first bytes."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return [dict(row) for row in pq.read_table(path).to_pylist()]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16")
    elif data.startswith(b"\xef\xbb\xbf"):
        text = data.decode("utf-8-sig")
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("gb18030")
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.splitlines()]
    delimiter = max(",;\t", key=text.splitlines()[0].count)
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def spectrum_peak(signal: np.ndarray[Any, Any]) -> float:
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return float(np.argmax(spectrum) * SAMPLING_RATE / len(signal))


# --- the same again -------------------------------------------------------------------------------


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    small: demo_day.DemoDay, tmp_path: Path
) -> None:
    again = demo_day.generate(tmp_path / "again", days=2, scale=0.2)
    assert tree_hash(again.root) == tree_hash(small.root)
    other = demo_day.generate(tmp_path / "other", seed=7, days=1, scale=0.15)
    assert (other.root / "truth.csv").read_bytes() != (small.root / "truth.csv").read_bytes()


def test_a_former_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "day"
    target.mkdir()
    (target / "left_over.txt").write_text("old")
    demo_day.generate(target, days=1, scale=0.15)
    assert not (target / "left_over.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["day"]


@pytest.mark.parametrize(("days", "scale"), [(0, 1.0), (4, 1.0), (1, 0.0), (1, 3.0)])
def test_sizes_out_of_range_are_refused(tmp_path: Path, days: int, scale: float) -> None:
    with pytest.raises(ValueError, match="days must be 1 to 3"):
        demo_day.generate(tmp_path / "day", days=days, scale=scale)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_seed_has_its_broken_recordings(tmp_path: Path, seed: int) -> None:
    made = demo_day.generate(tmp_path / "day", seed=seed, days=1, scale=0.15)
    with (made.root / "truth.csv").open(encoding="utf-8", newline="") as file:
        kinds = Counter(row["kind"] for row in csv.DictReader(file))
    assert kinds["broken"] == 2
    assert kinds["cut"] >= 1


def test_reading_back_gives_what_was_made(small: demo_day.DemoDay) -> None:
    assert demo_day.read(small.root) == small


def test_progress_counts_up_to_the_whole(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    demo_day.generate(
        tmp_path / "day", progress=lambda *step: told.append(step), days=1, scale=0.15
    )
    assert ("calls", 1, 1) in told
    recordings = [(done, of) for step, done, of in told if step == "recordings"]
    assert [done for done, _ in recordings] == list(range(1, recordings[0][1] + 1))


# --- the landing zone -----------------------------------------------------------------------------


def test_every_path_fits_the_contract(small: demo_day.DemoDay) -> None:
    patterns = (
        r"recordings/dt=\d{4}-\d\d-\d\d/.+\.(wav|mp3|ogg|opus|flac|m4a|gsm|ulaw|alaw)",
        r"transcripts/dt=\d{4}-\d\d-\d\d/.+\.(json|srt|vtt)",
        r"crm/(\w+)/dt=\d{4}-\d\d-\d\d/.+\.(csv|csv\.gz|jsonl|jsonl\.gz|parquet)",
        r"(truth|dispositions)\.csv|demo\.yaml",
    )
    entities = set()
    for path in tree_hash(small.root):
        matched = [re.fullmatch(pattern, path) for pattern in patterns]
        assert any(matched), path
        if matched[2]:
            entities.add(matched[2][1])
    assert entities == ENTITIES


def test_truth_covers_every_recording_and_names_files_that_exist(
    small: demo_day.DemoDay, truth: list[dict[str, str]]
) -> None:
    named = {file for row in truth for file in row["file"].split()}
    delivered_again = set(small.duplicate_files)
    present = {
        str(path.relative_to(small.root))
        for path in (small.root / "recordings").rglob("*")
        if path.is_file()
    }
    assert present - delivered_again == named
    assert len({row["call_id"] for row in truth}) == len(truth) == small.recordings


def test_truth_words_are_those_of_the_contract(truth: list[dict[str, str]]) -> None:
    answered = {"human", "voicemail", "ivr", "fax", "music", "silence"}
    for row in truth:
        if row["outcome"] == "unreadable":
            assert row["kind"] == "broken"
            continue
        assert row["is_connected"] == ("true" if row["outcome"] == "human" else "false")
        assert row["is_answered"] == ("true" if row["outcome"] in answered else "false")


def good_calls(small: demo_day.DemoDay) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted((small.root / "crm" / "calls").rglob("*"))
        if path.is_file() and "(1)" not in path.name
        for row in read_rows(path)
        if row["call_id"] and not row["call_id"].startswith("C-BAD")
    ]


def moment(value: Any) -> datetime:
    from zoneinfo import ZoneInfo

    parsed = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo("Asia/Shanghai"))


def test_row_counts_are_those_declared(small: demo_day.DemoDay) -> None:
    assert len({row["call_id"] for row in good_calls(small)}) == small.calls
    assert small.rows_current["calls"] == small.calls
    states = {
        (row["agent_id"], row["state"], moment(row["started_at"]))
        for path in (small.root / "crm" / "agent_states").rglob("*.*")
        for row in read_rows(path)
    }
    assert len(states) == small.rows_current["agent_states"]
    assert small.rows_current["agents"] == 12


def test_defects_are_there(small: demo_day.DemoDay) -> None:
    duplicate = small.root / small.duplicate_files[-1]
    assert duplicate.read_bytes() == Path(str(duplicate).replace(" (1)", "")).read_bytes()
    [branch] = small.quarantined_files
    assert not {"customer_id", "phone"} & set(read_rows(small.root / branch)[0])
    [evening] = (small.root / "crm" / "calls").rglob("calls_pm.csv")
    rows = read_rows(evening)
    bad = [row for row in rows if not row["call_id"] or row["call_id"].startswith("C-BAD")]
    assert len(bad) == small.quarantined_rows == 3
    assert "vendor_trunk_group" in rows[0]
    with pytest.raises(UnicodeDecodeError):
        next((small.root / "crm" / "customers").rglob("customers_cn.csv")).read_bytes().decode()
    recorded = {str(row["recording_key"]) for row in good_calls(small) if row["recording_key"]}
    never_came = [key for key in recorded if not (small.root / key).exists()]
    assert len(never_came) == 2


def test_a_recording_lasts_from_its_start_to_the_end_of_its_call(
    small: demo_day.DemoDay, truth: list[dict[str, str]]
) -> None:
    ends = {row["call_id"]: moment(row["ended_at"]) for row in good_calls(small)}
    checked = 0
    for row in truth:
        if row["recording_starts_at"] and row["kind"] == "made":
            lasts = ends[row["call_id"]] - moment(row["recording_starts_at"])
            assert lasts.total_seconds() == float(row["duration_seconds"]), row["call_id"]
            checked += 1
    assert checked > 20


# --- agents and calls agree -----------------------------------------------------------------------


def test_agent_states_agree_with_calls_to_the_second(centre: Any) -> None:
    talked: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for state in centre.states:
        if state["call"] is not None:
            seconds = state["ended_at"] - state["started_at"]
            talked[state["call"].call_id][state["state"]] += seconds
    for call in centre.calls:
        row, states = call.row, talked[call.call_id]
        if call.agent_id is None:
            assert not states, call.call_id
        elif row["agent_joined_at"] is not None:
            talk = row["ended_at"] - row["agent_joined_at"] - (row["hold_seconds"] or 0)
            assert states["talking"] == talk, call.call_id
            assert states["holding"] == row["hold_seconds"]
            assert states["wrap_up"] == row["wrap_up_seconds"]


def test_an_agents_states_leave_no_gap_and_do_not_overlap(centre: Any) -> None:
    for agent_id in {state["agent_id"] for state in centre.states}:
        mine = [state for state in centre.states if state["agent_id"] == agent_id]
        for state, following in itertools.pairwise(mine):
            assert state["ended_at"] == following["started_at"]
        assert [state["state"] for state in mine if state["ended_at"] is None] == ["offline"]


def test_call_times_are_in_order(centre: Any) -> None:
    for call in centre.calls:
        row = call.row
        names = ("started_at", "ringing_at", "answered_at", "agent_joined_at", "ended_at")
        times = [row[name] for name in names if row[name] is not None]
        assert times == sorted(times), call.call_id
        if call.recording_starts is not None:
            assert call.recording_starts + call.scene.seconds == row["ended_at"]


def test_the_centre_is_of_the_size_and_shape_it_claims(centre: Any) -> None:
    outbound = [call for call in centre.calls if call.row["direction"] == "outbound"]
    assert 800 <= len(centre.calls) <= 1000
    assert 0.05 <= 1 - len(outbound) / len(centre.calls) <= 0.15
    answered = sum(call.row["answered_at"] is not None for call in outbound) / len(outbound)
    connected = sum(call.outcome == "human" for call in outbound) / len(outbound)
    assert 0.5 <= answered <= 0.68
    assert 0.3 <= connected <= 0.45
    assert 220 <= sum(call.scene is not None for call in centre.calls) <= 290
    assert {call.row["line_id"] for call in centre.calls} == {"L-CN1", "L-CN2", "L-INT1", "L-IN1"}
    assert 140 <= len(centre.customers) <= 160
    moods = Counter(call.scene.customer_mood for call in centre.calls if call.scene)
    assert min(moods[mood] for mood in ("neutral", "happy", "angry", "sad")) >= 9
    said = {rule for call in centre.calls if call.scene for rule in call.scene.said_rules}
    assert {"promised_returns", "absolute_terms", "pressure", "asks_to_stop"} <= said


def test_nobody_is_dialled_into_lunch(centre: Any) -> None:
    meals = [s for s in centre.states if s["state"] == "meal"]
    assert meals
    for meal in meals:
        for call in centre.calls:
            if call.agent_id == meal["agent_id"] and call.row["agent_joined_at"]:
                joined = call.row["agent_joined_at"]
                assert not meal["started_at"] <= joined < meal["ended_at"]


# --- what is heard --------------------------------------------------------------------------------


def test_recordings_decode_to_the_length_and_sides_of_the_truth(
    small: demo_day.DemoDay, truth: list[dict[str, str]]
) -> None:
    checked: set[str] = set()
    for row in truth:
        if row["kind"] != "made" or row["codec"] in checked:
            continue
        checked.add(row["codec"])
        for name in row["file"].split():
            signal, rate = decode_file(small.root / name)
            assert signal.shape[1] / rate == pytest.approx(float(row["duration_seconds"]), abs=0.2)
            assert signal.shape[0] == (2 if row["channels"] == "2" else 1)
    assert len(checked) >= 5


def decode_file(path: Path) -> tuple[np.ndarray[Any, Any], int]:
    audio = decode(path)
    return audio.signal, audio.sampling_rate


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_gives_the_same_bytes_and_keeps_the_sound(codec: str) -> None:
    import av

    signal = np.stack([tone([440.0], 2.0), tone([1000.0], 2.0)]) * np.float32(0.3)
    if codec in MONO_ONLY:
        signal = signal[:1]
    content = encode(signal, codec)
    assert content == encode(signal, codec)
    form = {"raw_mulaw": "mulaw", "raw_alaw": "alaw", "gsm": "gsm"}.get(codec)
    options = {"ar": "8000"} if form in ("mulaw", "alaw") else {}
    with av.open(io.BytesIO(content), format=form, options=options) as source:
        resampler = av.AudioResampler(format="fltp", rate=SAMPLING_RATE)
        frames = [
            piece.to_ndarray()
            for frame in source.decode(audio=0)
            for piece in resampler.resample(frame)
        ]
    heard = np.concatenate(frames, axis=1)
    assert heard.shape[0] == len(signal)
    for channel, hz in zip(heard, (440.0, 1000.0), strict=False):
        middle = channel[4000:12000]
        assert spectrum_peak(middle) == pytest.approx(hz, abs=3)
        assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.2)


@pytest.mark.parametrize("kind", ["ring", "busy", "congestion", "vacant"])
def test_tones_have_the_frequencies_and_cadences_of_the_table(kind: str) -> None:
    for country, entry in load("tones")[kind].items():
        period = sum(entry["ms"]) / 1000
        signal = cadence(entry["hz"], entry["ms"], 2 * period)
        on = entry["ms"][0] * SAMPLING_RATE // 1000
        spectrum = np.abs(np.fft.rfft(signal[:on] * np.hanning(on)))
        bins = np.fft.rfftfreq(on, 1 / SAMPLING_RATE)
        loud = bins[spectrum > 0.4 * spectrum.max()]
        for hz in entry["hz"]:
            assert np.min(np.abs(loud - hz)) < 12, (kind, country)
        sounding = np.abs(signal[: round(period * SAMPLING_RATE)]) > 0
        expected = sum(entry["ms"][0::2]) / sum(entry["ms"])
        assert float(np.mean(sounding)) == pytest.approx(expected, abs=0.03), (kind, country)


def test_moods_are_in_the_sound() -> None:
    dice = Dice(3)
    speaker = make_speaker(dice, "zh", "female")
    moods = load("scripts")["moods"]
    text = "我在家等了整整一个下午。"
    spoken = {
        mood: synthesiser().say(
            text,
            Voice(
                speaker.voice,
                round(speaker.rate * change["rate"]),
                speaker.pitch + change["pitch"],
                speaker.pitch_range + change["range"],
            ),
        )
        for mood, change in moods.items()
    }
    assert spoken["angry"].seconds < spoken["neutral"].seconds < spoken["sad"].seconds
    assert moods["angry"]["decibels"] > moods["neutral"]["decibels"] > moods["sad"]["decibels"]

    def pitch(signal: np.ndarray[Any, Any]) -> float:
        """Median pitch of voiced frames by autocorrelation, Hz."""
        found = []
        for start in range(0, len(signal) - 400, 200):
            frame = signal[start : start + 400]
            if np.sqrt(np.mean(frame**2)) < 0.05:
                continue
            correlation = np.correlate(frame, frame, "full")[399:]
            lag = 20 + int(np.argmax(correlation[20:110]))
            if correlation[lag] > 0.5 * correlation[0]:
                found.append(SAMPLING_RATE / lag)
        return float(np.median(found))

    assert pitch(spoken["angry"].signal) > pitch(spoken["neutral"].signal)
    assert pitch(spoken["neutral"].signal) > pitch(spoken["sad"].signal)


def test_each_side_is_heard_from_where_the_truth_says(centre: Any) -> None:
    talks = [
        call
        for call in centre.calls
        if call.scene and call.scene.result not in (None, "drop") and not call.ring_in_file
    ]
    assert len(talks) >= 10
    for call in talks[:10]:
        scene = call.scene
        plan = RecordingPlan(
            (Path("unused.wav"),), "pcm16", False, scene.seconds, scene.parts, noise_seed=1
        )
        for channel, role in zip(mix(plan), ("agent", "customer"), strict=True):
            frames = channel[: len(channel) // 160 * 160].reshape(-1, 160)
            energy = np.sqrt(np.mean(frames**2, axis=1))
            first = float(np.argmax(energy > 10 ** (-42 / 20)) * 0.02)
            assert first == pytest.approx(scene.first(role), abs=0.25), (call.call_id, role)


def test_a_voicemail_ends_with_its_beep() -> None:
    machine = next(m for m in load("scripts")["machines"] if m.get("beep"))
    scene = hear_machine(Dice(1), machine)
    beep = scene.parts[-1]
    assert beep.start_seconds > scene.spoken[-1].end
    assert spectrum_peak(beep.signal) == pytest.approx(load("tones")["beep"]["hz"], abs=5)


def test_mixing_puts_each_side_on_its_channel() -> None:
    parts = (
        Part(0, 0.5, tone([500.0], 1.0), 0.2),
        Part(1, 2.0, tone([1500.0], 1.0), 0.2),
    )
    plan = RecordingPlan((Path("unused.wav"),), "pcm16", False, 4.0, parts, noise_seed=1)
    mixed = mix(plan)
    assert mixed.shape == (2, 4 * SAMPLING_RATE)
    assert spectrum_peak(mixed[0, 4800:11200]) == pytest.approx(500, abs=3)
    assert spectrum_peak(mixed[1, 16800:23200]) == pytest.approx(1500, abs=3)
    assert np.abs(mixed[1, 4800:11200]).max() < 0.01


def test_music_is_not_a_steady_tone() -> None:
    signal = music(6.0, 2)
    peaks = {round(spectrum_peak(signal[at : at + 4000])) for at in range(0, 40000, 4000)}
    assert len(peaks) >= 4
    assert np.abs(signal).max() <= 1.0


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(SpeechError, match="no voice 'xx-nobody'"):
        synthesiser().say("hello", Voice("xx-nobody", 170, 50, 50))


# --- transcripts ----------------------------------------------------------------------------------


def test_transcripts_say_what_the_truth_says(
    small: demo_day.DemoDay, truth: list[dict[str, str]]
) -> None:
    from ml.transcripts import read_transcript

    by_call = {row["call_id"]: row for row in truth}
    paths = [path for path in (small.root / "transcripts").rglob("*") if path.is_file()]
    assert len(paths) == small.transcripts > 10
    assert {row["call_id"] for row in truth if row["has_transcript"] == "true"} == {
        re.sub(r"\.(json|srt|vtt)$", "", path.name) for path in paths
    }
    for path in paths:
        row = by_call[re.sub(r"\.(json|srt|vtt)$", "", path.name)]
        transcript = read_transcript(path.read_bytes(), path.name)
        first = min(
            segment.start_ms for segment in transcript.segments if segment.start_ms is not None
        )
        assert first / 1000 == pytest.approx(float(row["first_speech_seconds"]), abs=0.01), path
        roles = {segment.role for segment in transcript.segments}
        assert roles <= {"agent", "customer"}, path
        if row["outcome"] == "human" and row["result"] != "drop":
            assert roles == {"agent", "customer"}, path
