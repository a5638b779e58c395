"""A score learnt from any labelled table of contacts."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bank_like import bank_contacts, write_bank
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from callmart.commands.weights import weights
from callmart.weights import Table, TableError, TooFewOutcomesError, fit_contacts, read_table
from callmart.weights.curves import fit_curves, in_cents
from callmart.weights.tables import Column
from callmart.weights.validation import auc, folds, measure


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(weights, ["fit", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """6 000 simulated contacts, and the AUC of their true chances: no score can do better."""
    frame, chance = bank_contacts(6_000, seed=3)
    path = write_bank(tmp_path_factory.mktemp("bank") / "bank.csv", frame)
    return path, auc((frame["y"] == "yes").to_numpy(), chance)


@pytest.fixture(scope="module")
def fitted(
    bank: tuple[Path, float], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """What the command prints without the column that is known after the call, and what it writes."""
    folder = tmp_path_factory.mktemp("proposal")
    words = ("--data", str(bank[0]), "--outcome", "y", "--exclude", "duration", "--json")
    code, out, error = run(*words, "--out", str(folder))
    assert (code, error) == (0, "")
    return json.loads(out), folder


def test_comes_close_to_the_best_that_can_be(
    bank: tuple[Path, float], fitted: tuple[dict[str, Any], Path]
) -> None:
    best, found = bank[1], fitted[0]

    assert best - 0.025 < found["auc"] < best + 0.005
    # The truth is additive: trees without that knowledge cannot be much ahead.
    assert found["auc"] > found["peer"]["auc"] - 0.005
    assert found["quality"]["expected_calibration_error"] < 0.015
    assert found["quality"]["calibration_slope"] == pytest.approx(1, abs=0.15)
    assert found["suspects"] == []
    assert [one["is_comparable"] for one in found["published"]] == [True]
    assert found["published"][0]["auc"] == 0.80


def test_what_has_no_worth_gets_none_and_what_has_gets_its_shape(bank: tuple[Path, float]) -> None:
    path, _ = bank
    fit = fit_curves((table := read_table(path, "y", exclude=["duration"])).columns, table.outcome)
    curves = {curve.name: curve for curve in fit.curves}
    age = curves["age"].worth(Column("age", np.array([20.0, 42.0, 80.0]), np.array([""] * 3)))
    poutcome = dict(curves["poutcome"].levels)

    assert sum(curve.weight for curve in fit.curves) == pytest.approx(100, abs=1e-9)
    assert max(curves[name].weight for name in ("marital", "education", "default")) < 3
    assert age[1] < age[0]
    assert age[1] < age[2] - 0.5
    assert poutcome["success"] == 1
    # -1 days since the last call is a level, not a number before 1.
    assert [word for word, _ in curves["pdays"].levels] == ["-1"]
    assert min(raw for raw, _ in curves["pdays"].knots) >= 1


def test_a_column_known_after_the_call_is_told(bank: tuple[Path, float]) -> None:
    path, best = bank
    code, out, error = run("--data", str(path), "--outcome", "y", "--json")
    found = json.loads(out)

    assert code == 0
    assert "--exclude duration" in error
    assert found["suspects"] == ["duration"]
    assert found["auc"] > best + 0.03
    assert [one["is_comparable"] for one in found["published"]] == [False]


def test_a_proposal_is_written_as_the_seeds_are(fitted: tuple[dict[str, Any], Path]) -> None:
    folder = fitted[1]
    with (folder / "evaluation_weights.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (folder / "evaluation_knots.csv").open(encoding="utf-8") as file:
        knots = list(csv.DictReader(file))
    seed = Path(__file__).parents[2] / "dbt" / "seeds" / "evaluation_weights.csv"

    assert list(rows[0]) == seed.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert sum(round(float(row["weight"]) * 100) for row in rows) == 10_000
    assert all(0 <= float(knot["value"]) <= 1 for knot in knots)
    raw = [float(k["raw_value"]) for k in knots if k["component"] == "age"]
    assert raw == sorted(raw)
    assert {row["component"] for row in rows} == {knot["component"] for knot in knots}


def test_a_score_from_the_written_table_is_the_score(bank: tuple[Path, float]) -> None:
    table = read_table(bank[0], "y", exclude=["duration"])
    some = table.take(np.arange(500))
    fit = fit_curves(table.columns, table.outcome)
    by_hand = np.zeros(500)
    for curve, column in zip(fit.curves, some.columns, strict=True):
        levels = dict(curve.levels)
        for i in range(500):
            if column.numbers is not None and np.isfinite(column.numbers[i]):
                raw, worth = zip(*curve.knots, strict=True)
                by_hand[i] += curve.weight * np.interp(column.numbers[i], raw, worth)
            else:
                by_hand[i] += curve.weight * levels[column.words[i]]

    assert fit.score(some.columns) == pytest.approx(by_hand)
    assert by_hand.min() >= 0
    assert by_hand.max() <= 100
    order = np.argsort(by_hand)
    assert np.all(np.diff(fit.probability(some.columns)[order]) >= 0)


def table_of(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,yes\n", "no column 'y'; it has a, b"),
        ("a,y\n1,yes\n2,no\n3,maybe\n", "needs two words, it holds 3: maybe, no, yes"),
        ("a,y\n1,sold\n2,unsold\n", "Say --positive WORD"),
        ("a,y\n1,yes\n2,no\n3,no,4,5\n", "Expected 2 fields in line 4, saw 4"),
        ("a,y\n", "a header and no rows"),
        ("", "the file is empty"),
        ("a,a,y\n1,2,yes\n1,2,no\n", "two columns are named 'a'"),
        ("a,y\n7,yes\n7,no\n", "no column is left to fit"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = table_of(tmp_path / "t.csv", text)
    with pytest.raises(TableError) as error:
        read_table(path, "y")
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_too_few_outcomes_propose_nothing(tmp_path: Path) -> None:
    lines = [f"{i % 7},{'yes' if i < 49 else 'no'}" for i in range(300)]
    path = table_of(tmp_path / "t.csv", "a,y\n" + "\n".join(lines))
    code, out, error = run("--data", str(path), "--outcome", "y")

    assert code == 1
    assert out == ""
    assert "49 good and 251 bad outcomes: at least 50 of each are needed" in error


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_delimiter_encoding_and_kinds_are_found(tmp_path: Path, delimiter: str) -> None:
    header = ["年龄", "last,; call", "city", "id", "wait", "y"]
    body = [
        [
            str(20 + i % 50),
            "999" if i % 3 else str(i % 28),
            "北京" if i % 2 else "",
            f"c{i}",
            "",
            "是",
        ]
        for i in range(60)
    ]
    body = [
        [*row[:4], str(i % 9) if i % 2 else "unknown", "是" if i % 2 else "否"]
        for i, row in enumerate(body)
    ]
    text = "\n".join(
        delimiter.join(f'"{word}"' if set(word) & set(";,|\t") else word for word in row)
        for row in [header, *body]
    )
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(text.encode("gb18030")))

    table = read_table(path, "y")
    columns = {column.name: column for column in table.columns}

    assert table.positive == "是"
    assert table.outcome.sum() == 30
    assert set(columns) == {"年龄", "last,; call", "city", "wait"}
    assert table.notes == ("column 'id' left out: its words name single rows",)
    assert columns["last,; call"].sentinels == (999.0,)
    assert columns["年龄"].sentinels == ()
    assert set(columns["city"].words) == {"北京", "(empty)"}
    assert columns["city"].numbers is None
    # A word for nothing in a column of numbers is no number, and a level of its own.
    assert set(columns["wait"].words) == {"", "(empty)"}


@pytest.mark.parametrize(
    ("numbers", "sentinels"),
    [
        ([-1, 1, 2, 3, 4], (-1.0,)),
        ([-1, -2, 2, 3, 4], ()),
        ([999, 1, 2, 3, 27], (999.0,)),
        ([999, 1, 2, 3, 600], ()),
        ([9, 1, 2, 3, 4], ()),
        ([-1, 1], ()),
    ],
)
def test_numbers_that_stand_for_none(
    tmp_path: Path, numbers: list[int], sentinels: tuple[float, ...]
) -> None:
    rows = [f"{number},{'yes' if i % 2 else 'no'}" for i, number in enumerate(numbers * 4)]
    table = read_table(table_of(tmp_path / "t.csv", "a,y\n" + "\n".join(rows)), "y")
    assert table.columns[0].sentinels == sentinels


def contacts(seed: int, n: int = 600) -> Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n).round(1)
    outcome = rng.random(n) < 1 / (1 + np.exp(-np.sin(2 * x)))
    column = Column("x", x, np.full(n, "", dtype=object))
    return Table((column,), outcome, "yes", rng.integers(0, 80, n), ())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, -1]))
def test_a_curve_told_to_rise_never_falls(seed: int, direction: int) -> None:
    table = contacts(seed)
    names = ["x"]
    fit = fit_curves(
        table.columns,
        table.outcome,
        increasing=names if direction > 0 else (),
        decreasing=names if direction < 0 else (),
    )
    worths = np.array([worth for _, worth in fit.curves[0].knots])
    assert np.all(np.diff(worths) * direction >= 0)


def test_a_direction_is_of_a_numeric_column() -> None:
    with pytest.raises(ValueError, match="not a numeric column of the table: z"):
        fit_contacts(contacts(1), increasing=["z"])


def test_groups_and_time_are_kept_apart() -> None:
    table = contacts(2)
    groups = table.groups
    assert groups is not None
    grouped = list(folds(table.outcome, groups))
    forward = list(folds(table.outcome, in_order=True))

    assert len(grouped) == len(forward) == 5
    assert sorted(np.concatenate([test for _, test in grouped])) == list(range(600))
    for train, test in grouped:
        assert not set(groups[train]) & set(groups[test])
    for train, test in forward:
        assert train.max() < test.min()


def test_too_few_ends_are_refused() -> None:
    table = contacts(3, n=90)
    with pytest.raises(TooFewOutcomesError):
        fit_contacts(table)


def test_figures_of_a_case_by_hand() -> None:
    outcome = np.array([True, True, False, True, False, False, False, False, False, False])
    said = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    found = measure(outcome, said, np.zeros(10, dtype=int))

    # Of 21 pairs of a good and a bad one, only (0.6, 0.7) stands the wrong way round.
    assert found.auc == pytest.approx(20 / 21)
    assert found.brier == pytest.approx((0.01 + 0.04 + 0.49 + 0.16 + 0.55) / 10)
    assert found.brier_skill == pytest.approx(1 - found.brier / 0.21)
    assert [one.lift for one in found.deciles[:4]] == pytest.approx([10 / 3, 10 / 3, 0, 10 / 3])
    assert found.deciles[3].cumulative_share == 1
    assert found.deciles[3].cumulative_lift == pytest.approx(2.5)
    assert found.expected_calibration_error == pytest.approx((0.1 + 0.2 + 0.7 + 0.4 + 1.5) / 10)


def test_ties_rank_half() -> None:
    assert auc(np.array([True, False, True, False]), np.array([1.0, 1.0, 1.0, 1.0])) == 0.5
    assert np.isnan(auc(np.array([True, True]), np.array([1.0, 2.0])))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda parts: sum(parts) > 0.01))
def test_cents_add_up_to_100(parts: list[float]) -> None:
    shares = np.array(parts) / sum(parts)
    cents = in_cents(shares)
    assert round(cents.sum() * 100) == 10_000
    assert np.abs(cents - shares * 100).max() <= 0.01 + 1e-9
