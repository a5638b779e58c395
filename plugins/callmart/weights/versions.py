"""Versions of weights beside the shipped ones: proposed, promoted from a day on, discarded.

They live in ops.evaluation_versions; dbt's int_evaluation_weights, int_evaluation_knots and
int_evaluation_versions unite them with the seeds. A version never changes once it is written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.weights.settings import FITTING


class VersionError(ValueError):
    """There is no such version, or it is not in a state in which that can be done."""


@dataclass(frozen=True)
class Version:
    """One evaluation's part of a version."""

    evaluation: str
    rule_version: int
    status: str
    """proposed, promoted or discarded."""
    effective_from: date | None
    effective_to: date | None
    note: str
    created_at: datetime
    decided_at: datetime | None
    weights: list[dict[str, Any]]
    knots: list[dict[str, Any]]
    report: dict[str, Any]


def propose(
    settings: Settings,
    changes: dict[str, dict[str, dict[str, float]]],
    sources: dict[str, str],
    note: str,
    reports: dict[str, dict[str, Any]],
) -> int:
    """Write a proposed version and return its number, the next after all there are.

    `changes`: {evaluation: {component: {"weight": …, "prior": …}}}; all that is not named, half-lives,
    curves and reasons included, is taken over from the version in force. `sources`: {evaluation:
    where the numbers come from}.

    Raises:
        VersionError: the weights do not add up to 100, a prior is not between 0 and 1, or a component
            is not of the evaluation.
    """
    with connect(settings) as conn, conn.transaction():
        conn.execute("lock table ops.evaluation_versions in exclusive mode")
        number = _number(conn)
        for evaluation, by_component in changes.items():
            rows, knots = _in_force(conn, evaluation)
            strange = sorted(set(by_component) - {row["component"] for row in rows})
            if strange:
                raise VersionError(f"{evaluation} has no component {strange[0]}")
            for row in rows:
                changed = by_component.get(row["component"])
                if changed:
                    row.update(
                        {name: changed[name] for name in ("weight", "prior") if name in changed}
                    )
                    row["source"] = sources[evaluation]
            total = round(sum(row["weight"] for row in rows), 6)
            if total != 100:
                raise VersionError(f"{evaluation}: the weights add up to {total:g}")
            if not all(0 <= row["prior"] <= 1 for row in rows):
                raise VersionError(f"{evaluation}: a prior is not between 0 and 1")
            conn.execute(
                "insert into ops.evaluation_versions"
                " (evaluation, rule_version, weights, knots, note, report)"
                " values (%s, %s, %s, %s, %s, %s)",
                (
                    evaluation,
                    number,
                    Jsonb(rows),
                    Jsonb(knots),
                    note,
                    Jsonb(_finite(reports[evaluation])),
                ),
            )
    return number


@dataclass(frozen=True)
class CentreAverage:
    """What a component is worth on average to the customers of whom something is known."""

    component: str
    weight: float
    prior: float
    """In the version in force."""
    average: float
    """Mean of the curve's value over customers, each as the last evaluated day has it, 0 to 1."""
    customers: int


def centre_averages(settings: Settings, evaluation: str) -> list[CentreAverage]:
    """The centre's averages beside the priors, of components that enough customers have evidence of."""
    with connect(settings) as conn:
        rows = conn.execute(
            """
            with latest as (
                select distinct on (customer_id, component)
                    component,
                    weight,
                    prior,
                    curve_value,
                    evidence_count
                from intermediate.int_evaluation_components_scored
                where evaluation = %s
                order by customer_id, component, evaluation_date desc
            )

            select
                component,
                max(weight)::double precision,
                max(prior)::double precision,
                round(avg(curve_value), 4)::double precision,
                count(*)
            from latest
            where evidence_count > 0
            group by component
            having count(*) >= %s
            order by component
            """,
            (evaluation, FITTING.minimum_customers),
        ).fetchall()
    return [CentreAverage(*row) for row in rows]


def list_versions(settings: Settings, rule_version: int | None = None) -> list[Version]:
    """The versions of the table, newest first; those of the seeds are not among them."""
    with connect(settings) as conn:
        rows = conn.execute(
            "select evaluation, rule_version, status, effective_from, effective_to, note,"
            " created_at, decided_at, weights, knots, report from ops.evaluation_versions"
            " where %(number)s::integer is null or rule_version = %(number)s"
            " order by rule_version desc, evaluation",
            {"number": rule_version},
        ).fetchall()
    return [Version(*row) for row in rows]


def promote(
    settings: Settings,
    rule_version: int,
    effective_from: date,
    effective_to: date | None = None,
) -> list[str]:
    """Put a version in force on [effective_from, effective_to), in one transaction; the evaluations
    it is of. The scores follow with the next build."""
    with connect(settings) as conn, conn.transaction():
        return promote_in(conn, rule_version, effective_from, effective_to)


def promote_in(
    conn: psycopg.Connection,
    rule_version: int,
    effective_from: date,
    effective_to: date | None = None,
) -> list[str]:
    """`promote` inside a transaction of the caller's."""
    if effective_to is not None and effective_to <= effective_from:
        raise VersionError("a version ends after the day on which it begins")
    return _decide(
        conn,
        rule_version,
        "update ops.evaluation_versions set status = 'promoted', effective_from = %(from)s,"
        " effective_to = %(to)s, decided_at = clock_timestamp(), decided_by = current_user"
        " where rule_version = %(number)s and status = 'proposed' returning evaluation",
        {"from": effective_from, "to": effective_to},
    )


def discard(settings: Settings, rule_version: int) -> list[str]:
    """Say that a proposed version shall never be in force; the evaluations it is of."""
    with connect(settings) as conn, conn.transaction():
        return _decide(
            conn,
            rule_version,
            "update ops.evaluation_versions set status = 'discarded', decided_at = clock_timestamp(),"
            " decided_by = current_user where rule_version = %(number)s and status = 'proposed'"
            " returning evaluation",
            {},
        )


def _decide(
    conn: psycopg.Connection, rule_version: int, statement: str, values: dict[str, Any]
) -> list[str]:
    rows = conn.execute(statement.encode(), {"number": rule_version, **values}).fetchall()
    if rows:
        return sorted(row[0] for row in rows)
    found = conn.execute(
        "select status from ops.evaluation_versions where rule_version = %s limit 1",
        (rule_version,),
    ).fetchone()
    if found is None:
        raise VersionError(f"there is no proposed version {rule_version}")
    raise VersionError(f"version {rule_version} is {found[0]} already")


def _number(conn: psycopg.Connection) -> int:
    row = conn.execute(
        "select greatest("
        "(select coalesce(max(rule_version), 0) from seeds.evaluation_weights),"
        "(select coalesce(max(rule_version), 0) from ops.evaluation_versions)) + 1"
    ).fetchone()
    if row is None:
        raise VersionError("the warehouse does not answer")
    return int(row[0])


def _in_force(
    conn: psycopg.Connection, evaluation: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(weights, knots) of the version in force today, with the reasons where they are known."""
    weights = _rows(
        conn,
        """
        select
            weights.component,
            weights.weight,
            weights.half_life_days,
            weights.prior,
            weights.prior_strength,
            seeded.reason,
            seeded.source
        from intermediate.int_evaluation_versions as versions
        inner join intermediate.int_evaluation_weights as weights
            using (evaluation, rule_version)
        left join lateral (
            select
                reason,
                source
            from seeds.evaluation_weights as seed
            where seed.evaluation = weights.evaluation and seed.component = weights.component
            order by seed.rule_version desc
            limit 1
        ) as seeded on true
        where
            versions.evaluation = %(evaluation)s
            and current_date >= versions.effective_from
            and current_date < versions.effective_to
        order by weights.component
        """,
        evaluation,
    )
    knots = _rows(
        conn,
        """
        select
            knots.component,
            knots.knot_number,
            knots.raw_value,
            knots.value
        from intermediate.int_evaluation_versions as versions
        inner join intermediate.int_evaluation_knots as knots using (evaluation, rule_version)
        where
            versions.evaluation = %(evaluation)s
            and current_date >= versions.effective_from
            and current_date < versions.effective_to
        order by knots.component, knots.knot_number
        """,
        evaluation,
    )
    return weights, knots


def _rows(conn: psycopg.Connection, query: str, evaluation: str) -> list[dict[str, Any]]:
    found = conn.execute(
        b"select to_jsonb(r) from (" + query.encode() + b") as r", {"evaluation": evaluation}
    ).fetchall()
    return [row[0] for row in found]


def _finite(report: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN: null instead."""
    text = json.dumps(report, default=str)
    cleaned: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    return cleaned
