"""What a replay says otherwise than the published marts: one document of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

LISTED = 500
"""Most customers, hits and movers that are listed; the counts are of all."""
MOVERS = 20
REASONS = 3
BIN = 5
"""Width of the bins of the total score."""

# Published beside what the replay built; a table that it did not build is the published one on both sides.
TABLES = (
    ("quality", "marts", "customer_quality"),
    ("ledger", "marts", "evaluation_ledger"),
    ("scores", "intermediate", "int_evaluation_scores_rounded"),
    ("hits", "marts", "phrase_violations"),
    ("violations", "marts", "rule_violations"),
    ("emotions", "marts", "call_emotions"),
)

KEYS_SQL = """
select attributes.attname
from pg_index as indexes
inner join pg_attribute as attributes
    on attributes.attrelid = indexes.indrelid and attributes.attnum = any(indexes.indkey)
where indexes.indisprimary and indexes.indrelid = %s::regclass
order by attributes.attnum
"""

# Every day of the range on which the tier differs is found: a span before and one after that share a day.
TIER_CHANGES_SQL = """
with differing as (
    select
        before.customer_id,
        before.tier as tier_before,
        after.tier as tier_after,
        before.total_score as total_before,
        after.total_score as total_after,
        least(
            coalesce(before.valid_to, date '9999-01-01'), coalesce(after.valid_to, date '9999-01-01'),
            %(to)s::date + 1
        ) - 1 as day
    from {quality} as before
    inner join {quality_after} as after
        on before.customer_id = after.customer_id
        and before.valid_from < coalesce(after.valid_to, date '9999-01-01')
        and after.valid_from < coalesce(before.valid_to, date '9999-01-01')
    where before.tier <> after.tier
        and greatest(before.valid_from, after.valid_from) <= %(to)s
        and least(
            coalesce(before.valid_to, date '9999-01-01'), coalesce(after.valid_to, date '9999-01-01')
        ) > %(from)s
)
select distinct on (customer_id)
    customer_id, day, tier_before, tier_after, total_before, total_after,
    day = %(to)s::date as is_at_end
from differing
order by customer_id asc, day desc
"""

AT_END_SQL = """
select
    coalesce(before.customer_id, after.customer_id) as customer_id,
    before.tier as tier_before, after.tier as tier_after,
    before.total_score as total_before, after.total_score as total_after,
    after.total_score - before.total_score as change
from (
    select * from {quality}
    where valid_from <= %(to)s and coalesce(valid_to, date '9999-01-01') > %(to)s
) as before
full join (
    select * from {quality_after}
    where valid_from <= %(to)s and coalesce(valid_to, date '9999-01-01') > %(to)s
) as after
    on before.customer_id = after.customer_id
order by abs(after.total_score - before.total_score) desc nulls first, customer_id
"""

NOW_SQL = """
select count(*) filter (where before.tier is distinct from after.tier)
from (select * from {quality} where is_current) as before
full join (select * from {quality_after} where is_current) as after
    on before.customer_id = after.customer_id
"""

EVALUATIONS_SQL = """
select
    coalesce(before.evaluation, after.evaluation) as evaluation,
    max(labels.label_en) as label_en,
    max(labels.label_zh) as label_zh,
    count(*) as customers,
    round(avg(before.score), 2) as mean_before,
    round(avg(after.score), 2) as mean_after,
    count(*) filter (where before.score is distinct from after.score) as changed
from (
    select * from {scores}
    where evaluation_date <= %(to)s and coalesce(valid_to, date '9999-01-01') > %(to)s
) as before
full join (
    select * from {scores_after}
    where evaluation_date <= %(to)s and coalesce(valid_to, date '9999-01-01') > %(to)s
) as after
    on before.customer_id = after.customer_id and before.evaluation = after.evaluation
left join seeds.evaluation_labels as labels
    on coalesce(before.evaluation, after.evaluation) = labels.evaluation and labels.component is null
group by 1
order by 1
"""

# What each component gives to the total on the last day, on both sides: why a customer moved.
REASONS_SQL = """
with points as (
    select true as is_after, scores.customer_id, scores.evaluation, ledger.component,
        sum(ledger.points) * max(weights.weight::numeric) / 100 as points
    from {scores_after} as scores
    inner join {ledger_after} as ledger
        using (customer_id, evaluation, evaluation_date, rule_version)
    inner join {quality_after} as quality
        on scores.customer_id = quality.customer_id and quality.valid_from <= %(to)s
        and coalesce(quality.valid_to, date '9999-01-01') > %(to)s
    inner join seeds.quality_weights as weights
        on quality.quality_version = weights.rule_version and scores.evaluation = weights.dimension
    where scores.customer_id = any(%(customers)s) and scores.evaluation_date <= %(to)s
        and coalesce(scores.valid_to, date '9999-01-01') > %(to)s
    group by scores.customer_id, scores.evaluation, ledger.component
    union all
    select false, scores.customer_id, scores.evaluation, ledger.component,
        -sum(ledger.points) * max(weights.weight::numeric) / 100
    from {scores} as scores
    inner join {ledger} as ledger
        using (customer_id, evaluation, evaluation_date, rule_version)
    inner join {quality} as quality
        on scores.customer_id = quality.customer_id and quality.valid_from <= %(to)s
        and coalesce(quality.valid_to, date '9999-01-01') > %(to)s
    inner join seeds.quality_weights as weights
        on quality.quality_version = weights.rule_version and scores.evaluation = weights.dimension
    where scores.customer_id = any(%(customers)s) and scores.evaluation_date <= %(to)s
        and coalesce(scores.valid_to, date '9999-01-01') > %(to)s
    group by scores.customer_id, scores.evaluation, ledger.component
),
moved as (
    select customer_id, evaluation, component, round(sum(points), 2) as points
    from points
    group by customer_id, evaluation, component
),
ranked as (
    select
        *,
        row_number() over (
            partition by customer_id order by abs(points) desc, evaluation asc, component asc
        ) as place
    from moved
    where points <> 0
)
select
    ranked.customer_id, ranked.evaluation, ranked.component, ranked.points,
    coalesce(labels.label_en, ranked.component) as label_en,
    coalesce(labels.label_zh, ranked.component) as label_zh
from ranked
left join seeds.evaluation_labels as labels
    on ranked.evaluation = labels.evaluation and ranked.component = labels.component
where ranked.place <= %(reasons)s
order by ranked.customer_id, ranked.place
"""

HITS_SQL = """
select
    case
        when before.hit_id is null then 'gained'
        when after.hit_id is null then 'lost'
        when (before.points, before.severity) is distinct from (after.points, after.severity) then 'changed'
        else 'kept'
    end as change,
    coalesce(after.rule_id, before.rule_id) as rule_id,
    coalesce(after.rule_name_en, before.rule_name_en) as rule_name_en,
    coalesce(after.rule_name_zh, before.rule_name_zh) as rule_name_zh,
    coalesce(after.kind, before.kind) as kind,
    coalesce(after.severity, before.severity) as severity,
    before.points as points_before,
    after.points as points_after,
    coalesce(after.call_id, before.call_id) as call_id,
    coalesce(after.customer_id, before.customer_id) as customer_id,
    coalesce(after.call_date, before.call_date) as call_date,
    coalesce(after.role, before.role) as role,
    coalesce(after.start_ms, before.start_ms) as start_ms,
    coalesce(after.quoted_text, before.quoted_text) as quoted_text,
    coalesce(after.context, before.context) as context
from (select * from {hits} where call_date between %(from)s and %(to)s) as before
full join (select * from {hits_after} where call_date between %(from)s and %(to)s) as after
    on before.hit_id = after.hit_id and before.rule_id = after.rule_id
order by 1, 2, call_date, call_id, start_ms
"""

VIOLATIONS_SQL = """
select
    coalesce(after.rule_type, before.rule_type) as rule_type,
    max(coalesce(after.rule_type_name_en, before.rule_type_name_en)) as name_en,
    max(coalesce(after.rule_type_name_zh, before.rule_type_name_zh)) as name_zh,
    count(before.rule_violation_id) as before,
    count(after.rule_violation_id) as after,
    count(*) filter (where before.rule_violation_id is null) as gained,
    count(*) filter (where after.rule_violation_id is null) as lost
from (select * from {violations} where violation_date between %(from)s and %(to)s) as before
full join (select * from {violations_after} where violation_date between %(from)s and %(to)s) as after
    on before.rule_violation_id = after.rule_violation_id
group by 1
order by 1
"""

EMOTIONS_SQL = """
select
    before.adjusted_label as before, after.adjusted_label as after, count(*) as sides,
    round(avg(after.adjusted_index - before.adjusted_index)::numeric, 2) as mean_index_change
from (select * from {emotions} where call_date between %(from)s and %(to)s and is_selected) as before
full join (
    select * from {emotions_after} where call_date between %(from)s and %(to)s and is_selected
) as after
    on before.call_id = after.call_id and before.side = after.side
group by 1, 2
order by 1, 2
"""


def compare(
    connection: Connection[Any],
    prefix: str,
    from_date: date,
    to_date: date,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """The difference between the published tables and those in schemas that begin with `prefix`.

    Days are business days, both included; `_before` is as published, `_after` as replayed. What is
    said of customers holds for the last day of the range unless it says otherwise.
    """
    built = {
        (schema.removeprefix(prefix), table)
        for schema, table in connection.execute(
            "select schemaname, tablename from pg_tables where starts_with(schemaname, %s)",
            (prefix,),
        )
    }
    names: dict[str, sql.Identifier] = {}
    for name, schema, table in TABLES:
        names[name] = sql.Identifier(schema, table)
        side = f"{prefix}{schema}" if (schema, table) in built else schema
        names[f"{name}_after"] = sql.Identifier(side, table)
    values = {"from": from_date, "to": to_date}

    def rows(statement: str, **more: Any) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(sql.SQL(statement).format(**names), {**values, **more})
            return [{key: _plain(value) for key, value in row.items()} for row in cursor.fetchall()]

    marts = [
        _counts(connection, prefix, table) for schema, table in sorted(built) if schema == "marts"
    ]
    at_end = rows(AT_END_SQL)
    changed_tiers = rows(TIER_CHANGES_SQL)
    movers = [row for row in at_end if row["change"]][:MOVERS]
    reasons = rows(REASONS_SQL, customers=[row["customer_id"] for row in movers], reasons=REASONS)
    for mover in movers:
        mover["reasons"] = [
            {key: value for key, value in reason.items() if key != "customer_id"}
            for reason in reasons
            if reason["customer_id"] == mover["customer_id"]
        ]
    hits = rows(HITS_SQL)
    emotions = rows(EMOTIONS_SQL) if ("marts", "call_emotions") in built else []
    return {
        "from": from_date.isoformat(),
        "to": to_date.isoformat(),
        "versions": dict(versions),
        "is_identical": not any(m["added"] or m["removed"] or m["changed"] for m in marts),
        "marts": marts,
        "customers": {
            "compared": len(at_end),
            "scores_changed": sum(row["change"] != 0 for row in at_end),
            **{f"mean_{side}": _mean(at_end, side) for side in ("before", "after")},
            "tiers_changed": len(changed_tiers),
            "tiers_up": sum(row["tier_after"] < row["tier_before"] for row in changed_tiers),
            "tiers_down": sum(row["tier_after"] > row["tier_before"] for row in changed_tiers),
            "tiers_changed_today": rows(NOW_SQL)[0]["count"],
        },
        "tiers": [
            {
                "tier": tier,
                "before": sum(row["tier_before"] == tier for row in at_end),
                "after": sum(row["tier_after"] == tier for row in at_end),
            }
            for tier in "ABCD"
        ],
        "totals": _histogram(at_end),
        "tier_changes": sorted(
            changed_tiers,
            key=lambda row: (-abs(row["total_after"] - row["total_before"]), row["customer_id"]),
        )[:LISTED],
        "evaluations": rows(EVALUATIONS_SQL),
        "movers": movers,
        "phrase_hits": _by_change(hits),
        "phrase_rules": _by_rule(hits),
        "hits_gained": [row for row in hits if row["change"] == "gained"][:LISTED],
        "hits_lost": [row for row in hits if row["change"] == "lost"][:LISTED],
        "sales_rules": rows(VIOLATIONS_SQL),
        "emotions": emotions,
    }


def _counts(connection: Connection[Any], prefix: str, table: str) -> dict[str, Any]:
    """Rows of a mart on both sides, and how many are on one alone or are not the same."""
    before, after = sql.Identifier("marts", table), sql.Identifier(f"{prefix}marts", table)
    only = sql.SQL(
        "select (select count(*) from {0}), (select count(*) from {1}),"
        " (select count(*) from (select * from {0} except all select * from {1}) as gone),"
        " (select count(*) from (select * from {1} except all select * from {0}) as new)"
    ).format(before, after)
    row = connection.execute(only).fetchone()
    rows_before, rows_after, gone, new = row or (0, 0, 0, 0)
    keys = [name for (name,) in connection.execute(KEYS_SQL, (f'marts."{table}"',)).fetchall()]
    changed = 0
    if keys and gone and new:
        columns = sql.SQL(", ").join(sql.Identifier(key) for key in keys)
        found = connection.execute(
            sql.SQL(
                "with gone as (select * from {0} except all select * from {1}),"
                " new as (select * from {1} except all select * from {0})"
                " select count(*) from gone inner join new using ({2})"
            ).format(before, after, columns)
        ).fetchone()
        changed = found[0] if found else 0
    return {
        "mart": table,
        "rows_before": rows_before,
        "rows_after": rows_after,
        "added": new - changed,
        "removed": gone - changed,
        "changed": changed,
    }


def _mean(rows: list[dict[str, Any]], side: str) -> float | None:
    totals = [row[f"total_{side}"] for row in rows if row[f"total_{side}"] is not None]
    return round(sum(totals) / len(totals), 2) if totals else None


def _histogram(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Customers by total score on both sides, in bins of BIN points from the lowest to the highest."""
    sides = {
        side: [row[f"total_{side}"] for row in rows if row[f"total_{side}"] is not None]
        for side in ("before", "after")
    }
    if not any(sides.values()):
        return []
    edges = [int(min(total, 99.99) // BIN) for totals in sides.values() for total in totals]
    return [
        {
            "from": edge * BIN,
            "to": (edge + 1) * BIN,
            **{
                side: sum(int(min(total, 99.99) // BIN) == edge for total in totals)
                for side, totals in sides.items()
            },
        }
        for edge in range(min(edges), max(edges) + 1)
    ]


def _by_change(hits: list[dict[str, Any]]) -> dict[str, int]:
    counts = {
        change: sum(hit["change"] == change for hit in hits)
        for change in ("gained", "lost", "changed", "kept")
    }
    both = counts["changed"] + counts["kept"]
    return {"before": both + counts["lost"], "after": both + counts["gained"], **counts}


def _by_rule(hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Counts by rule, those that changed most first."""
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for hit in hits:
        by_rule.setdefault(hit["rule_id"], []).append(hit)
    found = [
        {
            "rule_id": rule_id,
            "name_en": of_rule[0]["rule_name_en"],
            "name_zh": of_rule[0]["rule_name_zh"],
            "severity": of_rule[0]["severity"],
            **_by_change(of_rule),
        }
        for rule_id, of_rule in by_rule.items()
    ]
    return sorted(found, key=lambda row: (-(row["gained"] + row["lost"]), row["rule_id"]))


def _plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
