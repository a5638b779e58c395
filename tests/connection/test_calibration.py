"""The shipped calibration, and the arithmetic that makes one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ml.connection.calibration import (
    Judged,
    Voices,
    confidence_of,
    expected_calibration_error,
    fit_confidence,
    fit_voices,
    folds_of,
    odds_of,
)
from ml.connection.decision import RULES
from ml.connection.rules import CALIBRATION_PATH, load_rules
from ml.connection.voices import person_probability


def test_the_shipped_model_is_whole() -> None:
    model = load_rules(CALIBRATION_PATH)["voices"]
    assert set(model["weights"]) == set(model["means"]) == set(model["scales"])
    assert all(scale > 0 for scale in model["scales"].values())
    middle = person_probability(model["means"])
    assert middle == pytest.approx(1 / (1 + math.exp(-model["intercept"])))


def test_the_shipped_figures_are_those_of_left_out_calls() -> None:
    fitted = load_rules(CALIBRATION_PATH)["fitted"]
    assert fitted["calls"] > 500
    assert fitted["expected_calibration_error"] <= 0.05


@pytest.mark.parametrize(
    ("confidences", "right", "wanted"),
    [
        ([0.75] * 4, [True, True, True, False], 0.0),
        ([0.95] * 4, [True, True, False, False], 0.45),
        ([0.55, 0.95], [True, False], (0.45 + 0.95) / 2),
        ([1.0, 1.0], [True, True], 0.0),
    ],
)
def test_expected_calibration_error(
    confidences: list[float], right: list[bool], wanted: float
) -> None:
    assert expected_calibration_error(confidences, right) == pytest.approx(wanted)


def test_a_rule_met_seldom_is_drawn_to_all() -> None:
    judged = [Judged(f"a{i}", "tone", None, True) for i in range(200)]
    judged += [Judged(f"b{i}", "listener", None, False) for i in range(2)]
    table = fit_confidence(judged)
    assert set(table) == set(RULES)
    assert table["tone"]["right"] > 0.98
    assert 0.8 < table["listener"]["right"] < 0.9
    assert confidence_of(table, judged[0]) == table["tone"]["right"]


def test_the_model_finds_what_tells_them_apart() -> None:
    random = np.random.default_rng(1)
    items = [
        Voices(f"c{i}", {"told": float(random.normal(2.0 * (i % 2))), "idle": 1.0}, i % 2 == 1)
        for i in range(400)
    ]
    model = fit_voices(items)
    right = [(odds_of(model, item.figures) > 0) == item.person for item in items]
    assert np.mean(right) > 0.8
    assert abs(model["weights"]["idle"]) < 0.05


def test_all_of_a_call_lies_in_one_fold() -> None:
    groups = [f"call {i // 3}" for i in range(90)]
    folds = folds_of(groups)
    assert all(len({int(folds[i]) for i in range(a, a + 3)}) == 1 for a in range(0, 90, 3))
    assert len(set(folds.tolist())) == 10
