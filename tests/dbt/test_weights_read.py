"""What `callmart weights fit` learns from is what the evaluations knew."""

from __future__ import annotations

import pytest
from built_marts import Marts

from callmart.weights import EVALUATIONS, read_outcomes

pytestmark = pytest.mark.postgres


def test_worths_of_the_day_before_are_those_of_the_evaluations(marts: Marts) -> None:
    compared = 0
    for evaluation in EVALUATIONS:
        seen = read_outcomes(marts.settings, evaluation)
        for i, customer in enumerate(seen.customers):
            scored = dict(
                marts.query(
                    "select distinct on (component) component, (points / nullif(weight, 0))::float8"
                    " from intermediate.int_evaluation_components_scored"
                    " where evaluation = %s and customer_id = %s and evaluation_date <= %s"
                    " order by component, evaluation_date desc",
                    evaluation,
                    customer,
                    seen.days[i],
                )
            )
            for component, worth in zip(seen.components, seen.worths[i], strict=True):
                if scored[component] is not None:
                    assert worth == pytest.approx(scored[component], abs=1e-6)
                    compared += 1

    assert compared > 5
