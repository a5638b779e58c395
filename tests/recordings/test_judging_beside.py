"""Voices judged by a model beside the one in force: facts of its own, found once, none replaced."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from test_recording_analysis import planned, talk

from callmart.recordings import analyze_batch, judge_batch, plan_batches, plan_judging
from callmart.settings import Settings
from callmart.warehouse import connect
from ml.emotion import load_model

pytestmark = pytest.mark.postgres

DAY = date(2026, 11, 18)


def test_another_model_judges_beside_the_one_in_force(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMART_EMOTION_FAMILIES", "pca")
    deliveries.settings = settings = Settings.from_environment()
    call = {"call_id": "talk", "direction": "outbound", "started_at": "2026-11-18T10:00:00+08:00"}
    deliveries.deliver("crm/calls/dt=2026-11-18/calls.jsonl", json.dumps(call).encode())
    talk(deliveries)
    analyze_batch(settings, planned(deliveries))
    other = load_model("gmm").version
    before = deliveries.query("select * from facts.emotions order by side")

    batches = plan_judging(settings, other, DAY, DAY)
    assert [batch["model"] for batch in batches] == [other]
    assert plan_judging(settings, other, date(2026, 11, 19), date(2026, 11, 20)) == []
    hashes = batches[0]["content_hashes"]

    # Both sides, by this model alone, and not again.
    assert judge_batch(settings, other, hashes) == len(before) == 2
    assert judge_batch(settings, other, hashes) == 0
    assert plan_judging(settings, other, DAY, DAY) == []
    kept = deliveries.query("select * from facts.emotions where family = 'pca' order by side")
    added = deliveries.query(
        "select side, family, model_version from facts.emotions where family <> 'pca' order by 1"
    )
    assert kept == before
    assert added == [("agent", "gmm", other), ("customer", "gmm", other)]
    assert deliveries.query("select count(*) from facts.recordings") == [(1,)]
    assert planned(deliveries) == []


def test_what_a_model_was_pinned_to_is_planned_with_the_rest(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMART_EMOTION_FAMILIES", "pca")
    deliveries.settings = settings = Settings.from_environment()
    call = {"call_id": "talk", "direction": "outbound", "started_at": "2026-11-18T10:00:00+08:00"}
    deliveries.deliver("crm/calls/dt=2026-11-18/calls.jsonl", json.dumps(call).encode())
    talk(deliveries)
    analyze_batch(settings, planned(deliveries))
    other = load_model("gmm").version
    with connect(settings) as connection:
        connection.execute(
            "insert into ops.version_pins (kind, version, from_date, to_date)"
            " values ('model', %s, %s, %s)",
            (other, DAY, DAY),
        )

    assert [batch.get("model") for batch in plan_batches(settings)] == [other]
    with pytest.raises(LookupError, match="at hand"):
        judge_batch(settings, "gmm-nobody", [])
