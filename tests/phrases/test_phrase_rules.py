"""Rule files: what is taken, and that every fault is named with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ml.phrases import Rule, RulesRefusedError, library, load_rules, parse_rule, rule_hash, signals
from ml.phrases.rules import announcements

GOOD = """\
version: 3
rules:
  - id: a
    severity: major
    any: [保证收益]
"""


def refused(text: str | bytes) -> list[tuple[int | None, int | None, str | None, str]]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(RulesRefusedError) as caught:
        load_rules(data)
    return [(e.line, e.column, e.rule_id, e.reason) for e in caught.value.errors]


def with_line(line: str) -> str:
    return GOOD + f"    {line}\n"


def test_defaults_are_filled_in() -> None:
    (rule,) = load_rules(GOOD.encode()).rules
    assert rule == Rule(id="a", severity="major", points=10.0, any=("保证收益",))
    assert (rule.role, rule.language, rule.unless_window_chars, rule.when) == (
        "any",
        "any",
        12,
        "always",
    )


@pytest.mark.parametrize(("severity", "points"), [("critical", 20), ("major", 10), ("minor", 3)])
def test_points_follow_severity(severity: str, points: int) -> None:
    assert parse_rule({"id": "a", "severity": severity, "any": ["x"]}).points == points
    assert parse_rule({"id": "a", "severity": severity, "any": ["x"], "points": 0}).points == 0


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("homophones: true", "homophones", "strict"),
        ("homophones: yes", "homophones", "strict"),
        ("homophones: false", "homophones", "no"),
        ("homophones: loose", "homophones", "loose"),
        ("max_edits: 2", "max_edits", 2),
        ("unless_window_chars: 0", "unless_window_chars", 0),
        ("within_seconds: 2.5", "within_seconds", 2.5),
        ("role: customer", "role", "customer"),
        ("language: zh-CN", "language", "zh-CN"),
        ("regex: ['\\d+%']", "regex", ("\\d+%",)),
        ('all: [no, on, "1"]', "all", ("no", "on", "1")),
        ("name: {en: X, zh: 甲}", "name", {"en": "X", "zh": "甲"}),
        ("when: connected", "when", "connected"),
        ("points: 0", "points", 0.0),
        ("points: 2.5", "points", 2.5),
    ],
)
def test_every_key_is_read(line: str, field: str, value: Any) -> None:
    assert getattr(load_rules(with_line(line).encode()).rules[0], field) == value


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        (with_line("colour: red"), (6, 5), "unknown key 'colour'"),
        (GOOD + "author: me\n", (6, 1), "unknown key 'author'"),
        (with_line("any: [x]"), (6, 5), "doubled key 'any'"),
        (
            "version: 1\nversion: 2\nrules: [{id: a, severity: minor, any: [x]}]",
            (2, 1),
            "doubled key 'version'",
        ),
        (GOOD + "  - {id: a, severity: minor, any: [x]}\n", (6, 10), "doubled id, first at line 3"),
        (with_line("points: many"), (6, 13), "points must be a number"),
        (with_line("points: '5'"), (6, 13), "points must be a number"),
        (with_line("points: true"), (6, 13), "points must be a number"),
        (with_line("points: -1"), (6, 13), "points is negative"),
        (with_line("points: .inf"), (6, 13), "points must be a number"),
        (with_line("points: 1e400"), (6, 13), "finite"),
        (with_line("points:"), (6, 12), "not nothing"),
        (with_line("max_edits: -1"), (6, 16), "max_edits is negative"),
        (with_line("max_edits: 1.5"), (6, 16), "whole number"),
        (with_line("within_seconds: -3"), (6, 21), "within_seconds is negative"),
        (with_line("unless_window_chars: -1"), (6, 26), "unless_window_chars is negative"),
        (with_line("role: boss"), (6, 11), "role must be one of agent, customer, any"),
        (with_line("when: later"), (6, 11), "when must be one of"),
        (with_line("homophones: maybe"), (6, 17), "homophones must be true, false or loose"),
        (with_line("homophones: 1"), (6, 17), "homophones must be"),
        (with_line("language: [zh]"), (6, 15), "language must be text"),
        (with_line("unless: []"), (6, 13), "unless is an empty list"),
        (with_line("unless: 不"), (6, 13), "unless must be a list"),
        (with_line("unless: [[不]]"), (6, 14), "unless holds a list"),
        (with_line("all: [12]"), (6, 11), "all holds a number"),
        (with_line("all: [true]"), (6, 11), "all holds true or false"),
        (with_line("all: [~]"), (6, 11), "all holds nothing"),
        (with_line("all: ['，…']"), (6, 11), "folds to nothing"),
        (with_line("all: ['']"), (6, 11), "folds to nothing"),
        (with_line("require: ['\u200b😀']"), (6, 15), "folds to nothing"),
        (with_line("require: ['\u3164']"), (6, 15), "folds to nothing"),
        (with_line("regex: ['(a']"), (6, 13), "bad pattern '(a'"),
        (with_line("regex: ['a(?=b)']"), (6, 13), "bad pattern"),
        (with_line(r"regex: ['(a)\1']"), (6, 13), "bad pattern"),
        (with_line("regex: ['']"), (6, 13), "bad pattern ''"),
        (with_line("regex: ['a{2000}']"), (6, 13), "bad pattern"),
        (with_line("name: {en: 5}"), (6, 16), "name.en must be text"),
        (with_line("name: {en: A, en: B}"), (6, 19), "doubled key 'en'"),
        ("version: 1\nrules: []\n", (2, 8), "rules is an empty list"),
        ("version: 1\nrules:\n", (2, 7), "rules must be a list"),
        ("version: 1\n", (1, 1), "without rules"),
        ("rules: [{id: a, severity: minor, any: [x]}]", (1, 1), "without version"),
        (
            "version: three\nrules: [{id: a, severity: minor, any: [x]}]",
            (1, 10),
            "version must be a whole number",
        ),
        (
            "version: -1\nrules: [{id: a, severity: minor, any: [x]}]",
            (1, 10),
            "version is negative",
        ),
        ("version: 1\nrules: [{severity: minor, any: [x]}]", (2, 9), "without id"),
        ("version: 1\nrules: [{id: 5, severity: minor, any: [x]}]", (2, 14), "id must be text"),
        ("version: 1\nrules: [{id: '', severity: minor, any: [x]}]", (2, 14), "id is empty"),
        ("version: 1\nrules: [{id: a, any: [x]}]", (2, 9), "without severity"),
        (
            "version: 1\nrules: [{id: a, severity: minor}]",
            (2, 9),
            "one of any, all, regex, require",
        ),
        ("version: 1\nrules: [{id: a, severity: minor, unless: [x]}]", (2, 9), "one of any, all"),
        ("version: 1\nrules: [a]", (2, 9), "a rule must be a mapping"),
        ("- a", (1, 1), "must be a mapping"),
        ("version: &v 1\nrules: [{id: a, severity: minor, any: [x]}]", (1, 10), "anchor &v"),
        ("version: 1\nrules: *r", (2, 8), "alias *r"),
        ("version: !!int 1\nrules: [{id: a, severity: minor, any: [x]}]", (1, 10), "tag"),
        ("version: 1\nrules: [{id: !!str a, severity: minor, any: [x]}]", (2, 14), "tag"),
        ("version: 1\nrules: !!python/object/apply:os.system [x]", (2, 8), "tag"),
        (GOOD + "---\nversion: 2\n", (6, 1), "more than one YAML document"),
        ("version: 1\nrules: [", (3, 1), "not YAML"),
        ("version: 1\n\trules: x", (2, 1), "not YAML"),
        ("", (1, 1), "empty"),
        ("# nothing\n", (1, 1), "empty"),
        ("version: 1\nrules: [{id: a, severity: minor, any: ['a\x07b']}]", (2, 42), "YAML forbids"),
        (b"version: 1\n# \xc4\xe3", (2, 3), "not UTF-8"),
        (GOOD.encode("utf-16"), (1, 1), "not UTF-8"),
        (GOOD.encode("gb18030"), (5, 11), "not UTF-8"),
        (b"#" * 10_000_001, (1, 1), "over 10 MB"),
    ],
)
def test_a_fault_is_named_with_its_place(
    text: str | bytes, place: tuple[int, int], reason: str
) -> None:
    faults = refused(text)
    assert faults[0][:2] == place, faults
    assert reason in faults[0][3]


def test_all_faults_are_named_with_their_rule() -> None:
    text = """\
version: 3
rules:
  - id: first
    severity: huge
    any: []
  - severity: minor
    id: second
    any: [ok]
    role: nobody
    colour: red
"""
    assert [(line, rule_id) for line, _, rule_id, _ in refused(text)] == [
        (4, "first"),
        (5, "first"),
        (9, "second"),
        (10, "second"),
    ]


@pytest.mark.parametrize("size", [200, 100_000])
def test_deep_nesting_is_refused(size: int) -> None:
    assert "nested too deep" in refused("[" * size)[0][3]


def test_a_file_with_a_byte_order_mark_is_taken() -> None:
    assert len(load_rules(GOOD.encode("utf-8-sig")).rules) == 1


def test_many_aliases_do_not_swell() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert any("alias" in reason for _, _, _, reason in refused("\n".join(lines)))


def test_rules_from_a_crm_pass_the_same_checks() -> None:
    with pytest.raises(RulesRefusedError) as caught:
        parse_rule({"id": "a", "severity": "minor", "any": [], "extra": 1})
    assert {(e.line, e.rule_id) for e in caught.value.errors} == {(None, "a")}
    assert len(caught.value.errors) == 2
    with pytest.raises(RulesRefusedError, match="surrogate"):
        parse_rule({"id": "a", "severity": "minor", "any": ["a\ud800"]})
    with pytest.raises(RulesRefusedError, match="a rule must be a mapping"):
        parse_rule(json.loads("[]"))


def test_the_hash_follows_what_a_rule_does() -> None:
    base = {"id": "a", "severity": "minor", "any": ["x"], "name": {"en": "One"}}
    hashed = rule_hash(parse_rule(base))
    assert len(hashed) == 16
    assert rule_hash(parse_rule({**base, "name": {"en": "Two"}})) == hashed
    assert rule_hash(parse_rule({**base, "points": 3, "role": "any"})) == hashed
    changes: list[dict[str, Any]] = [
        {"points": 4},
        {"severity": "major"},
        {"any": ["y"]},
        {"all": ["y"]},
        {"regex": ["y"]},
        {"unless": ["y"]},
        {"unless_window_chars": 3},
        {"homophones": True},
        {"max_edits": 1},
        {"require": ["y"]},
        {"within_seconds": 3},
        {"when": "connected"},
        {"language": "zh"},
        {"role": "agent"},
        {"id": "b"},
    ]
    hashes = [rule_hash(parse_rule({**base, **change})) for change in changes]
    assert len({hashed, *hashes}) == len(changes) + 1


def test_what_ships_is_taken() -> None:
    assert len(library().rules) >= 10
    assert {rule.id for rule in signals().rules} == {
        "price_asked",
        "callback_agreed",
        "competitor_named",
        "objection",
        "purchase_intent",
        "not_interested",
        "wrong_person",
        "do_not_call_asked",
    }
    assert all(rule.role == "customer" and rule.points == 0 for rule in signals().rules)
    said_by_machines = {
        "voicemail",
        "ivr",
        "busy",
        "congestion",
        "no_answer",
        "invalid_number",
        "switched_off",
        "out_of_service",
        "unreachable",
    }
    assert {rule.id for rule in announcements().rules} == said_by_machines


def test_real_rules(test_data: Path) -> None:
    found = load_rules((test_data / "landing" / "phrase_rules.yaml").read_bytes())
    assert (found.version, len(found.rules)) == (3, 12)
    (extract,) = (test_data / "landing" / "crm" / "phrase_rules").glob("*/*.jsonl.gz")
    with gzip.open(extract, "rt", encoding="utf-8") as lines:
        from_crm = [parse_rule(json.loads(line)["definition"]) for line in lines]
    assert [rule_hash(rule) for rule in from_crm] == [rule_hash(rule) for rule in found.rules]
