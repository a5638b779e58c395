"""The versions that a past range can be computed under: sets of rules, weights, emotion models."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from psycopg import Connection
from psycopg.types.json import Jsonb

from callmart.settings import Settings
from callmart.warehouse import connect
from callmart.warehouse.dbt import PROJECT_DIR

if TYPE_CHECKING:
    from ml.phrases import Rule

Kind = Literal["rules", "weights", "model"]
KINDS: tuple[Kind, ...] = ("rules", "weights", "model")

WEIGHT_SEEDS = ("evaluation_weights", "quality_weights", "quality_tiers")
"""The seeds that share the numbers of `--weights`; a number names what each holds under it."""

# What was in force from each moment on at which a rule of the CRM began, ended or was corrected, as
# the warehouse judges it (int_sales_rules_dated, int_phrase_hits_judged).
STATES_SQL = """
with sales as (
    select
        in_force_from, in_force_to, rule_id,
        jsonb_build_object(
            'rule_id', rule_id, 'rule_type', rule_type, 'campaign_id', campaign_id, 'region', region,
            'parameters', parameters, 'severity', severity, 'effective_from', effective_from,
            'rule_version', rule_version
        ) as content
    from intermediate.int_sales_rules_dated
),
phrases as (
    select
        greatest(valid_from, effective_from) as in_force_from,
        least(valid_to, coalesce(effective_to, timestamptz '9999-01-01 00:00:00+00')) as in_force_to,
        rule_id,
        effective_from,
        jsonb_build_object(
            'rule_id', rule_id, 'definition', definition, 'effective_from', effective_from,
            'rule_version', dense_rank() over (partition by rule_id order by effective_from)
        ) as content
    from staging.stg_callmart__phrase_rules_versions
),
moments as (
    select moment from (
        select in_force_from as moment from sales
        union select in_force_to from sales
        union select in_force_from from phrases where in_force_from < in_force_to
        union select in_force_to from phrases where in_force_from < in_force_to
    ) as edges
    where moment < timestamptz '9999-01-01 00:00:00+00'
)
select
    moment,
    (
        select coalesce(jsonb_agg(content order by rule_id), '[]')
        from sales
        where moment >= in_force_from and moment < in_force_to
    ),
    (
        select coalesce(jsonb_agg(content order by rule_id), '[]')
        from (
            select distinct on (rule_id) rule_id, content
            from phrases
            where moment >= in_force_from and moment < in_force_to
            order by rule_id asc, effective_from desc
        ) as standing
    ),
    exists (select from phrases)
from moments
order by moment
"""

# The shipped library judges where the CRM never delivered a phrase rule.
LIBRARY_SQL = """
select rule_id, rule_hash, definition, rule_version from (
    select
        rule_id, rule_hash, definition,
        row_number() over (partition by rule_id order by first_seen_at desc, rule_hash desc) as age_rank,
        row_number() over (partition by rule_id order by first_seen_at, rule_hash) as rule_version
    from facts.phrase_rules
    where origin = 'library' and purpose = 'rule'
) as shipped
where age_rank = 1
order by rule_id
"""


class UnknownVersionError(LookupError):
    """There is no such version; the message lists those that exist."""


class RuleFileError(ValueError):
    """A rule file cannot become a version; the message says why."""


@dataclass(frozen=True)
class Version:
    """A version that a range can be replayed under."""

    kind: Kind
    version: str
    """What `--rules`, `--weights` or `--model` takes."""
    label: str
    """In words: where it comes from."""
    status: str
    """in force, known, proposed, retired."""


def register_rules(settings: Settings) -> list[int]:
    """Enter every state of the CRM's rules that has no number yet; the new numbers.

    The numbers follow the moments from which the states were in force, behind those given before.
    Raises psycopg.errors.UndefinedTable before the first build of the marts.
    """
    with connect(settings.as_transformer()) as connection:
        states = _states(connection)
    with connect(settings.as_loader()) as connection:
        connection.execute("lock table ops.rule_sets in exclusive mode")
        numbers = [_enter(connection, **state) for state in states]
    return [number for number in numbers if number is not None]


def _states(connection: Connection[Any]) -> list[dict[str, Any]]:
    """What was in force from which moment on, as arguments of `_enter`."""
    from ml.phrases import RulesRefusedError, parse_rule, rule_hash

    library = [
        {
            "rule_id": rule_id, "rule_hash": digest, "rule_version": number,
            "effective_from": None, "definition": definition,
        }
        for rule_id, digest, definition, number in connection.execute(LIBRARY_SQL).fetchall()
    ]  # fmt: skip
    rows = connection.execute(STATES_SQL).fetchall()
    if not rows and library:
        rows = [(None, [], [], False)]
    states: list[dict[str, Any]] = []
    for moment, sales, phrases, is_delivered in rows:
        chosen: list[dict[str, Any]] = []
        for row in phrases:
            try:
                chosen.append({**row, "rule_hash": rule_hash(parse_rule(row["definition"]))})
            except RulesRefusedError:
                # It judges nothing; ops.notices names it.
                continue
        since = f" from {moment:%Y-%m-%d %H:%M} UTC on" if moment else ""
        states.append(
            {
                "origin": "crm" if is_delivered or sales else "library",
                "label": f"the CRM's rules{since}"
                if is_delivered
                else f"sales rules{since}, shipped phrases",
                "moment": moment,
                "phrases": chosen if is_delivered else library,
                "sales": sales,
            }
        )
    return states


def propose_rules(settings: Settings, path: Path) -> int:
    """Make a rule file a version that `--rules` names: the file's own; its number.

    The same file again is the same version. Sales rules are left to the CRM.

    Raises:
        RulesRefusedError: the file has faults.
        RuleFileError: its number belongs to another set.
    """
    from ml.phrases import load_rules, rule_hash

    read = load_rules(path.read_bytes())
    phrases = [
        {
            "rule_id": rule.id, "rule_hash": rule_hash(rule), "rule_version": read.version,
            "effective_from": None, "definition": _definition(rule),
        }
        for rule in sorted(read.rules, key=lambda rule: rule.id)
    ]  # fmt: skip
    with connect(settings.as_loader()) as connection:
        connection.execute("lock table ops.rule_sets in exclusive mode")
        taken = connection.execute(
            "select label, content_sha256 from ops.rule_sets where rules_version = %s",
            (read.version,),
        ).fetchone()
        digest = _digest(phrases, None)
        if taken is None:
            number = _enter(
                connection,
                origin="file",
                label=f"{path.name}, version {read.version}",
                moment=None,
                phrases=phrases,
                sales=None,
                number=read.version,
            )
            return read.version if number is None else number
        if taken[1] == digest:
            return read.version
        free = max(row[0] for row in connection.execute("select rules_version from ops.rule_sets"))
        raise RuleFileError(
            f"{path}: version {read.version} is {taken[0]} already, and another set:"
            f" write `version: {free + 1}` or higher"
        )


def _enter(
    connection: Connection[Any],
    *,
    origin: str,
    label: str,
    moment: datetime | None,
    phrases: Sequence[Mapping[str, Any]],
    sales: Sequence[Mapping[str, Any]] | None,
    number: int | None = None,
) -> int | None:
    """The number of a set that is new; None where the same content has one."""
    row = connection.execute(
        "insert into ops.rule_sets"
        " (rules_version, origin, label, in_force_from, phrase_rules, sales_rules, content_sha256)"
        " select coalesce(%s, (select coalesce(max(rules_version), 0) + 1 from ops.rule_sets)),"
        " %s, %s, %s, %s, %s, %s"
        " on conflict (content_sha256) do nothing returning rules_version",
        (
            number, origin, label, moment, Jsonb(list(phrases)),
            None if sales is None else Jsonb(list(sales)), _digest(phrases, sales),
        ),
    ).fetchone()  # fmt: skip
    return None if row is None else int(row[0])


def _digest(phrases: Sequence[Mapping[str, Any]], sales: Sequence[Mapping[str, Any]] | None) -> str:
    """Of what judges: two files that only write it otherwise are one set."""
    judged = [{k: v for k, v in row.items() if k != "definition"} for row in phrases]
    return hashlib.sha256(json.dumps([judged, sales], sort_keys=True).encode()).hexdigest()


def _definition(rule: Rule) -> dict[str, Any]:
    """A rule as the CRM would send it: what differs from the defaults."""
    definition: dict[str, Any] = {"id": rule.id, "severity": rule.severity, "points": rule.points}
    if rule.name:
        definition["name"] = dict(rule.name)
    for field in ("role", "language", "when"):
        definition[field] = getattr(rule, field)
    for field in ("any", "all", "regex", "unless", "require"):
        if getattr(rule, field):
            definition[field] = list(getattr(rule, field))
    definition["unless_window_chars"] = rule.unless_window_chars
    if rule.homophones != "no":
        definition["homophones"] = True if rule.homophones == "strict" else rule.homophones
    if rule.max_edits:
        definition["max_edits"] = rule.max_edits
    if rule.within_seconds is not None:
        definition["within_seconds"] = rule.within_seconds
    return definition


def list_versions(settings: Settings) -> list[Version]:
    """All versions, by kind, the newest last; states of the CRM's rules are entered on the way."""
    register_rules(settings)
    with connect(settings.as_loader()) as connection:
        return [
            *_rules(connection),
            *_weights(connection),
            *_models(connection, settings.emotion_families),
        ]


def _rules(connection: Connection[Any]) -> list[Version]:
    rows = connection.execute(
        "select rules_version, label, jsonb_array_length(phrase_rules),"
        " jsonb_array_length(sales_rules), origin,"
        " in_force_from is not null and in_force_from = ("
        "   select max(in_force_from) from ops.rule_sets where in_force_from <= now())"
        " from ops.rule_sets order by rules_version"
    ).fetchall()
    return [
        Version(
            "rules",
            str(number),
            f"{label}: {phrases} phrase rules"
            + (f", {sales} sales rules" if sales is not None else ", sales rules as in force"),
            "in force" if is_newest else ("proposed" if origin == "file" else "known"),
        )
        for number, label, phrases, sales, origin, is_newest in rows
    ]


def _weights(connection: Connection[Any]) -> list[Version]:
    """Those of the seeds, as the files stand, and those that were proposed."""
    holders: dict[int, dict[str, None]] = {}
    dated: dict[int, str] = {}
    for seed in WEIGHT_SEEDS:
        path = PROJECT_DIR / "seeds" / f"{seed}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                number = int(row["rule_version"])
                name = row.get("evaluation") or seed.replace("_", " ")
                holders.setdefault(number, {})[name] = None
                dated.setdefault(number, row["effective_from"])
    found = {
        number: ("known", f"shipped, from {dated[number]}: {', '.join(names)}")
        for number, names in holders.items()
    }
    for number, status, names, note in connection.execute(
        "select rule_version, min(status), string_agg(evaluation, ', ' order by evaluation),"
        " min(note) from ops.evaluation_versions where status <> 'discarded'"
        " group by rule_version order by rule_version"
    ).fetchall():
        found[number] = (status, f"{note}: {names}" if note else names)
    return [
        Version("weights", str(number), label, status)
        for number, (status, label) in sorted(found.items())
    ]


def _models(connection: Connection[Any], families: Sequence[str]) -> list[Version]:
    """Those that were trained here, those that come with callmart, those of which facts remain."""
    from ml.emotion import ModelError, load_model

    found: dict[str, Version] = {}
    promoted = set()
    for number, family, status, corpus in connection.execute(
        "select model_version, family, status, corpus from ops.emotion_models order by trained_at"
    ).fetchall():
        if status == "in_force":
            promoted.add(family)
        found[number] = Version(
            "model", number, f"{family}, trained on {corpus}", status.replace("_", " ")
        )
    for family in families:
        try:
            number = load_model(family).version
        except ModelError:
            continue
        status = "known" if family in promoted else "in force"
        found[number] = Version("model", number, f"{family}, comes with callmart", status)
    for number, family in connection.execute(
        "select distinct model_version, family from facts.emotions order by model_version"
    ).fetchall():
        found.setdefault(number, Version("model", number, f"{family}, heard earlier", "known"))
    return list(found.values())


def resolve(settings: Settings, wanted: Mapping[Kind, str]) -> dict[Kind, str]:
    """The versions by kind, as the warehouse writes them; a model's may be its beginning.

    Raises:
        UnknownVersionError: one does not exist; the message lists those that do.
    """
    known = list_versions(settings)
    found: dict[Kind, str] = {}
    for kind in KINDS:
        if kind not in wanted:
            continue
        text = wanted[kind].strip()
        there = [version for version in known if version.kind == kind]
        exact = [version for version in there if version.version == text]
        begins = [
            version for version in there if kind == "model" and version.version.startswith(text)
        ]
        chosen = exact or begins
        if len(chosen) != 1 or not text:
            listed = "\n".join(f"  {v.version:<14} {v.label} ({v.status})" for v in there)
            raise UnknownVersionError(
                f"--{kind} {wanted[kind]}: "
                + ("there are several" if len(chosen) > 1 else "there is no such version")
                + (f"; those that exist:\n{listed}" if listed else "; none exists yet")
            )
        found[kind] = chosen[0].version
    return found
