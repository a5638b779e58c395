"""Phrase rules: reading them, and refusing what is not one.

A rule file is YAML read strictly: it is taken whole or refused whole, with every fault found, its
line and its reason. Rules that come from a CRM as JSON pass the same checks.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any, Final, Literal

import re2
import yaml

from ml.phrases import folding

MAX_BYTES: Final = 10_000_000
# A rule file is a mapping of a list of mappings of lists; deeper than this is no rule file.
_MAX_DEPTH: Final = 12
# A file of 10 MB has fewer values than this unless it is made to be slow to read.
_MAX_VALUES: Final = 1_500_000
# Nobody reads more faults than this of one file.
_MAX_ERRORS: Final = 1000
_POINTS: Final = {"critical": 20.0, "major": 10.0, "minor": 3.0}
_STR_TAG: Final = "tag:yaml.org,2002:str"

Severity = Literal["critical", "major", "minor"]
Side = Literal["agent", "customer", "any"]


@dataclass(frozen=True)
class RuleError:
    """One fault. line and column count from 1; null where the rule did not come from a file."""

    line: int | None
    column: int | None
    rule_id: str | None
    reason: str

    def as_item(self) -> dict[str, Any]:
        return {
            "line": self.line,
            "column": self.column,
            "rule_id": self.rule_id,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}, column {self.column}: "
        rule = "" if self.rule_id is None else f"rule {self.rule_id}: "
        return f"{place}{rule}{self.reason}"


class RulesRefusedError(ValueError):
    """The rules are refused whole; `errors` says why, in order of place."""

    def __init__(self, errors: Iterable[RuleError]) -> None:
        self.errors = sorted(errors, key=lambda error: (error.line or 0, error.column or 0))
        super().__init__("; ".join(str(error) for error in self.errors))


@dataclass(frozen=True)
class Rule:
    """One rule, checked, with the defaults filled in. Phrases are as written, not folded."""

    id: str
    severity: Severity
    points: float
    name: Mapping[str, str] = field(default_factory=dict, hash=False)
    role: Side = "any"
    language: str = "any"
    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    unless_window_chars: int = 12
    homophones: Literal["no", "strict", "loose"] = "no"
    max_edits: int = 0
    require: tuple[str, ...] = ()
    within_seconds: float | None = None
    when: Literal["always", "connected"] = "always"

    def applies_to(self, language: str | None) -> bool:
        """Whether the rule is for a transcript of this language ("zh" covers "zh-CN")."""
        if self.language == "any" or not language:
            return True
        wanted = self.language.lower().replace("_", "-")
        given = language.lower().replace("_", "-")
        return given == wanted or given.startswith(wanted + "-")


@dataclass(frozen=True)
class RuleSet:
    """The rules of one file."""

    version: int
    rules: tuple[Rule, ...]


def rule_hash(rule: Rule) -> str:
    """16 hex digits that change when anything of the rule but its name does."""
    content = {
        "id": rule.id,
        "severity": rule.severity,
        "points": rule.points,
        "role": rule.role,
        "language": rule.language,
        "any": rule.any,
        "all": rule.all,
        "regex": rule.regex,
        "unless": rule.unless,
        "unless_window_chars": rule.unless_window_chars,
        "homophones": rule.homophones,
        "max_edits": rule.max_edits,
        "require": rule.require,
        "within_seconds": rule.within_seconds,
        "when": rule.when,
    }
    text = json.dumps(content, ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- the document as nodes that know their place ------------------------------------------------


@dataclass(slots=True)
class _Node:
    line: int | None
    column: int | None
    value: Any  # str | int | float | bool | None | list[_Node] | list[tuple[_Node, _Node]]
    kind: Literal["scalar", "list", "mapping"]
    is_plain: bool = False  # a YAML scalar without quotes
    written: str = ""


def _from_python(value: Any) -> _Node:
    if isinstance(value, Mapping):
        pairs = [(_from_python(key), _from_python(item)) for key, item in value.items()]
        return _Node(None, None, pairs, "mapping")
    if isinstance(value, (list, tuple)):
        return _Node(None, None, [_from_python(item) for item in value], "list")
    return _Node(None, None, value, "scalar", written=str(value))


_SURROGATE = re.compile("[\ud800-\udfff]")
_STAYS = re.compile("[0-9A-Za-z\u4e00-\u9fff]")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


_CONSTANTS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def _scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar by the core schema of YAML 1.2."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    # Longer digits than any number of a rule stay text: turning them into numbers is slow.
    if len(text) <= 40:
        if _INT.match(text):
            return int(text)
        if _FLOAT.match(text):
            return float(text)
    return text


def _compose(text: str) -> _Node:
    """The nodes of the one YAML document in a text. Raises RulesRefusedError."""
    errors: list[RuleError] = []
    root: _Node | None = None
    stack: list[tuple[_Node, list[_Node]]] = []
    documents = 0
    values = 0
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            mark = event.start_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            if isinstance(event, yaml.CollectionEndEvent):
                node, children = stack.pop()
                pairs = node.kind == "mapping"
                node.value = (
                    list(zip(children[::2], children[1::2], strict=True)) if pairs else children
                )
            elif isinstance(event, yaml.NodeEvent):
                values += 1
                if values > _MAX_VALUES:
                    errors.append(RuleError(line, column, None, f"over {_MAX_VALUES} values"))
                    break
                if isinstance(event, yaml.ScalarEvent):
                    is_plain = not event.style
                    value = _scalar(event.value) if is_plain else event.value
                    node = _Node(line, column, value, "scalar", is_plain, event.value)
                elif isinstance(event, yaml.AliasEvent):
                    errors.append(RuleError(line, column, None, f"alias *{event.anchor}"))
                    node = _Node(line, column, None, "scalar")
                else:
                    is_list = isinstance(event, yaml.SequenceStartEvent)
                    node = _Node(line, column, [], "list" if is_list else "mapping")
                if event.anchor is not None and not isinstance(event, yaml.AliasEvent):
                    errors.append(RuleError(line, column, None, f"anchor &{event.anchor}"))
                tag = getattr(event, "tag", None)
                if tag is not None:
                    errors.append(RuleError(line, column, None, f"tag {tag}"))
                if len(errors) > _MAX_ERRORS:
                    break
                if node.kind != "scalar":
                    if len(stack) >= _MAX_DEPTH:
                        errors.append(RuleError(line, column, None, "nested too deep"))
                        break
                    stack.append((node, []))
                    continue
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    errors.append(RuleError(line, column, None, "more than one YAML document"))
                    break
                continue
            else:
                continue
            if stack:
                stack[-1][1].append(node)
            else:
                root = node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.problem, error.context) if part)
        errors.append(
            RuleError(
                mark.line + 1 if mark else None,
                mark.column + 1 if mark else None,
                None,
                f"not YAML: {reason}",
            )
        )
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        errors.append(
            RuleError(
                before.count("\n") + 1,
                len(before) - before.rfind("\n"),
                None,
                f"a character that YAML forbids: {error.reason}",
            )
        )
    if errors:
        raise RulesRefusedError(errors)
    if root is None:
        raise RulesRefusedError([RuleError(1, 1, None, "the file is empty")])
    return root


# --- checks --------------------------------------------------------------------------------------


def compile_regex(pattern: str) -> Any:
    """A pattern compiled by RE2, for text with width and case folded. Raises ValueError."""
    try:
        return re2.compile(narrow_pattern(pattern), regex_options())
    except re2.error as error:
        raw = error.args[0] if error.args else error
        reason = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
        raise ValueError(reason) from error


def regex_options() -> Any:
    """RE2's options for rules: linear time, letters of either case, nothing written to stderr."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return options


def narrow_pattern(pattern: str) -> str:
    """A pattern with its full-width characters narrowed, as the text is that it is held against.

    What would become an operator of the pattern language is escaped: a full-width question mark
    means a question mark.
    """
    parts: list[str] = []
    escaped = False
    for char in pattern:
        narrow = folding.plain(char)
        if char == narrow or char.isascii() or escaped:
            parts.append(char)
        elif narrow.isascii() and not narrow.isalnum() and not narrow.isspace():
            parts.append("\\" + narrow)
        else:
            parts.append(narrow)
        escaped = char == "\\" and not escaped
    return "".join(parts)


def _type_name(node: _Node) -> str:
    if node.kind != "scalar":
        return f"a {node.kind}"
    if node.value is None:
        return "nothing"
    return {bool: "true or false", int: "a number", float: "a number", str: "text"}.get(
        type(node.value), type(node.value).__name__
    )


class _TooManyFaultsError(Exception):
    """Ends the walk: the file is refused, and why has been said often enough."""


class _Checker:
    """Walks the nodes of one document and gathers its faults."""

    def __init__(self) -> None:
        self.errors: list[RuleError] = []
        self.rule_id: str | None = None

    def fault(self, node: _Node, reason: str) -> None:
        if len(self.errors) >= _MAX_ERRORS:
            raise _TooManyFaultsError
        self.errors.append(RuleError(node.line, node.column, self.rule_id, reason))

    def mapping(self, node: _Node, allowed: Iterable[str], what: str) -> dict[str, _Node]:
        """The items of a mapping by key; unknown and doubled keys are faults."""
        found: dict[str, _Node] = {}
        names = tuple(allowed)
        for key, value in node.value:
            name = key.written if key.is_plain else key.value
            if key.kind != "scalar" or not isinstance(name, str):
                self.fault(key, f"a key of {what} that is not text")
            elif name not in names:
                self.fault(key, f"unknown key {name!r} in {what}; known: {', '.join(names)}")
            elif name in found:
                self.fault(key, f"doubled key {name!r} in {what}")
            else:
                found[name] = value
        return found

    def text(self, node: _Node, what: str) -> str | None:
        if node.kind != "scalar" or not isinstance(node.value, str):
            self.fault(node, f"{what} must be text, not {_type_name(node)}")
            return None
        if _SURROGATE.search(node.value):
            self.fault(node, f"{what} holds half of a surrogate pair")
            return None
        if not node.value.strip():
            self.fault(node, f"{what} is empty")
            return None
        return node.value

    def one_of(self, node: _Node, what: str, choices: tuple[str, ...]) -> str | None:
        if not isinstance(node.value, str) or node.value not in choices:
            given = node.written if node.kind == "scalar" else _type_name(node)
            self.fault(node, f"{what} must be one of {', '.join(choices)}, not {given!r}")
            return None
        return node.value

    def number(self, node: _Node, what: str, whole: bool) -> float | None:
        value = node.value
        good = isinstance(value, int) or (isinstance(value, float) and not whole)
        if node.kind != "scalar" or isinstance(value, bool) or not good:
            wanted = "a whole number" if whole else "a number"
            given = node.written if isinstance(value, float) else _type_name(node)
            self.fault(node, f"{what} must be {wanted}, not {given}")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.fault(node, f"{what} must be a finite number")
            return None
        if value < 0:
            self.fault(node, f"{what} is negative")
            return None
        if value > 1e9:
            self.fault(node, f"{what} is beyond a thousand million")
            return None
        return float(value)

    def strings(
        self, node: _Node, what: str, check: Callable[[_Node, str], None]
    ) -> tuple[str, ...]:
        if node.kind != "list":
            self.fault(node, f"{what} must be a list of text, not {_type_name(node)}")
            return ()
        if not node.value:
            self.fault(node, f"{what} is an empty list")
            return ()
        texts: list[str] = []
        for item in node.value:
            text = item.value
            if item.kind != "scalar" or not isinstance(text, str):
                self.fault(item, f"{what} holds {_type_name(item)} where text is wanted")
            elif _SURROGATE.search(text):
                self.fault(item, f"{what} holds half of a surrogate pair")
            else:
                check(item, text)
                texts.append(text)
        return tuple(texts)

    def phrase(self, node: _Node, text: str) -> None:
        # These always stay; only what has none of them is folded to see.
        if not _STAYS.search(text) and not folding.fold(text).text:
            self.fault(node, f"the phrase {text!r} folds to nothing")

    def pattern(self, node: _Node, text: str) -> None:
        if not text:
            self.fault(node, "bad pattern '': empty")
            return
        try:
            compile_regex(text)
        except ValueError as error:
            self.fault(node, f"bad pattern {text!r}: {error}")

    def names(self, node: _Node) -> dict[str, str]:
        if node.kind == "scalar":
            text = self.text(node, "name")
            return {} if text is None else {"": text}
        if node.kind != "mapping":
            self.fault(node, f"name must be a mapping of language to text, not {_type_name(node)}")
            return {}
        if not node.value:
            self.fault(node, "name is empty")
        found: dict[str, str] = {}
        for key, value in node.value:
            language = key.written if key.is_plain else key.value
            if key.kind != "scalar" or not isinstance(language, str) or not language:
                self.fault(key, "a language of name must be text")
                continue
            if language in found:
                self.fault(key, f"doubled key {language!r} in name")
            found[language] = self.text(value, f"name.{language}") or ""
        return found

    def rule(self, node: _Node) -> Rule | None:
        """One rule; None when it has a fault."""
        before = len(self.errors)
        self.rule_id = None
        if node.kind != "mapping":
            self.fault(node, f"a rule must be a mapping, not {_type_name(node)}")
            return None
        for key, value in node.value:  # so that every fault can name its rule
            if key.value == "id" and isinstance(value.value, str):
                self.rule_id = value.value
                break
        items = self.mapping(node, _RULE_KEYS, "a rule")
        made: dict[str, Any] = {}
        for key in ("id", "severity"):
            if key not in items:
                self.fault(node, f"a rule without {key}")
        if not any(key in items for key in ("any", "all", "regex", "require")):
            self.fault(node, "a rule needs one of any, all, regex, require")
        for key, value in items.items():
            made[key] = self._RULE_CHECKS[key](self, value)
        if len(self.errors) > before:
            return None
        made.setdefault("points", _POINTS[made["severity"]])
        for key in ("unless_window_chars", "max_edits"):
            if key in made:
                made[key] = int(made[key])
        return Rule(**made)

    def homophones(self, node: _Node) -> str:
        if node.value is True or (node.is_plain and node.written in ("yes", "on")):
            return "strict"
        if node.value is False or (node.is_plain and node.written in ("no", "off")):
            return "no"
        if node.value == "loose":
            return "loose"
        self.fault(node, "homophones must be true, false or loose")
        return "no"

    def language(self, node: _Node) -> str | None:
        text = self.text(node, "language")
        if text is not None and not re.fullmatch(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*", text):
            self.fault(node, f"language must be any or a tag such as zh or en-US, not {text!r}")
        return text

    _RULE_CHECKS: Final[dict[str, Callable[[_Checker, _Node], Any]]] = {
        "id": lambda self, node: self.text(node, "id"),
        "name": lambda self, node: self.names(node),
        "severity": lambda self, node: self.one_of(
            node, "severity", ("critical", "major", "minor")
        ),
        "points": lambda self, node: self.number(node, "points", whole=False),
        "role": lambda self, node: self.one_of(node, "role", ("agent", "customer", "any")),
        "language": lambda self, node: self.language(node),
        "any": lambda self, node: self.strings(node, "any", self.phrase),
        "all": lambda self, node: self.strings(node, "all", self.phrase),
        "regex": lambda self, node: self.strings(node, "regex", self.pattern),
        "unless": lambda self, node: self.strings(node, "unless", self.phrase),
        "unless_window_chars": lambda self, node: self.number(
            node, "unless_window_chars", whole=True
        ),
        "homophones": lambda self, node: self.homophones(node),
        "max_edits": lambda self, node: self.number(node, "max_edits", whole=True),
        "require": lambda self, node: self.strings(node, "require", self.phrase),
        "within_seconds": lambda self, node: self.number(node, "within_seconds", whole=False),
        "when": lambda self, node: self.one_of(node, "when", ("always", "connected")),
    }

    def document(self, root: _Node) -> RuleSet | None:
        if root.kind != "mapping":
            self.fault(root, f"a rule file must be a mapping, not {_type_name(root)}")
            return None
        items = self.mapping(root, ("version", "rules"), "the file")
        version = 0
        if "version" not in items:
            self.fault(root, "a file without version")
        else:
            version = int(self.number(items["version"], "version", whole=True) or 0)
        rules: list[Rule] = []
        listed = items.get("rules")
        if listed is None:
            self.fault(root, "a file without rules")
        elif listed.kind != "list":
            self.fault(listed, f"rules must be a list, not {_type_name(listed)}")
        elif not listed.value:
            self.fault(listed, "rules is an empty list")
        else:
            rules = self._rules(listed.value)
        return None if self.errors else RuleSet(version, tuple(rules))

    def _rules(self, nodes: list[_Node]) -> list[Rule]:
        rules: list[Rule] = []
        seen: dict[str, int | None] = {}
        for node in nodes:
            rule = self.rule(node)
            if rule is not None:
                rules.append(rule)
            rule_id, self.rule_id = self.rule_id, None
            if rule_id is None:
                continue
            if rule_id in seen:
                place = next(v for k, v in node.value if k.value == "id")
                first = f", first at line {seen[rule_id]}" if seen[rule_id] else ""
                self.errors.append(
                    RuleError(place.line, place.column, rule_id, f"doubled id{first}")
                )
            else:
                seen[rule_id] = node.line
        return rules


_RULE_KEYS: Final = tuple(_Checker._RULE_CHECKS)


def load_rules(data: bytes) -> RuleSet:
    """Read a rule file. Raises RulesRefusedError with every fault that was found."""
    if len(data) > MAX_BYTES:
        raise RulesRefusedError([RuleError(1, 1, None, f"over 10 MB: {len(data)} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        raise RulesRefusedError(
            [
                RuleError(
                    before.count(b"\n") + 1,
                    len(before) - before.rfind(b"\n"),
                    None,
                    f"not UTF-8: byte 0x{data[error.start]:02x} at byte {error.start}",
                )
            ]
        ) from error
    root = _compose(text)
    checker = _Checker()
    try:
        rules = checker.document(root)
    except _TooManyFaultsError:
        rules = None
    if rules is None:
        raise RulesRefusedError(checker.errors)
    return rules


def parse_rule(definition: Mapping[str, Any]) -> Rule:
    """One rule from JSON (a row of the CRM entity). Raises RulesRefusedError."""
    checker = _Checker()
    try:
        rule = checker.rule(_from_python(definition))
    except _TooManyFaultsError:
        rule = None
    if rule is None:
        raise RulesRefusedError(checker.errors)
    return rule


def _shipped(name: str) -> RuleSet:
    return load_rules(resources.files("ml.phrases").joinpath(name).read_bytes())


@lru_cache(maxsize=1)
def library() -> RuleSet:
    """The starting rules for telesales in Chinese and English, for a centre without its own."""
    return _shipped("library.yaml")


@lru_cache(maxsize=1)
def signals() -> RuleSet:
    """What a customer says that speaks of demand or its absence; the id names the signal."""
    return _shipped("signals.yaml")


@lru_cache(maxsize=1)
def announcements() -> RuleSet:
    """What networks and machines say; the id names the outcome, earlier rules win."""
    return _shipped("announcements.yaml")
