"""Recordings of the warehouse without a transcript are recognised, once, and searched like others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models as tiny
from dag_runs import run_dag
from small_sounds import sound

from callmart.recordings import (
    analyze_batch,
    match_phrases,
    plan_batches,
    plan_recognition,
    recognise_batch,
    recognition,
)
from callmart.warehouse import connect
from ml.transcripts.recognisers import RecogniserError

pytestmark = pytest.mark.postgres

TEXTS = """
select call_id, transcript_source, role, text
from facts.transcripts join facts.transcript_segments using (object_id)
order by call_id, segment_index
"""


def wav(*channels: Any) -> bytes:
    import io
    import wave

    longest = max(len(channel) for channel in channels)
    frames = np.column_stack([np.pad(c, (0, longest - len(c))) for c in channels])
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(tiny.RATE)
        file.writeframes(np.round(frames * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "speech"
    tiny.make_sense_voice(folder / "sense")
    return folder


@pytest.fixture
def speech(deliveries: Any, models: Path) -> Any:
    deliveries.settings = replace(deliveries.settings, speech_models=models)
    return deliveries


def deliver(
    deliveries: Any, call_id: str, body: bytes, side: str = "", day: str = "2026-11-18"
) -> None:
    deliveries.deliver(f"recordings/dt={day}/{call_id}{side}.wav", body)


def hear(deliveries: Any, turns: dict[str, list[tuple[str, float, float]]], **facts: Any) -> None:
    """Facts of hearing as if people had spoken in the turns: tones are no voices."""
    for batch in plan_batches(deliveries.settings):
        analyze_batch(deliveries.settings, batch["content_hashes"])
    with connect(deliveries.settings) as connection:
        for call_id, spoken in turns.items():
            links = connection.execute(
                "select content_hash, analyser_version from facts.call_recordings"
                " join facts.recordings using (content_hash) where call_id = %s",
                (call_id,),
            ).fetchall()
            for content_hash, version in links:
                key = (content_hash, version)
                connection.execute(
                    "update facts.recordings set outcome = 'human', is_answered = %s,"
                    " is_connected = true where content_hash = %s and analyser_version = %s",
                    (facts.get("is_answered", True), *key),
                )
                for table in ("speech_turns", "speech_sides"):
                    connection.execute(
                        f"delete from facts.{table} where content_hash = %s"
                        " and analyser_version = %s".encode(),
                        key,
                    )
                for number, (side, start, end) in enumerate(spoken):
                    connection.execute(
                        "insert into facts.speech_turns values (%s, %s, %s, %s, %s, %s)",
                        (*key, number, side, start, end),
                    )
                    connection.execute(
                        "insert into facts.speech_sides (content_hash, analyser_version, side,"
                        " talk_seconds) values (%s, %s, %s, %s)"
                        " on conflict (content_hash, analyser_version, side) do update"
                        " set talk_seconds = speech_sides.talk_seconds + excluded.talk_seconds",
                        (*key, side, end - start),
                    )


def planned(deliveries: Any) -> list[str]:
    return [
        each for batch in plan_recognition(deliveries.settings) for each in batch["content_hashes"]
    ]


def recognise(deliveries: Any) -> Any:
    return recognise_batch(deliveries.settings, planned(deliveries))


CALL = wav(tiny.speak(0, 1), np.concatenate([tiny.silence(2.0), tiny.speak(2)]))
TURNS = [("agent", 0.3, 1.4), ("customer", 2.3, 2.7)]


def test_a_call_without_a_transcript_gets_one_and_it_is_searched(speech: Any) -> None:
    deliver(speech, "c1", CALL)
    hear(speech, {"c1": TURNS})
    speech.rule("promise", any=["保证"], role="customer")

    first = recognise(speech)

    assert (first.recognised, first.understood, first.already_there) == (1, 1, 0)
    assert first.audio_seconds == pytest.approx(3.0, abs=0.1)
    assert speech.query(TEXTS) == [
        ("c1", "recognised", "agent", "您好"),
        ("c1", "recognised", "customer", "保证"),
    ]
    [row] = speech.query(
        "select engine, language, language_found, segments, problems, speech_seconds,"
        " processing_seconds > 0, cpu_seconds >= 0,"
        " abs(realtime_factor - duration_seconds / processing_seconds) < 0.01"
        " from facts.recognitions"
    )
    assert row[0].startswith("sherpa-onnx ")
    assert row[1:5] == ("zh", "heard", 2, [])
    assert row[5] == pytest.approx(1.1 + 0.4 + 4 * 0.15, abs=0.01)
    assert row[6:] == (True, True, True)
    # Words keep their times, of the recording and not of the piece.
    [words] = speech.query("select words from facts.recognised_segments where role = 'customer'")
    [word] = words[0]
    assert word["text"] == "保证"
    assert word["start_ms"] == pytest.approx(2300, abs=90)

    match_phrases(speech.settings)
    assert speech.query(
        "select hits.rule_id, hits.role, hits.text from facts.phrase_hits as hits"
        " join facts.transcripts on content_sha256 = transcript_sha256"
        " where call_id = 'c1' and hits.kind = 'prohibited' and hits.rule_id = 'promise'"
    ) == [("promise", "customer", "保证")]
    assert match_phrases(speech.settings).transcripts == 0


def test_the_dag_recognises_and_searches(
    speech: Any, models: Path, airflow_home: dict[str, str]
) -> None:
    deliver(speech, "c1", CALL)
    hear(speech, {"c1": TURNS})
    speech.rule("promise", any=["保证"], role="customer")

    run_dag(
        "transcribe_recordings",
        airflow_home,
        variables={
            "CALLMART_SPEECH_MODELS": str(models),
            "CALLMART_BUCKET": speech.settings.bucket,
            "CALLMART_S3_ENDPOINT_URL": speech.settings.s3_endpoint_url,
        },
    )

    assert [row[3] for row in speech.query(TEXTS)] == ["您好", "保证"]
    assert speech.query("select role, text from facts.phrase_hits where rule_id = 'promise'") == [
        ("customer", "保证")
    ]
    assert speech.query(
        "select task_id, outcome from ops.step_runs where dag_id = 'transcribe_recordings'"
        " order by task_id"
    ) == [
        ("announce_facts", "succeeded"),
        ("match_phrases", "succeeded"),
        ("plan_recognition", "succeeded"),
        ("recognise_batch", "succeeded"),
    ]


def test_a_second_run_recognises_nothing_again(speech: Any) -> None:
    deliver(speech, "c1", CALL)
    hear(speech, {"c1": TURNS})
    hashes = planned(speech)
    recognise_batch(speech.settings, hashes)
    before = speech.query("select * from facts.recognitions")

    assert planned(speech) == []
    again = recognise_batch(speech.settings, hashes)

    assert (again.recognised, again.already_there) == (0, 1)
    assert speech.query("select * from facts.recognitions") == before
    assert speech.query("select count(*) from facts.recognised_segments") == [(2,)]


def test_two_tasks_at_once_write_one_recognition(
    speech: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked before either wrote."""
    deliver(speech, "c1", CALL)
    hear(speech, {"c1": TURNS})
    hashes = planned(speech)
    recognise_batch(speech.settings, hashes)
    monkeypatch.setattr(recognition, "_is_there", lambda *_: False)
    late = recognise_batch(speech.settings, hashes)
    assert (late.recognised, late.understood, late.already_there) == (0, 0, 1)
    assert speech.query("select count(*) from facts.recognised_segments") == [(2,)]


def test_a_delivered_transcript_wins_whenever_it_comes(speech: Any) -> None:
    for call_id in ("before", "after"):
        deliver(speech, call_id, CALL + call_id.encode())
    speech.say("before", [("agent", "delivered before")])
    hear(speech, {"before": TURNS, "after": TURNS})
    assert len(planned(speech)) == 1
    recognise(speech)
    assert [row[:2] for row in speech.query(TEXTS)] == [
        ("after", "recognised"),
        ("after", "recognised"),
        ("before", "delivered"),
    ]

    speech.say("after", [("agent", "delivered after")])

    assert speech.query(TEXTS) == [
        ("after", "delivered", "agent", "delivered after"),
        ("before", "delivered", "agent", "delivered before"),
    ]
    assert planned(speech) == []


def test_calls_that_nobody_answered_are_not_recognised(speech: Any) -> None:
    deliver(speech, "c1", CALL)
    hear(speech, {"c1": TURNS}, is_answered=False)
    assert planned(speech) == []


def test_silence_costs_nothing(speech: Any) -> None:
    deliver(speech, "tone", sound(3))
    hear(speech, {"tone": []})
    assert planned(speech) == []


def test_without_models_nothing_is_planned(
    speech: Any, deliveries: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(speech, "c1", CALL)
    hear(speech, {"c1": TURNS})
    assert plan_recognition(replace(speech.settings, speech_models=None)) == []
    empty = tmp_path / "empty"
    empty.mkdir()
    assert plan_recognition(replace(speech.settings, speech_models=empty)) == []
    with pytest.raises(RecogniserError, match="callmart doctor"):
        recognise_batch(replace(speech.settings, speech_models=None), ["a"])
    with pytest.raises(RecogniserError, match="is not a folder"):
        plan_recognition(replace(speech.settings, speech_models=tmp_path / "none"))
    # A model whose engine is not installed is as good as none.
    monkeypatch.setattr("ml.transcripts.recognisers.missing_package", lambda model: "not installed")
    assert plan_recognition(speech.settings) == []
    assert speech.query(TEXTS) == []


def test_new_models_recognise_again_and_the_newest_text_counts(speech: Any, models: Path) -> None:
    deliver(speech, "c1", CALL)
    hear(speech, {"c1": TURNS})
    recognise(speech)
    tiny.make_sense_voice(models / "sense", words=("您", "好", "报证", "收益"))
    assert len(planned(speech)) == 1

    recognise(speech)

    assert [row[3] for row in speech.query(TEXTS)] == ["您好", "报证"]
    assert speech.query("select count(*) from facts.recognitions") == [(2,)]
    assert planned(speech) == []


def test_what_is_not_understood_is_no_transcript_and_not_tried_again(speech: Any) -> None:
    deliver(speech, "c1", wav(tiny.silence(3.0)))
    hear(speech, {"c1": [("mixed", 1.0, 2.0)]})
    summary = recognise(speech)
    assert (summary.recognised, summary.understood) == (1, 0)
    assert speech.query("select segments, problems from facts.recognitions") == [
        (0, ["1 of 1 pieces not understood", "the language could not be found out"])
    ]
    assert speech.query("select * from facts.transcripts") == []
    assert planned(speech) == []


def test_two_files_and_turned_channels(speech: Any) -> None:
    deliver(speech, "two", wav(tiny.speak(0)), ".agent")
    deliver(speech, "two", wav(tiny.speak(1)), ".customer")
    hear(speech, {"two": [("agent", 0.3, 0.7), ("customer", 0.3, 0.7)]})
    recognise(speech)
    assert sorted(row[2:] for row in speech.query(TEXTS)) == [("agent", "您"), ("customer", "好")]


def test_two_calls_with_one_recording_share_the_work(speech: Any) -> None:
    deliver(speech, "a", CALL)
    deliver(speech, "b", CALL)
    speech.rule("promise", any=["保证"])
    hear(speech, {"a": TURNS})
    summary = recognise(speech)
    assert summary.recognised == 1
    assert [row[0] for row in speech.query(TEXTS)] == ["a", "a", "b", "b"]
    match_phrases(speech.settings)
    assert speech.query("select count(*) from facts.phrase_hits where rule_id = 'promise'") == [
        (1,)
    ]


def test_what_is_gone_from_the_bucket_stops_nothing(speech: Any) -> None:
    deliver(speech, "gone", CALL + b"gone")
    deliver(speech, "here", CALL)
    hear(speech, {"gone": TURNS, "here": TURNS})
    speech.client.delete_object(
        Bucket=speech.settings.bucket, Key="recordings/dt=2026-11-18/gone.wav"
    )
    summary = recognise(speech)
    assert (summary.recognised, summary.gone) == (1, 1)
    assert {row[0] for row in speech.query(TEXTS)} == {"here"}
    assert speech.query("select object_key, rule, status from ops.quarantine") == [
        ("recordings/dt=2026-11-18/gone.wav", "vanished", "open")
    ]
    assert planned(speech) == []


def test_parcels_are_cut_by_the_length_of_speech(
    speech: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {**recognition.batching(), "speech_seconds_per_batch": 3.5}
    monkeypatch.setattr(recognition, "batching", lambda: numbers)
    for number in range(3):
        deliver(speech, f"c{number}", CALL + str(number).encode())
    hear(speech, {f"c{number}": TURNS for number in range(3)})
    batches = plan_recognition(speech.settings)
    # 1.5 s are spoken in each.
    assert [len(batch["content_hashes"]) for batch in batches] == [2, 1]
    assert batches[0]["label"] == "1: 2 recordings, 0 min of speech"
    assert json.dumps(batches)
