"""Emotion against a speaker's earlier calls, from facts to mart, whatever order they were delivered in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from callmart.settings import PROJECT_ROOT, Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import build

pytestmark = pytest.mark.postgres

LABELS = ("angry", "happy", "neutral", "sad")
PLANE = yaml.safe_load((PROJECT_ROOT / "ml/emotion/settings.yaml").read_text("utf-8"))["plane"]
POPULATION, BIAS = (0.5, 0.0, 0.25, -0.125), (0.125, 0.0, -0.25, 0.0)
TEMPERATURE, STRENGTH = 2.0, 4.0

# call → (start, customer, segments: (start, end, speech, relative scores))
CALLS: dict[str, tuple[str, str, list[tuple[float, float, float, tuple[float, ...]]]]] = {
    "first": ("2026-11-16", "C1", [(0, 4, 3, (2, 0, 1, -1)), (10, 14, 1, (1, 1, 0, 0))]),
    "second": ("2026-11-17", "C1", [
        (0, 4, 2, (1, 2, 0, 0)), (6, 10, 2, (0, 3, 1, -1)), (20, 24, 1, (2, 1, 1, 0)),
    ]),
    "other": ("2026-11-17", "C2", [(0, 4, 2, (9, 0, 0, 0))]),
    "third": ("2026-11-18", "C1", [(0, 4, 2, (3, 0, 0, 0))]),
}  # fmt: skip
FIGURES = (
    *(f"adjusted_probability_{label}" for label in LABELS),
    "adjusted_arousal", "adjusted_index", "adjusted_start_index", "adjusted_end_index",
    "adjusted_peak_index", "adjusted_trend_per_minute",
)  # fmt: skip


def expected(call: str, earlier: tuple[str, ...]) -> dict[str, float | None]:
    """The figures of a call after the baseline, by the formula of facts.emotion_baselines."""
    before = [scores for each in earlier for *_, scores in CALLS[each][2]]
    places, weights, shares, indices = [], [], [], []
    for start, end, speech, scores in CALLS[call][2]:
        raised = [
            math.exp(
                (
                    scores[i]
                    - (sum(row[i] for row in before) + STRENGTH * POPULATION[i])
                    / (len(before) + STRENGTH)
                    + BIAS[i]
                )
                / TEMPERATURE
            )
            for i in range(4)
        ]
        share = [value / sum(raised) for value in raised]
        places.append((start + end) / 2)
        weights.append(speech)
        shares.append(share)
        valence = sum(p * PLANE[label]["valence"] for p, label in zip(share, LABELS, strict=True))
        indices.append(50 * (1 + valence))
    whole = sum(weights)
    mean = [sum(w * s[i] for w, s in zip(weights, shares, strict=True)) / whole for i in range(4)]
    middle = sum(w * x for w, x in zip(weights, places, strict=True)) / whole
    spread = sum(w * (x - middle) ** 2 for w, x in zip(weights, places, strict=True))
    rise = sum(w * (x - middle) * y for w, x, y in zip(weights, places, indices, strict=True))
    arousal, valence = (
        sum(p * PLANE[label][name] for p, label in zip(mean, LABELS, strict=True))
        for name in ("arousal", "valence")
    )
    figures = [
        *mean, arousal, 50 * (1 + valence), indices[0], indices[-1],
        max(indices, key=lambda index: abs(index - 50)), 60 * rise / spread if spread else None,
    ]  # fmt: skip
    return dict(zip(FIGURES, figures, strict=True))


def deliver(settings: Settings, order: list[str]) -> None:
    """Calls and facts of their recordings, in this order."""
    with connect(settings) as conn:
        for number, call in enumerate(order):
            day, customer, segments = CALLS[call]
            row = conn.execute(
                "insert into ops.objects (bucket, object_key, etag, size_bytes, modified_at, kind,"
                " status) values ('b', %s, 'e', 1, now(), 'crm', 'loaded') returning object_id",
                (call,),
            ).fetchone()
            assert row is not None
            conn.execute(
                "insert into raw.calls (call_id, direction, customer_id, started_at, answered_at,"
                " disposition, _object_id, _row_number, _delivered_on, _object_key,"
                " _object_modified_at, _source) values (%s, 'outbound', %s, %s, %s, 'human', %s, 1,"
                " '2026-11-19', %s, now(), 's')",
                (call, customer, f"{day}T02:00:00Z", f"{day}T02:00:09Z", row[0], call),
            )
            conn.execute(
                "insert into facts.call_recordings (call_id, content_hash, object_key, delivered_on)"
                " values (%s, %s, %s, %s)",
                (call, call, call, f"2026-11-{19 + number}"),
            )
            conn.execute(
                "insert into facts.recordings (content_hash, analyser_version, outcome, is_answered,"
                " is_connected, confidence) values (%s, 'v', 'human', true, true, 0.9)",
                (call,),
            )
            conn.execute(
                "insert into facts.emotions values (%s, 'v', 'customer', 'pca', 'm', 'happy', 0.1,"
                " 0.7, 0.1, 0.1, 0.4, 0.5, 75, 70, 80, 80, 3, 4, %s, %s, %s, '{}', '{}', %s)",
                (
                    call,
                    [segment[0] for segment in segments],
                    [segment[1] for segment in segments],
                    [segment[2] for segment in segments],
                    [list(segment[3]) for segment in segments],
                ),
            )
        conn.execute(
            "insert into facts.emotion_baselines values ('m', %s, %s, %s, %s)",
            (list(POPULATION), list(BIAS), TEMPERATURE, STRENGTH),
        )


@pytest.fixture(scope="module", params=["in order", "shuffled"])
def judged(
    request: pytest.FixtureRequest,
    make_database: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Rows of marts.call_emotions by call."""
    from psycopg.rows import dict_row

    settings = replace(
        Settings.from_environment({}),
        home=tmp_path_factory.mktemp("hearing"),
        warehouse_dsn=make_database(),
    )
    deliver(settings, list(CALLS) if request.param == "in order" else list(CALLS)[::-1])
    build(settings, "seed")
    build(settings, "run", select="+call_emotions")
    with connect(settings) as conn, conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute("select * from marts.call_emotions").fetchall()
    return {row["call_id"]: row for row in rows}


@pytest.mark.parametrize(
    ("call", "earlier"), [("second", ("first",)), ("third", ("first", "second"))]
)
def test_own_earlier_calls_by_start_are_the_baseline(
    judged: dict[str, dict[str, Any]], call: str, earlier: tuple[str, ...]
) -> None:
    row, wanted = judged[call], expected(call, earlier)
    assert row["is_baseline_used"]
    assert row["baseline_calls"] == len(earlier)
    assert row["baseline_segments"] == sum(len(CALLS[each][2]) for each in earlier)
    for name, value in wanted.items():
        # A single segment has no slope of its own: what was heard stands.
        assert row[name] == pytest.approx(3 if value is None else value, abs=1e-5), name
    assert row["adjusted_label"] == max(
        LABELS, key=lambda label: row[f"adjusted_probability_{label}"]
    )


@pytest.mark.parametrize("call", ["first", "other"])
def test_without_earlier_calls_what_was_heard_stands(
    judged: dict[str, dict[str, Any]], call: str
) -> None:
    row = judged[call]
    assert (row["is_baseline_used"], row["baseline_calls"], row["adjusted_index"]) == (False, 0, 75)
    assert (row["adjusted_label"], row["adjusted_trend_per_minute"]) == ("happy", 3)


def test_the_plane_of_the_warehouse_is_that_of_the_analyser() -> None:
    lines = (PROJECT_ROOT / "dbt/seeds/emotion_plane.csv").read_text("utf-8").splitlines()[1:]
    seed = {
        label: {"arousal": float(arousal), "valence": float(valence)}
        for label, arousal, valence in (line.split(",") for line in lines)
    }
    assert seed == PLANE
