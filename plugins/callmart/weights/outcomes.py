"""What the warehouse knew of each customer the day before a demand of theirs was won or lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callmart.settings import Settings
from callmart.warehouse import connect

EVALUATIONS = ("conversation", "inspection", "rules_and_lines", "fit", "engagement")


@dataclass(frozen=True)
class Outcomes:
    """n closed demands and m components of one evaluation; by the day of the outcome, oldest first."""

    evaluation: str
    rule_version: int
    """The version in force, whose curves and priors the worths are by."""
    components: tuple[str, ...]
    weights: NDArray[np.float64]
    """(m,) in force."""
    worths: NDArray[np.float64]
    """(n, m) curve of the mean, pulled to the prior as the evaluation does; without evidence: the prior."""
    won: NDArray[np.bool_]
    customers: NDArray[Any]
    days: NDArray[Any]
    """The day before the outcome, up to which evidence counts."""
    without_evidence: int
    """Closed demands left out because nothing at all was known of the customer by then."""


# The same steps as int_evaluation_evidence_weighted and int_evaluation_components_scored, for the
# day before each outcome. A demand is closed on the earlier of the day the CRM names and the day
# its version became known: what a customer says after signing foretells nothing. A demand that is
# won after it was lost closes once more only when it was reopened in between.
_WORTHS = """
with versions as (
    select
        *,
        lag(stage) over (partition by demand_id order by version_number) as previous_stage
    from intermediate.int_demand_versions_ordered
    where not is_deleted
),

closings as (
    select
        demand_id || ' ' || version_number as closing_id,
        customer_id,
        stage = 'won' as is_won,
        least(known_date, (closed_at at time zone %(time_zone)s)::date) - 1 as seen_date
    from versions
    where
        stage in ('won', 'lost')
        and coalesce(previous_stage, '') not in ('won', 'lost')
        and customer_id is not null
),

weights as (
    select *
    from intermediate.int_evaluation_weights
    where evaluation = %(evaluation)s and rule_version = %(rule_version)s
),

evidence as (
    select
        closings.closing_id,
        evidence.component,
        evidence.raw_value,
        power(
            0.5::double precision,
            case when weights.half_life_days is null then 0
                else (closings.seen_date - evidence.evidence_date) / weights.half_life_days::double precision
            end
        ) as recency_weight
    from closings
    inner join intermediate.int_evaluation_evidence_collected as evidence
        on
            closings.customer_id = evidence.customer_id
            and evidence.evaluation = %(evaluation)s
            and closings.seen_date >= evidence.valid_from
            and closings.seen_date < evidence.valid_to
    inner join weights on evidence.component = weights.component
),

means as (
    select
        closing_id,
        component,
        count(*) as evidence_count,
        sum(raw_value * recency_weight) / sum(recency_weight) as mean_value
    from evidence
    group by closing_id, component
),

valued as (
    select
        means.*,
        case
            when knots.raw_from is null or knots.raw_to is null then knots.value_from
            else
                knots.value_from
                + (knots.value_to - knots.value_from)
                * (means.mean_value - knots.raw_from) / (knots.raw_to - knots.raw_from)
        end as curve_value
    from means
    left join intermediate.int_evaluation_knots_joined as knots
        on
            knots.evaluation = %(evaluation)s
            and knots.rule_version = %(rule_version)s
            and means.component = knots.component
            and (knots.raw_from is null or means.mean_value >= knots.raw_from)
            and (knots.raw_to is null or means.mean_value < knots.raw_to)
)

select
    closings.closing_id,
    closings.customer_id,
    closings.seen_date,
    closings.is_won,
    weights.component,
    weights.weight::double precision as weight,
    (
        case
            when valued.evidence_count is null then weights.prior
            else
                (valued.evidence_count * valued.curve_value + weights.prior_strength * weights.prior)
                / (valued.evidence_count + weights.prior_strength)
        end
    )::double precision as worth,
    valued.evidence_count is not null as has_evidence
from closings
cross join weights
left join valued
    on closings.closing_id = valued.closing_id and weights.component = valued.component
order by closings.seen_date, closings.closing_id, weights.component
"""


def read_outcomes(settings: Settings, evaluation: str, as_of: date | None = None) -> Outcomes:
    """The closed demands of the warehouse (built marts), with what was known the day before.

    By the version of the evaluation in force on `as_of` (None: today's newest).

    Raises:
        LookupError: no version of the evaluation is in force: the marts are not built.
        psycopg.Error: the warehouse does not answer, or the marts are not built.
    """
    with connect(settings) as conn:
        version = conn.execute(
            "select rule_version from intermediate.int_evaluation_versions"
            " where evaluation = %(evaluation)s"
            " and coalesce(%(day)s, current_date) >= effective_from"
            " and coalesce(%(day)s, current_date) < effective_to",
            {"evaluation": evaluation, "day": as_of},
        ).fetchone()
        if version is None:
            raise LookupError(f"no version of {evaluation} is in force: build the marts first")
        rows = conn.execute(
            _WORTHS,
            {
                "evaluation": evaluation,
                "rule_version": version[0],
                "time_zone": settings.business_time_zone,
            },
        ).fetchall()
        components = conn.execute(
            "select component, weight::double precision from intermediate.int_evaluation_weights"
            " where evaluation = %s and rule_version = %s order by component",
            (evaluation, version[0]),
        ).fetchall()
    names = tuple(name for name, _ in components)
    by_closing: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        by_closing.setdefault(row[0], []).append(row)
    known = [parts for parts in by_closing.values() if any(part[7] for part in parts)]
    worths = np.array([[part[6] for part in parts] for parts in known], dtype=np.float64)
    return Outcomes(
        evaluation=evaluation,
        rule_version=version[0],
        components=names,
        weights=np.array([weight for _, weight in components]),
        worths=worths.reshape(len(known), len(names)),
        won=np.array([parts[0][3] for parts in known], dtype=bool),
        customers=np.array([parts[0][1] for parts in known], dtype=object),
        days=np.array([parts[0][2] for parts in known], dtype=object),
        without_evidence=len(by_closing) - len(known),
    )
