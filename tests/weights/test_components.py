"""Weights of an evaluation learnt from won and lost demands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import psycopg
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from callmart.commands.weights import weights
from callmart.settings import Settings
from callmart.weights import (
    KEEP,
    TooFewOutcomesError,
    VersionError,
    discard,
    fit_components,
    list_versions,
    promote,
    propose,
    read_outcomes,
)
from callmart.weights.components import fit_pulled

Floats = NDArray[np.float64]

IN_FORCE = np.array([40.0, 30.0, 10.0, 10.0, 10.0, 0.0])
TRUE = np.array([5.0, 5.0, 60.0, 30.0, 0.0, 0.0])


def demands(
    n: int, seed: int, steepness: float = 8.0, by: Floats = TRUE
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp]]:
    """Worths (n, 6), won (n,), customers (n,): the chance to win rises with the score by `by`."""
    rng = np.random.default_rng(seed)
    worths = rng.beta(2, 2, (n, 6))
    chance = 1 / (1 + np.exp(-steepness * (worths @ by / 100 - 0.5)))
    return worths, rng.random(n) < chance, rng.integers(0, n // 2, n)


def test_weights_move_towards_what_wins_and_foretell_better() -> None:
    worths, won, customers = demands(1200, seed=1)
    found = fit_components(worths, won, customers, IN_FORCE)

    assert found.is_better
    assert found.quality.auc > found.in_force.auc + 0.03
    assert round(found.learnt.weights.sum() * 100) == 10_000
    assert np.all(found.learnt.weights >= 0)
    assert found.learnt.weights[2] > 35
    assert found.learnt.weights[0] < 25
    assert found.learnt.weights[5] == 0
    assert np.abs(found.learnt.weights - TRUE).sum() < np.abs(IN_FORCE - TRUE).sum() / 2
    assert found.quality.expected_calibration_error < 0.05


@pytest.mark.parametrize(
    "steepness",
    [pytest.param(8.0, id="they are right"), pytest.param(0.0, id="nothing foretells")],
)
def test_where_nothing_better_is_found_the_weights_in_force_stand(steepness: float) -> None:
    worths, won, customers = demands(600, seed=2, steepness=steepness, by=IN_FORCE)
    found = fit_components(worths, won, customers, IN_FORCE)

    assert found.learnt.pull == KEEP
    assert not found.is_better
    assert list(found.learnt.weights) == list(IN_FORCE)


def test_a_component_that_works_the_wrong_way_gets_nothing_and_never_less() -> None:
    worths, won, _ = demands(2000, seed=3, by=np.array([60.0, -40.0, 30.0, 30.0, 20.0, 0.0]))
    found = fit_pulled(worths, won, IN_FORCE, pull=3)
    better = worths.copy()
    better[:, 0] += 0.01

    assert found.weights[1] == 0
    assert np.all(found.probability(better) > found.probability(worths))


def test_the_stronger_the_pull_the_nearer_to_those_in_force() -> None:
    worths, won, _ = demands(800, seed=4)
    away = [
        np.abs(fit_pulled(worths, won, IN_FORCE, pull).weights - IN_FORCE).sum()
        for pull in (1, 30, 300, 3000, 1e6)
    ]
    assert away == sorted(away, reverse=True)
    assert away[-1] < 0.2


def test_too_few_outcomes_are_refused() -> None:
    worths, won, customers = demands(80, seed=5)
    with pytest.raises(TooFewOutcomesError, match="at least 50 of each are needed"):
        fit_components(worths, won, customers, IN_FORCE)


# --- From the warehouse, to the warehouse ----------------------------------------------------------

TABLES = """
create schema if not exists seeds;
create schema if not exists intermediate;
create table seeds.evaluation_weights (
    evaluation text, rule_version integer, component text, reason text, source text
);
insert into seeds.evaluation_weights
select 'fit', 3, c, 'reason of ' || c, 'judgement' from unnest(array['a', 'b', 'x']) as c;
create table intermediate.int_evaluation_weights as
select 'fit' as evaluation, 3 as rule_version, component, weight, half_life_days,
    0.5 as prior, 1 as prior_strength
from (values ('a', 80.0, 10.0), ('b', 20.0, null), ('x', 0.0, null)) as v (component, weight, half_life_days);
create table intermediate.int_evaluation_versions as
select 'fit' as evaluation, 3 as rule_version, date '2000-01-01' as effective_from,
    date '9999-01-01' as effective_to;
create table intermediate.int_evaluation_knots as
select 'fit' as evaluation, 3 as rule_version, component, n as knot_number, n::numeric - 1 as raw_value,
    n::numeric - 1 as value
from unnest(array['a', 'b', 'x']) as component, generate_series(1, 2) as n;
create table intermediate.int_evaluation_knots_joined as
select 'fit' as evaluation, 3 as rule_version, component, piece.*
from unnest(array['a', 'b', 'x']) as component, (
    values (null::numeric, 0, 0, 0), (0, 1, 0, 1), (1, null, 1, 1)
) as piece (raw_from, raw_to, value_from, value_to);
create table intermediate.int_evaluation_evidence_collected (
    customer_id text, evaluation text, component text, raw_value numeric,
    valid_from date, valid_to date, evidence_date date
);
create table intermediate.int_demand_versions_ordered (
    demand_id text, version_number integer, customer_id text, stage text, known_date date,
    closed_at timestamptz, is_deleted boolean
);
"""


@pytest.fixture
def warehouse(make_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The tables that are read, with one version in force: a 80, b 20, x context."""
    settings = replace(Settings.from_environment(), warehouse_dsn=make_database())
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", settings.warehouse_dsn)
    with psycopg.connect(settings.warehouse_dsn) as conn:
        conn.execute(TABLES)
    return settings


def add(settings: Settings, table: str, rows: list[tuple[object, ...]]) -> None:
    places = ", ".join(["%s"] * len(rows[0]))
    with psycopg.connect(settings.warehouse_dsn) as conn:
        conn.cursor().executemany(f"insert into intermediate.{table} values ({places})", rows)


@pytest.mark.postgres
def test_only_what_was_known_the_day_before_counts(warehouse: Settings) -> None:
    day = date(2026, 3, 20)
    versions: list[tuple[object, ...]] = [
        ("won", 1, "c1", "quoted", date(2026, 3, 1), None, False),
        ("won", 2, "c1", "won", day, None, False),
        ("won", 3, "c1", "won", date(2026, 3, 25), None, False),
        # Closed on the 20th in Shanghai, entered into the CRM five days later.
        ("late", 1, "c2", "lost", date(2026, 3, 25), "2026-03-19 17:00+00", False),
        # Lost, reopened, won: two ends.
        ("twice", 1, "c3", "lost", date(2026, 3, 10), None, False),
        ("twice", 2, "c3", "reopened", date(2026, 3, 15), None, False),
        ("twice", 3, "c3", "won", day, None, False),
        ("deleted", 1, "c1", "won", day, None, True),
        ("unknown", 1, "c9", "won", day, None, False),
        ("open", 1, "c1", "quoted", day, None, False),
    ]
    add(warehouse, "int_demand_versions_ordered", versions)
    far = date(9999, 1, 1)
    evidence: list[tuple[object, ...]] = [
        # Ten days older weighs half: (1 * 1 + 0.5 * 0.4) / 1.5 = 0.8, pulled (2 * 0.8 + 0.5) / 3.
        ("c1", "fit", "a", 1, date(2026, 3, 19), far, date(2026, 3, 19)),
        ("c1", "fit", "a", 0.4, date(2026, 3, 9), far, date(2026, 3, 9)),
        # The day of the end, and what had ended before: nothing.
        ("c1", "fit", "b", 1, day, far, day),
        ("c1", "fit", "b", 1, date(2026, 3, 1), date(2026, 3, 19), date(2026, 3, 1)),
        ("c2", "fit", "b", 0.9, date(2026, 3, 19), far, date(2026, 3, 19)),
        ("c2", "fit", "b", 0.0, date(2026, 3, 22), far, date(2026, 3, 22)),
        ("c3", "fit", "b", 0.2, date(2026, 3, 1), date(2026, 3, 12), date(2026, 3, 1)),
        ("c3", "fit", "b", 0.6, date(2026, 3, 12), far, date(2026, 3, 12)),
        ("c3", "engagement", "b", 1, date(2026, 3, 12), far, date(2026, 3, 12)),
    ]
    add(warehouse, "int_evaluation_evidence_collected", evidence)

    seen = read_outcomes(replace(warehouse, business_time_zone="Asia/Shanghai"), "fit")
    found = {
        (customer, last): (bool(won), [round(float(worth), 6) for worth in worths])
        for customer, last, won, worths in zip(
            seen.customers, seen.days, seen.won, seen.worths, strict=True
        )
    }

    assert (seen.components, list(seen.weights)) == (("a", "b", "x"), [80, 20, 0])
    assert seen.without_evidence == 1
    assert found == {
        ("c1", date(2026, 3, 19)): (True, [0.7, 0.5, 0.5]),
        ("c2", date(2026, 3, 19)): (False, [0.5, 0.7, 0.5]),
        ("c3", date(2026, 3, 9)): (False, [0.5, 0.35, 0.5]),
        ("c3", date(2026, 3, 19)): (True, [0.5, 0.55, 0.5]),
    }


@pytest.mark.postgres
def test_fitted_weights_are_proposed_and_stay_proposed(warehouse: Settings) -> None:
    rng = np.random.default_rng(7)
    values = rng.random((500, 2)).round(3)
    won = rng.random(500) < 1 / (1 + np.exp(-9 * (values[:, 1] - 0.5)))
    day, before = date(2026, 3, 20), date(2026, 3, 1)
    add(
        warehouse,
        "int_demand_versions_ordered",
        [(f"d{i}", 1, f"c{i}", "won" if won[i] else "lost", day, None, False) for i in range(500)],
    )
    add(
        warehouse,
        "int_evaluation_evidence_collected",
        [
            (f"c{i}", "fit", name, float(values[i, k]), before, date(9999, 1, 1), before)
            for i in range(500)
            for k, name in enumerate("ab")
        ],
    )
    result = CliRunner().invoke(weights, ["fit", "--evaluation", "fit", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    fitted = document["evaluations"]["fit"]
    stored = list_versions(warehouse)

    assert document["proposed_version"] == 4
    assert fitted["learnt"]["auc"] > fitted["in_force"]["auc"] + 0.1
    assert [(one.rule_version, one.status, one.effective_from) for one in stored] == [
        (4, "proposed", None)
    ]
    rows = {row["component"]: row for row in stored[0].weights}
    assert {name: row["weight"] for name, row in rows.items()} == fitted["weights"]
    assert rows["b"]["weight"] > 70
    assert rows["x"]["weight"] == 0
    # All else is as before, and where the numbers come from is said.
    assert (rows["a"]["half_life_days"], rows["a"]["prior"]) == (10, 0.5)
    assert rows["a"]["reason"] == "reason of a"
    assert "500 closed demands" in rows["a"]["source"]
    assert len(stored[0].knots) == 6

    dry = CliRunner().invoke(weights, ["fit", "--evaluation", "fit", "--dry-run"])
    assert dry.exit_code == 0
    assert len(list_versions(warehouse)) == 1


@pytest.mark.postgres
def test_few_outcomes_say_so_and_propose_nothing(warehouse: Settings) -> None:
    result = CliRunner().invoke(weights, ["fit", "--evaluation", "fit"])

    assert result.exit_code == 0
    assert "0 good and 0 bad outcomes" in result.output
    assert "nothing is proposed" in result.output
    assert list_versions(warehouse) == []


@pytest.mark.postgres
def test_a_version_is_decided_once(warehouse: Settings) -> None:
    good = {"fit": {"a": {"weight": 50.0}, "b": {"weight": 49.99}, "x": {"weight": 0.01}}}
    source, report = {"fit": "by hand"}, {"fit": {"auc": float("nan")}}
    first = propose(warehouse, good, source, "one", report)
    second = propose(warehouse, good, source, "two", report)

    assert (first, second) == (4, 5)
    assert promote(warehouse, first, date(2026, 1, 1), date(2026, 2, 1)) == ["fit"]
    assert discard(warehouse, second) == ["fit"]
    assert [(one.rule_version, one.status) for one in list_versions(warehouse)] == [
        (5, "discarded"),
        (4, "promoted"),
    ]
    with pytest.raises(VersionError, match="version 5 is discarded already"):
        promote(warehouse, second, date(2026, 1, 1))
    with pytest.raises(VersionError, match="there is no proposed version 9"):
        discard(warehouse, 9)
    with pytest.raises(VersionError, match="ends after"):
        promote(warehouse, second, date(2026, 1, 2), date(2026, 1, 2))
    with pytest.raises(VersionError, match="add up to 99"):
        propose(warehouse, {"fit": {"a": {"weight": 79.0}}}, source, "", report)
    with pytest.raises(VersionError, match="no component z"):
        propose(warehouse, {"fit": {"z": {"weight": 0.0}}}, source, "", report)
    with pytest.raises(VersionError, match="not between 0 and 1"):
        propose(warehouse, {"fit": {"a": {"prior": 1.01}}}, source, "", report)
    assert len(list_versions(warehouse)) == 2


@pytest.mark.postgres
def test_the_averages_of_the_centre_are_proposed_as_priors(warehouse: Settings) -> None:
    with psycopg.connect(warehouse.warehouse_dsn) as conn:
        conn.execute(
            "create table intermediate.int_evaluation_components_scored as"
            # Of 60 customers a stands at 0.2 for 45 on the last day; b has evidence of 49.
            " select 'fit' as evaluation, 'c' || i as customer_id, component, day::date as evaluation_date,"
            "  80.0 as weight, 0.5 as prior,"
            "  case when component = 'a' or i <= 49 then 1 else 0 end as evidence_count,"
            "  case when day = '2026-03-02' and i <= 45 then 0.2 else 1.0 end as curve_value"
            " from generate_series(1, 60) as i, unnest(array['a', 'b']) as component,"
            "  unnest(array['2026-03-01', '2026-03-02']) as day"
        )
    result = CliRunner().invoke(weights, ["priors", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    rows = {row["component"]: row for row in list_versions(warehouse)[0].weights}

    assert document["proposed_version"] == 4
    assert [
        (one["component"], one["prior"], one["average"], one["customers"])
        for one in document["averages"]["fit"]
    ] == [("a", 0.5, 0.4, 60)]
    assert (rows["a"]["prior"], rows["a"]["weight"]) == (0.4, 80)
    assert "centre's average" in rows["a"]["source"]
    assert (rows["b"]["prior"], rows["b"]["source"]) == (0.5, "judgement")


@pytest.mark.postgres
def test_a_person_looks_promotes_and_discards(warehouse: Settings) -> None:
    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(weights, words)
        return result.exit_code, result.output

    assert run("list") == (0, "no versions beside the shipped ones\n")
    report = {"fit": {"weights_in_force": {"a": 80.0, "b": 20.0, "x": 0.0}}}
    changes = {"fit": {"a": {"weight": 30.0}, "b": {"weight": 70.0}}}
    number = propose(warehouse, changes, {"fit": "by hand"}, "a try", report)
    code, shown = run("show", str(number))

    assert code == 0
    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["b", "20.00", "→", "70.00"],
        ["a", "80.00", "→", "30.00"],
        ["x", "0.00", "→", "0.00"],
    ]
    assert run("promote", "4", "--from", "2026-01-05") == (
        0,
        "version 4 of fit is in force from 2026-01-05\n",
    )
    assert run("discard", "4") == (1, "callmart weights discard: version 4 is promoted already\n")
    assert run("show", "5")[0] == 1
    assert run("promote", "4")[0] == 2
    assert "4 fit" in run("list")[1]
    assert "promoted from 2026-01-05 to …" in run("list")[1]


@pytest.mark.postgres
def test_without_marts_it_says_so(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", postgres)
    result = CliRunner().invoke(weights, ["fit"])

    assert result.exit_code == 1
    assert "the marts are not built yet" in result.output
