"""Hearing a batch: every facts table, exactly once, whatever else goes wrong."""

from __future__ import annotations

import io
import threading
import wave
from typing import Any

import numpy as np
import pytest
from small_sounds import sound

from callmart.recordings import analysis, analyze_batch, plan_batches
from callmart.settings import Settings
from callmart.warehouse import connect

pytestmark = pytest.mark.postgres

DAY = "recordings/dt=2026-11-18"
TABLES = tuple(analysis._TABLES)


def counts(deliveries: Any) -> dict[str, int]:
    return {
        table: deliveries.query(f"select count(*) from facts.{table}")[0][0] for table in TABLES
    }


def planned(deliveries: Any) -> list[str]:
    return [each for batch in plan_batches(deliveries.settings) for each in batch["content_hashes"]]


def talk(deliveries: Any) -> None:
    """Deliver a two-sided conversation of harmonic voices that is long enough to be judged."""
    rate, generator = 8000, np.random.default_rng(7)
    time = np.arange(rate * 24) / rate

    def voice(pitch: float, turns: list[tuple[int, int]]) -> Any:
        swing = 2 * np.pi * pitch * time + 2 * np.sin(2 * np.pi * 2.3 * time)
        harmonics = sum(np.sin(k * swing) / k for k in range(1, 16))
        loudness = np.clip(np.sin(2 * np.pi * 3.7 * time) + 0.3, 0, None)
        spoken = sum(((time >= a) & (time < b)).astype(float) for a, b in turns)
        return 4000 * harmonics * loudness * spoken + generator.normal(0, 8, time.size)

    agent = voice(210, [(0, 5), (11, 16)])
    customer = voice(120, [(6, 10), (17, 23)])
    frames = np.column_stack([agent, customer]).clip(-32000, 32000).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    deliveries.deliver(f"{DAY}/talk.wav", buffer.getvalue())


def test_a_batch_fills_every_table_and_a_second_call_adds_nothing(deliveries: Any) -> None:
    talk(deliveries)
    deliveries.deliver(f"{DAY}/tone.wav", sound(4))
    hashes = planned(deliveries)
    first = analyze_batch(deliveries.settings, hashes)
    assert (first.heard, first.unreadable, first.gone, first.already_there) == (2, 0, 0, 0)
    assert first.audio_seconds == pytest.approx(28, abs=0.2)
    written = counts(deliveries)
    assert written["recordings"] == 2
    assert all(written.values()), written
    assert deliveries.query(
        "select side from facts.speech_sides join facts.call_recordings using (content_hash)"
        " where call_id = 'talk' order by 1"
    ) == [("agent",), ("customer",)]

    # Every family's judgement of each side, a row; its segments as arrays of one length.
    emotions = deliveries.query(
        "select side, family, cardinality(segment_start_seconds) = array_length(segment_parameters, 1),"
        " array_length(segment_relative_scores, 2), model_version in"
        " (select model_version from facts.emotion_baselines) from facts.emotions order by 1, 2"
    )
    assert emotions == [
        (side, family, True, 4, True)
        for side in ("agent", "customer")
        for family in ("gmm", "neural", "pca")
    ]

    second = analyze_batch(deliveries.settings, hashes)
    assert (second.heard, second.already_there) == (0, 2)
    assert counts(deliveries) == written
    assert planned(deliveries) == []


def test_two_at_once_write_one_set_of_facts(deliveries: Any) -> None:
    for number in range(3):
        deliveries.deliver(f"{DAY}/c{number}.wav", sound(1, 400 + number))
    hashes = planned(deliveries)
    done: list[analysis.AnalysisSummary] = []
    threads = [
        threading.Thread(target=lambda: done.append(analyze_batch(deliveries.settings, hashes)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((each.heard, each.already_there) for each in done) == [(0, 3), (3, 0)]
    assert counts(deliveries)["recordings"] == 3


def test_what_cannot_be_read_is_quarantined_and_the_rest_is_heard(deliveries: Any) -> None:
    deliveries.deliver(f"{DAY}/bad.wav", b"RIFF this is not a recording at all")
    deliveries.deliver(f"{DAY}/good.wav", sound(1))
    summary = analyze_batch(deliveries.settings, planned(deliveries))
    assert (summary.heard, summary.unreadable) == (2, 1)
    [(outcome, reason)] = deliveries.query(
        "select outcome, reason from facts.recordings join facts.call_recordings using (content_hash)"
        " where call_id = 'bad'"
    )
    assert outcome == "unreadable"
    assert reason
    assert deliveries.query(
        "select object_key, scope, rule, reason, status from ops.quarantine"
    ) == [(f"{DAY}/bad.wav", "file", "audio", reason, "open")]
    assert deliveries.query(
        "select status from ops.objects where object_key = %s", f"{DAY}/bad.wav"
    ) == [("quarantined",)]


@pytest.mark.parametrize("fate", ["vanished", "overwritten"])
def test_what_is_gone_from_the_bucket_leaves_no_facts_and_stops_nothing(
    deliveries: Any, fate: str
) -> None:
    deliveries.deliver(f"{DAY}/gone.wav", sound(1, 400))
    deliveries.deliver(f"{DAY}/here.wav", sound(1, 500))
    hashes = planned(deliveries)
    if fate == "vanished":
        deliveries.client.delete_object(Bucket=deliveries.settings.bucket, Key=f"{DAY}/gone.wav")
    else:
        deliveries.put(f"{DAY}/gone.wav", sound(1, 700))
    summary = analyze_batch(deliveries.settings, hashes)
    assert (summary.heard, summary.gone, summary.unreadable) == (1, 1, 0)
    assert deliveries.query(
        "select call_id from facts.recordings join facts.call_recordings using (content_hash)"
    ) == [("here",)]
    assert deliveries.query("select object_key, rule from ops.quarantine") == [
        (f"{DAY}/gone.wav", fate)
    ]
    assert planned(deliveries) == [], "what is gone is not looked for again in every round"

    deliveries.deliver(f"{DAY}/gone.wav", sound(1, 700))
    if fate == "overwritten":
        assert len(planned(deliveries)) == 1


def test_a_death_in_mid_transaction_leaves_nothing(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries.deliver(f"{DAY}/bad.wav", b"not a recording")
    deliveries.deliver(f"{DAY}/good.wav", sound(1))
    hashes = planned(deliveries)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(analysis, "quarantine_file", die)
        with pytest.raises(KeyboardInterrupt):
            analyze_batch(deliveries.settings, hashes)
    assert not any(counts(deliveries).values())
    assert analyze_batch(deliveries.settings, hashes).heard == 2


def test_the_source_says_which_channel_is_the_agent(
    deliveries: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(deliveries)
    analyze_batch(deliveries.settings, planned(deliveries))
    query = "select side, round(first_speech_seconds) from facts.speech_sides order by 1"
    usual = deliveries.query(query)
    (tmp_path / "contract.yaml").write_text("source: contract\nagent_channel: 1\n")
    monkeypatch.setenv("CALLMART_SOURCES_DIR", str(tmp_path))
    with connect(deliveries.settings) as connection:
        for table in TABLES:
            connection.execute(f"delete from facts.{table}".encode())
    analyze_batch(Settings.from_environment(), planned(deliveries))
    swapped = deliveries.query(query)
    assert [row[1] for row in swapped] == [row[1] for row in reversed(usual)]
    assert swapped != usual
