"""The trees that weigh who answered: shape, probabilities, and what they may not do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.connection import training
from ml.connection.judge import CARD_PATH, GROUPS, Judge, load_judge

LEAF = -1


def stump(threshold: float, missing_left: bool) -> Judge:
    """One tree that asks whether the greeting is short, and speaks for a person if it is."""
    return Judge(
        names=("greeting_seconds",),
        feature=np.array([[0, LEAF, LEAF]], np.int16),
        threshold=np.array([[threshold, 0, 0]], np.float32),
        left=np.array([[1, 0, 0]], np.int16),
        right=np.array([[2, 0, 0]], np.int16),
        missing_left=np.array([[missing_left, False, False]]),
        value=np.array([[0, 2.0, -2.0]], np.float32),
        group=np.array([0], np.int16),
        prior=np.zeros(len(GROUPS), np.float32),
        temperature=1.0,
    )


@pytest.mark.parametrize(
    ("greeting", "missing_left", "odds"),
    [(1.0, False, 2.0), (2.0, False, 2.0), (2.1, False, -2.0), (float("nan"), True, 2.0),
     (float("nan"), False, -2.0)],
)  # fmt: skip
def test_a_tree_goes_left_up_to_its_threshold(
    greeting: float, missing_left: bool, odds: float
) -> None:
    weights = stump(2.0, missing_left).weigh({"greeting_seconds": greeting})
    expected = np.exp(odds) / (np.exp(odds) + len(GROUPS) - 1)
    assert weights["human"] == pytest.approx(expected)


def test_a_missing_trait_is_an_error_and_no_guess() -> None:
    with pytest.raises(KeyError):
        stump(2.0, True).weigh({})


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_probabilities_sum_to_one_whatever_the_traits(data: st.DataObject) -> None:
    judge = load_judge()
    numbers = st.one_of(st.floats(-1e6, 1e6, width=32), st.just(float("nan")))
    traits = {name: data.draw(numbers) for name in judge.names}
    weights = judge.weigh(traits)
    assert set(weights) == set(GROUPS)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert min(weights.values()) >= 0.0


def test_packed_trees_give_what_the_library_gives(tmp_path: Path) -> None:
    """Saved, loaded and walked by our own few lines: the same probabilities as scikit-learn's."""
    random = np.random.default_rng(3)
    examples = []
    for index in range(400):
        group = GROUPS[index % 3]
        traits = {
            "greeting_seconds": float(np.float32(random.normal(index % 3, 0.7))),
            "far_turns": float(random.integers(1, 9)) if random.random() < 0.8 else float("nan"),
        }
        examples.append(training.Example(f"c{index}", False, group, group == "human", traits))
    judge, _ = training.fit(examples)
    training.save(judge, {}, tmp_path)
    loaded = load_judge(tmp_path / "judge.npz")
    rows = np.array([list(e.traits.values()) for e in examples], np.float32)
    groups = np.array([GROUPS.index(e.group) for e in examples])
    model = training._fit_trees(rows, groups, training._weights(examples, groups))
    odds = model.decision_function(rows) / judge.temperature
    wanted = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    got = np.array([[loaded.weigh(e.traits)[g] for g in GROUPS[:3]] for e in examples])
    assert np.abs(got - wanted).max() < 1e-4


def test_the_same_examples_make_the_same_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    examples = [
        training.Example(
            f"c{i // 2}", i % 2 == 1, GROUPS[i % 3], i % 3 == 0, {"a": float(random.normal(i % 3))}
        )
        for i in range(300)
    ]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        training.save(training.fit(examples)[0], {"n": 300}, tmp_path / name)
    for file in ("judge.npz", "judge.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_views_of_one_call_lie_in_one_fold() -> None:
    calls = [f"c{i // 4}" for i in range(400)]
    folds = training._folds(calls)
    assert all(len(set(folds[i : i + 4])) == 1 for i in range(0, 400, 4))
    assert len(set(folds.tolist())) == 5


def test_the_card_says_where_the_judge_comes_from() -> None:
    card = json.loads(CARD_PATH.read_text(encoding="utf-8"))
    assert card["calls"] > 1000
    assert card["settings"] == training.SETTINGS
    figures = card["cross_validated"]["calls_as_recorded"]
    assert figures["n"] > figures["persons"] > 0
    assert 0.9 < figures["connected_right"] < 1.0
