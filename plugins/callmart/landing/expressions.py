"""Expressions of the source mappings: small, structured, and nothing that runs code.

A text is the name of a field, or a path into nested JSON (`Agent.ARN`, `Steps.0.Name`). A mapping with
one operator computes a value from others:

    const: word                             coalesce: [a, b]            concat: [a, {const: "-"}, b]
    regex: {of: a, pattern: '(\\d+)$', group: 1}                        lower: a   upper: a   strip: a
    replace: {of: a, pattern: '\\D', with: ''}  url_decode: a           null_if: [a, [word, word]]
    split: {of: a, by: ";"}                 an array
    words: {of: a, map: {x: y}, else: keep | null | a word}             hash: [a, b]
    if: {when: …, then: a, else: b}         case: [{when: …, then: a}, {else: b}]
    add: [a, b]  subtract: [a, b]  multiply: [a, b]  divide: [a, b]     numbers
    number: {of: a, decimal: ",", thousands: "."}                       a number in another form
    duration: a | {of: a, two_parts: m:s | h:m, unit: s | ms | min | h} seconds
    add_seconds: [time, seconds]   subtract_seconds: [time, seconds]    seconds_between: [from, to]
    epoch: a (seconds since 1970)  epoch_ms: a   epoch_us: a   to_epoch: time
    time: {of: a, format: '%d.%m.%Y %H:%M:%S', zone: Europe/Berlin, not_before: t, max_hours: 12}
    pick: {from: path or {name: path, …}, of: a, when: …, which: first | last | min | max | sum | count}

Conditions (`when`): `is_set: a`, `equals: [a, word]`, `in: [a, [word, word]]`, `matches: [a, pattern]`,
`greater: [a, number]`, `less: [a, number]`, `not: c`, `all: [c, c]`, `any: [c, c]`. Patterns are RE2
(linear time).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from callmart.landing.findings import Findings, Series

if TYPE_CHECKING:
    import pandas as pd

Expression: TypeAlias = "str | dict[str, Any]"

LONGEST_HOURS = 12
"""A time of day before its `not_before` belongs to the next day where that makes no more than this."""


class ExpressionError(ValueError):
    """An expression that means nothing; the message says where and why.

    `path` leads to it from the rule in the mapping: keys and places in lists.
    """

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True)
class _Place:
    """Where an expression stands: for people, and as a path into the YAML."""

    text: str
    path: tuple[str | int, ...] = ()

    def at(self, *keys: str | int) -> _Place:
        return _Place(self.text, (*self.path, *keys))

    def named(self, operator: str) -> _Place:
        return _Place(f"{self.text}.{operator}", (*self.path, operator))

    def error(self, message: str) -> ExpressionError:
        return ExpressionError(f"{self.text}: {message}", self.path)


_ONE = {
    "lower",
    "upper",
    "strip",
    "url_decode",
    "epoch",
    "epoch_ms",
    "epoch_us",
    "to_epoch",
}
_TWO = {
    "add",
    "subtract",
    "multiply",
    "divide",
    "add_seconds",
    "subtract_seconds",
    "seconds_between",
}
_MANY = {"coalesce", "concat", "hash"}
_CONDITIONS = {
    "is_set",
    "equals",
    "in",
    "matches",
    "greater",
    "less",
    "not",
    "all",
    "any",
}
_PICKS = ("first", "last", "min", "max", "sum", "count")
_UNITS = {"s": 1.0, "ms": 0.001, "us": 0.000001, "min": 60.0, "h": 3600.0}
_TWO_PARTS = {"m:s": (60, 1), "h:m": (3600, 60)}


def _only(value: Any, where: _Place) -> tuple[str, Any]:
    if not isinstance(value, dict) or len(value) != 1:
        raise where.error(f"expected one operator, found {value!r}")
    name, argument = next(iter(value.items()))
    return str(name), argument


def _arguments(
    argument: Any, where: _Place, keys: set[str], obligatory: set[str]
) -> dict[str, Any]:
    if not isinstance(argument, dict) or not obligatory <= set(argument) <= keys:
        raise where.error(f"expected {', '.join(sorted(keys))}, found {argument!r}")
    return argument


def _listed(argument: Any, where: _Place, count: int | None = None) -> list[Any]:
    if not isinstance(argument, list) or not argument or count not in (None, len(argument)):
        wanted = f"a list of {count}" if count else "a list"
        raise where.error(f"expected {wanted}, found {argument!r}")
    return argument


def _one_of(value: Any, where: _Place, known: Iterable[str]) -> None:
    if value not in known:
        raise where.error(f"expected one of {', '.join(known)}, found {value!r}")


def check_expression(expression: Any, where: str | _Place) -> set[str]:
    """Names of the fields (first path parts) that an expression reads.

    Raises ExpressionError naming `where` for an expression that means nothing.
    """
    where = where if isinstance(where, _Place) else _Place(where)
    if isinstance(expression, str):
        if not expression:
            raise where.error("the name of a field is empty")
        return {expression, expression.split(".")[0]}
    name, argument = _only(expression, where)
    where = where.named(name)
    if name == "const":
        if isinstance(argument, (dict, list)):
            raise where.error(f"expected a word or a number, found {argument!r}")
        return set()
    if name in _ONE:
        return check_expression(argument, where)
    if name in _TWO or name in _MANY:
        parts = _listed(argument, where, 2 if name in _TWO else None)
        return _fields(check_expression(part, where.at(i)) for i, part in enumerate(parts))
    if name in _CHECKS:
        return _CHECKS[name](argument, where)
    raise where.error("no such operator")


def _fields(parts: Iterable[set[str]]) -> set[str]:
    return set().union(*parts)


def _check_regex(argument: Any, where: _Place) -> set[str]:
    given = _arguments(argument, where, {"of", "pattern", "group"}, {"of", "pattern"})
    _check_pattern(given["pattern"], where.at("pattern"), int(given.get("group", 1)))
    return check_expression(given["of"], where.at("of"))


def _check_replace(argument: Any, where: _Place) -> set[str]:
    given = _arguments(argument, where, {"of", "pattern", "with"}, {"of", "pattern", "with"})
    _check_pattern(given["pattern"], where.at("pattern"), 0)
    if not isinstance(given["with"], str):
        raise where.at("with").error(f"expected a text, found {given['with']!r}")
    return check_expression(given["of"], where.at("of"))


def _check_words(argument: Any, where: _Place) -> set[str]:
    given = _arguments(argument, where, {"of", "map", "else"}, {"of", "map"})
    if not isinstance(given["map"], dict):
        raise where.at("map").error("map is not a mapping of words")
    return check_expression(given["of"], where.at("of"))


def _check_null_if(argument: Any, where: _Place) -> set[str]:
    first, words = _listed(argument, where, 2)
    _listed(words, where.at(1))
    return check_expression(first, where.at(0))


def _check_number(argument: Any, where: _Place) -> set[str]:
    given = _arguments(argument, where, {"of", "decimal", "thousands"}, {"of"})
    for name in ("decimal", "thousands"):
        if not isinstance(given.get(name, "."), str) or len(given.get(name, ".")) != 1:
            raise where.at(name).error(f"expected one character, found {given[name]!r}")
    return check_expression(given["of"], where.at("of"))


def _check_duration(argument: Any, where: _Place) -> set[str]:
    if isinstance(argument, str) or (isinstance(argument, dict) and "of" not in argument):
        return check_expression(argument, where)
    given = _arguments(argument, where, {"of", "two_parts", "unit"}, {"of"})
    _one_of(given.get("two_parts", "m:s"), where.at("two_parts"), _TWO_PARTS)
    _one_of(given.get("unit", "s"), where.at("unit"), _UNITS)
    return check_expression(given["of"], where.at("of"))


def _check_time(argument: Any, where: _Place) -> set[str]:
    keys = {"of", "format", "zone", "not_before", "max_hours"}
    given = _arguments(argument, where, keys, {"of"})
    fields = check_expression(given["of"], where.at("of"))
    formats = given.get("format", [])
    for index, one in enumerate(formats if isinstance(formats, list) else [formats]):
        if not isinstance(one, str) or "%" not in one:
            place = where.at("format", index) if isinstance(formats, list) else where.at("format")
            raise place.error(f"expected a form such as '%d.%m.%Y %H:%M', found {one!r}")
    zone = given.get("zone")
    if isinstance(zone, str):
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise where.at("zone").error(f"{zone} is not a time zone (IANA name)") from error
    elif zone is not None:
        of = _arguments(zone, where.at("zone"), {"of"}, {"of"})["of"]
        fields |= check_expression(of, where.at("zone", "of"))
    if "not_before" in given:
        fields |= check_expression(given["not_before"], where.at("not_before"))
    if not isinstance(given.get("max_hours", 1), (int, float)):
        raise where.at("max_hours").error(f"expected a number, found {given['max_hours']!r}")
    return fields


def _check_split(argument: Any, where: _Place) -> set[str]:
    given = _arguments(argument, where, {"of", "by"}, {"of", "by"})
    if not isinstance(given["by"], str) or not given["by"]:
        raise where.at("by").error(f"expected a text, found {given['by']!r}")
    return check_expression(given["of"], where.at("of"))


def _check_if(argument: Any, where: _Place) -> set[str]:
    given = _arguments(argument, where, {"when", "then", "else"}, {"when", "then"})
    fields = check_condition(given["when"], where.at("when"))
    for name in ("then", "else"):
        if name in given:
            fields |= check_expression(given[name], where.at(name))
    return fields


def _check_case(argument: Any, where: _Place) -> set[str]:
    fields: set[str] = set()
    branches = _listed(argument, where)
    for index, branch in enumerate(branches):
        place = where.at(index)
        if isinstance(branch, dict) and set(branch) == {"else"} and branch is branches[-1]:
            fields |= check_expression(branch["else"], place.at("else"))
            continue
        given = _arguments(branch, place, {"when", "then"}, {"when", "then"})
        fields |= check_condition(given["when"], place.at("when"))
        fields |= check_expression(given["then"], place.at("then"))
    return fields


def _check_pick(argument: Any, where: _Place) -> set[str]:
    given = _arguments(argument, where, {"from", "of", "when", "which"}, {"from", "of"})
    _one_of(given.get("which", "first"), where.at("which"), _PICKS)
    fields = check_explode(given["from"], where.at("from"))
    fields |= check_expression(given["of"], where.at("of"))
    if "when" in given:
        fields |= check_condition(given["when"], where.at("when"))
    return fields - _bound(given["from"], fields)


def _bound(steps: Any, fields: set[str]) -> set[str]:
    """Of `fields` those that name an element of an unnested array, not a field of the file."""
    names = {name for name, _ in explode_steps(steps)}
    names |= {f"{name}_no" for name in names}
    return {read for read in fields if read.split(".")[0] in names}


def explode_steps(steps: Any) -> list[tuple[str, Any]]:
    """(name of the element, expression of its array), from the outermost array inwards."""
    return [("item", steps)] if isinstance(steps, str) else list(steps.items())


def check_explode(steps: Any, where: str | _Place) -> set[str]:
    """As `check_expression`, for arrays that are unnested: a path, or names → paths."""
    where = where if isinstance(where, _Place) else _Place(where)
    if not isinstance(steps, (str, dict)) or not steps:
        raise where.error(f"expected the path of an array, or names and paths, found {steps!r}")
    places = {name: where.at(name) for name in steps} if isinstance(steps, dict) else {}
    fields: set[str] = set()
    for name, path in explode_steps(steps):
        fields |= check_expression(path, places.get(name, where))
    return fields - _bound(steps, fields)


_CHECKS: dict[str, Callable[[Any, _Place], set[str]]] = {
    "regex": _check_regex,
    "replace": _check_replace,
    "words": _check_words,
    "null_if": _check_null_if,
    "split": _check_split,
    "number": _check_number,
    "duration": _check_duration,
    "time": _check_time,
    "if": _check_if,
    "case": _check_case,
    "pick": _check_pick,
}


OPERATORS = frozenset({"const", *_ONE, *_TWO, *_MANY, *_CHECKS})
CONDITIONS = frozenset(_CONDITIONS)


def check_condition(condition: Any, where: str | _Place) -> set[str]:
    """As `check_expression`, for a condition."""
    where = where if isinstance(where, _Place) else _Place(where)
    name, argument = _only(condition, where)
    where = where.named(name)
    if name not in _CONDITIONS:
        raise where.error("no such condition")
    if name == "is_set":
        return check_expression(argument, where)
    if name == "not":
        return check_condition(argument, where)
    if name in ("all", "any"):
        parts = _listed(argument, where)
        return _fields(check_condition(part, where.at(i)) for i, part in enumerate(parts))
    first, second = _listed(argument, where, 2)
    if name == "in" and not isinstance(second, list):
        raise where.at(1).error(f"expected a list of words, found {second!r}")
    if name == "matches":
        _check_pattern(second, where.at(1), 0)
    if name in ("greater", "less") and not isinstance(second, (int, float)):
        raise where.at(1).error(f"expected a number, found {second!r}")
    return check_expression(first, where.at(0))


def _check_pattern(pattern: Any, where: _Place, group: int) -> None:
    import re2

    try:
        compiled = re2.compile(pattern)
    except (re2.error, TypeError) as error:
        raise where.error(f"not a pattern of RE2: {pattern!r}: {error}") from error
    if group > compiled.groups:
        raise where.error(f"the pattern {pattern!r} has no group {group}")


class Evaluator:
    """Evaluates expressions over one chunk; results are columns as long as the chunk.

    `time_zone` is the source's, for times without an offset. What cannot be computed in a row (no
    number, no time) is null there, and told in `findings`.
    """

    def __init__(self, frame: pd.DataFrame, time_zone: str) -> None:
        self._frame = frame
        self._time_zone = time_zone
        self._cache: dict[str, Series] = {}
        self._computed: dict[str, tuple[Series, Findings]] = {}
        self.findings = Findings()

    def column(self, expression: Any) -> tuple[Series, Findings]:
        """A column of the contract, with what was odd about computing it."""
        self.findings = Findings()
        return self.value(expression), self.findings

    def value(self, expression: Any) -> Series:
        """The column that an expression computes: text, times in UTC, or values of JSON."""
        if isinstance(expression, str):
            if expression not in self._cache:
                self._cache[expression] = self._field(expression)
            return self._cache[expression]
        # The same expression often stands in many columns; what was odd about it is told in each.
        key = repr(expression)
        if key not in self._computed:
            before, self.findings = self.findings, Findings()
            name, argument = next(iter(expression.items()))
            operator: Callable[[Any], Series] = getattr(self, f"_{name}")
            self._computed[key] = operator(argument), self.findings
            self.findings = before
        value, findings = self._computed[key]
        self.findings.add(findings)
        return value

    def holds(self, condition: dict[str, Any]) -> Series:
        """Where a condition holds, as booleans without nulls."""
        name, argument = next(iter(condition.items()))
        if name == "not":
            return ~self.holds(argument)
        if name in ("all", "any"):
            result = self.holds(argument[0])
            for part in argument[1:]:
                result = result & self.holds(part) if name == "all" else result | self.holds(part)
            return result
        if name == "is_set":
            is_set: Series = self.text(argument).notna()
            return is_set
        first, second = argument
        found: Series
        if name in ("greater", "less"):
            before, self.findings = self.findings, Findings()  # what is no number is neither
            number = self._number_of(first)
            self.findings = before
            found = number > second if name == "greater" else number < second
        elif name == "matches":
            found = self.text(first).str.contains(_uncaptured(second), regex=True)
        else:
            words = second if name == "in" else [second]
            found = self.text(first).isin([_word(word) for word in words])
        return found.fillna(False).astype(bool)

    def text(self, expression: Any) -> Series:
        """An expression's value as text."""
        from callmart.landing.rows import as_text

        return as_text(self.value(expression))

    def _empty(self) -> Series:
        import pandas as pd

        return pd.Series([None] * len(self._frame), index=self._frame.index, dtype="str")

    def _field(self, path: str) -> Series:
        import pandas as pd

        if path in self._frame.columns:
            column: Series = self._frame[path]
            return column
        first, *rest = path.split(".")
        if not rest or first not in self._frame.columns:
            return self._empty()
        values = [_step_into(value, rest) for value in self._frame[first]]
        return pd.Series(values, index=self._frame.index, dtype=object)

    def _const(self, argument: Any) -> Series:
        import pandas as pd

        value = _word(argument)
        return pd.Series([value] * len(self._frame), index=self._frame.index, dtype="str")

    # --- text ---------------------------------------------------------------------------------------------

    def _coalesce(self, argument: list[Any]) -> Series:
        result = self._present(self.value(argument[0]))
        for part in argument[1:]:
            other = self._present(self.value(part))
            if result.dtype != other.dtype:
                result, other = result.astype(object), other.astype(object)
            result = result.where(result.notna(), other)
        return result

    @staticmethod
    def _present(series: Series) -> Series:
        return series.where(series != "") if series.dtype.kind not in "mM" else series

    def _concat(self, argument: list[Any]) -> Series:
        """Null where one part is null."""
        result = self.text(argument[0])
        for part in argument[1:]:
            result = result + self.text(part)
        return result

    def _hash(self, argument: list[Any]) -> Series:
        import pandas as pd

        columns = [self.text(part).astype(object).tolist() for part in argument]
        values = [
            None
            if all(part is None or part != part for part in row)
            else hashlib.sha256(
                "\x1f".join("" if part is None or part != part else part for part in row).encode()
            ).hexdigest()[:24]
            for row in zip(*columns, strict=True)
        ]
        return pd.Series(values, index=self._frame.index, dtype="str")

    def _lower(self, argument: Any) -> Series:
        return self.text(argument).str.lower()

    def _upper(self, argument: Any) -> Series:
        return self.text(argument).str.upper()

    def _strip(self, argument: Any) -> Series:
        return self.text(argument).str.strip()

    def _url_decode(self, argument: Any) -> Series:
        decoded: Series = self.text(argument).map(unquote, na_action="ignore")
        return decoded.astype("str")

    def _regex(self, argument: dict[str, Any]) -> Series:
        import pandas as pd
        import re2

        pattern = re2.compile(argument["pattern"])
        group = int(argument.get("group", 1))

        def extract(value: str) -> str | None:
            match = pattern.search(value)
            return match.group(group) if match else None

        text = self.text(argument["of"])
        found: Series = text.map(extract, na_action="ignore")
        return pd.Series(found, index=text.index).astype("str")

    def _replace(self, argument: dict[str, Any]) -> Series:
        import re2

        pattern, by = argument["pattern"], argument["with"]
        text = self.text(argument["of"])
        if pattern == re.escape(pattern) and "\\" not in by:
            return text.str.replace(pattern, by, regex=False)
        compiled = re2.compile(pattern)
        known = {value: compiled.sub(by, value) for value in text.dropna().unique().tolist()}
        return text.map(known).astype("str")

    def _split(self, argument: dict[str, Any]) -> Series:
        """An array, to be unnested or picked from."""
        import pandas as pd

        values = [
            [part.strip() for part in value.split(argument["by"]) if part.strip()]
            if isinstance(value, str)
            else None
            for value in self.text(argument["of"])
        ]
        return pd.Series(values, index=self._frame.index, dtype=object)

    def _null_if(self, argument: list[Any]) -> Series:
        value = self.value(argument[0])
        words = [_word(word) for word in argument[1]]
        return value.mask(self.text(argument[0]).str.strip().isin(words))

    def _words(self, argument: dict[str, Any]) -> Series:
        text = self.text(argument["of"])
        words = {str(key).casefold(): _word(value) for key, value in argument["map"].items()}
        otherwise = argument.get("else", "keep")

        def translate(value: str) -> str | None:
            found = value.strip().casefold()
            if found in words:
                return words[found]
            return value if otherwise == "keep" else _word(otherwise)

        if "else" not in argument:
            folded = text.str.strip().str.casefold()
            meant = {word.casefold() for word in words.values() if word is not None}
            unknown = text.notna() & ~folded.isin([*words, *meant])
            self.findings.unknown.append((unknown.to_numpy(dtype=bool), text))
        translated: Series = text.map(translate, na_action="ignore")
        return translated.astype("str")

    # --- choices ------------------------------------------------------------------------------------------

    def _if(self, argument: dict[str, Any]) -> Series:
        condition = self.holds(argument["when"])
        then = self._within(argument["then"], condition)
        other = self._within(argument["else"], ~condition) if "else" in argument else self._empty()
        if then.dtype != other.dtype:
            then, other = then.astype(object), other.astype(object)
        return then.where(condition, other)

    def _case(self, argument: list[Any]) -> Series:
        if not argument:
            return self._empty()
        first, *rest = argument
        if "else" in first:
            return self.value(first["else"])
        return self._if({**first, "else": {"case": rest}})

    def _within(self, expression: Any, condition: Series) -> Series:
        """A branch's value; what is odd in rows that take another branch is of no interest."""
        before, self.findings = self.findings, Findings()
        value = self.value(expression)
        before.add(self.findings, condition.to_numpy(dtype=bool))
        self.findings = before
        return value

    def _pick(self, argument: dict[str, Any]) -> Series:
        """One value from the elements of arrays."""
        import pandas as pd

        frame, parents = explode(self._frame, argument["from"], self._time_zone)
        inner = Evaluator(frame, self._time_zone)
        value = inner.value(argument["of"])
        which = argument.get("which", "first")
        keep = pd.Series(True, index=frame.index)
        if "when" in argument:
            keep = inner.holds(argument["when"])
        is_number = which == "sum"
        if is_number:
            value = inner._number_of(argument["of"])
        keep &= value.notna()
        if value.dtype == object:
            keep &= value.map(lambda v: v is not None and v != "").astype(bool)
        rows = keep.to_numpy(dtype=bool)
        grouped = value[rows].groupby(parents[rows])
        if which == "count":
            counts = grouped.size().reindex(range(len(self._frame)), fill_value=0)
            return counts.set_axis(self._frame.index).astype("str")
        picked: Series = getattr(grouped, which)().reindex(range(len(self._frame)))
        picked.index = self._frame.index
        return _plain(pd.Series(picked, dtype="Float64")) if is_number else picked

    # --- numbers ------------------------------------------------------------------------------------------

    def _number_of(self, expression: Any) -> Series:
        import pandas as pd

        text = self.text(expression)
        numbers: Series = pd.to_numeric(text, errors="coerce").astype("Float64")
        self._unread(text, numbers, "not_a_number", "a number")
        return numbers

    def _unread(self, text: Series, value: Series, rule: str, what: str) -> None:
        rows = (text.notna() & value.isna()).to_numpy(dtype=bool)
        if rows.any():
            self.findings.unread.append((rows, rule, what, text))

    def _number(self, argument: dict[str, Any]) -> Series:
        import pandas as pd

        text = self.text(argument["of"])
        plain = text.str.strip()
        if "thousands" in argument:
            plain = plain.str.replace(argument["thousands"], "", regex=False)
        if argument.get("decimal", ".") != ".":
            plain = plain.str.replace(argument["decimal"], ".", regex=False)
        numbers: Series = pd.to_numeric(plain, errors="coerce").astype("Float64")
        self._unread(text, numbers, "not_a_number", "a number")
        return _plain(numbers)

    def _duration(self, argument: Any) -> Series:
        import pandas as pd

        if not isinstance(argument, dict) or "of" not in argument:
            argument = {"of": argument}
        unit = _UNITS[argument.get("unit", "s")]
        weights = _TWO_PARTS[argument.get("two_parts", "m:s")]
        text = self.text(argument["of"])
        seconds = pd.Series(
            text.map(lambda value: _seconds_of(value, unit, weights), na_action="ignore"),
            index=text.index,
            dtype="Float64",
        )
        self._unread(text, seconds, "not_a_duration", "a duration")
        return _plain(seconds)

    def _add(self, argument: list[Any]) -> Series:
        return _plain(self._number_of(argument[0]) + self._number_of(argument[1]))

    def _subtract(self, argument: list[Any]) -> Series:
        return _plain(self._number_of(argument[0]) - self._number_of(argument[1]))

    def _multiply(self, argument: list[Any]) -> Series:
        return _plain(self._number_of(argument[0]) * self._number_of(argument[1]))

    def _divide(self, argument: list[Any]) -> Series:
        divisor = self._number_of(argument[1])
        return _plain(self._number_of(argument[0]) / divisor.where(divisor != 0))

    # --- times --------------------------------------------------------------------------------------------

    def _times(self, expression: Any) -> Series:
        value = self.value(expression)
        return self._parsed(value, self._time_zone)

    def _read(self, value: Series, zone: str) -> Series:
        """Times in UTC; what the clock change makes of them is told."""
        from callmart.landing.rows import DOUBTS, parse_times

        times, _, *doubts = parse_times(value, zone)
        for mask, (kind, text) in zip(doubts, DOUBTS, strict=True):
            if mask.any():
                self.findings.doubtful.append((mask, kind, text))
        return times

    def _parsed(self, value: Series, zone: str) -> Series:
        from callmart.landing.rows import as_text

        times = self._read(value, zone)
        if value.dtype.kind != "M" and value.notna().any():
            text = as_text(value).str.strip()
            self._unread(text.where(text != ""), times, "not_a_time", "a time")
        return times

    def _seconds(self, expression: Any) -> Series:
        import pandas as pd

        seconds = self._number_of(expression)
        microseconds = (seconds * 1_000_000).round().astype("Int64")
        return pd.to_timedelta(microseconds, unit="us")

    def _add_seconds(self, argument: list[Any]) -> Series:
        return self._times(argument[0]) + self._seconds(argument[1])

    def _subtract_seconds(self, argument: list[Any]) -> Series:
        return self._times(argument[0]) - self._seconds(argument[1])

    def _seconds_between(self, argument: list[Any]) -> Series:
        between = self._times(argument[1]) - self._times(argument[0])
        return _plain(between.dt.total_seconds().astype("Float64"))

    def _epoch(self, argument: Any) -> Series:
        return self._from_epoch(argument, 1_000_000)

    def _epoch_ms(self, argument: Any) -> Series:
        return self._from_epoch(argument, 1_000)

    def _epoch_us(self, argument: Any) -> Series:
        return self._from_epoch(argument, 1)

    def _from_epoch(self, argument: Any, microseconds: int) -> Series:
        import pandas as pd

        number = (self._number_of(argument) * microseconds).round().astype("Int64")
        times: Series = pd.to_datetime(number, unit="us", utc=True, errors="coerce")
        return times.dt.as_unit("us")

    def _to_epoch(self, argument: Any) -> Series:
        times = self._times(argument)
        seconds = times.astype("int64") // 1_000_000
        return seconds.astype("Int64").where(times.notna()).astype("string").astype("str")

    def _time(self, argument: dict[str, Any]) -> Series:
        zone = argument.get("zone", self._time_zone)
        if isinstance(zone, str):
            return self._time_in(argument, zone)
        import pandas as pd

        zones = self.text(zone["of"]).str.strip()
        times = pd.Series(pd.NaT, index=self._frame.index, dtype="datetime64[us, UTC]")
        for name in zones.dropna().unique().tolist():
            rows = zones == name
            if _is_zone(name):
                times = times.mask(rows, self._within_zone(argument, name, rows))
        text = self.text(argument["of"])
        is_known = zones.map(_is_zone, na_action="ignore").fillna(False).astype(bool)
        self._unread(text.mask(is_known), times, "unknown_time_zone", "a time in a known zone")
        return times

    def _within_zone(self, argument: dict[str, Any], zone: str, rows: Series) -> Series:
        return self._within({"time": {**argument, "zone": zone}}, rows)

    def _time_in(self, argument: dict[str, Any], zone: str) -> Series:
        import pandas as pd

        value = self.value(argument["of"])
        times: Series
        if "format" not in argument:
            times = self._parsed(value, zone)
        else:
            formats = argument["format"]
            text = self.text(argument["of"]).str.strip()
            text = text.where(text != "")
            times = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us, UTC]")
            for one in formats if isinstance(formats, list) else [formats]:
                rest = times.isna() & text.notna()
                if rest.any():
                    parsed = pd.to_datetime(text.where(rest), format=one, errors="coerce")
                    times = times.where(~rest, self._read(parsed, zone))
            shown = " or ".join(formats) if isinstance(formats, list) else formats
            self._unread(text, times, "not_a_time", f"a time of the form {shown}")
        if "not_before" in argument:
            before, self.findings = self.findings, Findings()  # told by the column that it makes
            earlier = self._times(argument["not_before"])
            self.findings = before
            longest = pd.Timedelta(hours=argument.get("max_hours", LONGEST_HOURS))
            next_day = _next_day(times, zone)
            rolls = (times < earlier) & (next_day - earlier <= longest)
            times = times.mask(rolls, next_day)
        return times


def explode(frame: pd.DataFrame, steps: Any, time_zone: str) -> tuple[pd.DataFrame, Any]:
    """The elements of arrays as rows of their own, and for each the place of its row in `frame`.

    An element stands under its name, its place (from 1) under that name with `_no`. An object where
    an array is expected is an array of one; a record without the array gives no row.
    """
    import numpy as np
    import pandas as pd

    frame = frame.reset_index(drop=True)
    parents = np.arange(len(frame))
    for name, path in explode_steps(steps):
        elements = [
            [
                (place, element)
                for place, element in enumerate(_as_list(value), 1)
                if element is not None
            ]
            for value in Evaluator(frame, time_zone).value(path)
        ]
        repeats = np.repeat(np.arange(len(frame)), [len(found) for found in elements])
        flat = [pair for found in elements for pair in found]
        frame = frame.iloc[repeats].reset_index(drop=True)
        frame[name] = pd.Series([element for _, element in flat], dtype=object)
        frame[f"{name}_no"] = pd.Series([str(place) for place, _ in flat], dtype="str")
        parents = parents[repeats]
    return frame, parents


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []


def _next_day(times: Series, zone: str) -> Series:
    """The same time of day, a calendar day later in `zone`."""
    import pandas as pd

    from callmart.landing.rows import parse_times

    local = times.dt.tz_convert(ZoneInfo(zone)).dt.tz_localize(None)
    return parse_times(local + pd.Timedelta(days=1), zone)[0]


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


_CLOCK = re.compile(
    r"([+-]?)(?:(\d+)[.d ]\s*)?(\d+):(\d{1,2})(?::(\d{1,2}(?:[.,]\d+)?))?", re.ASCII
)
_WORDED = re.compile(
    r"P?T?(?:(\d+(?:[.,]\d+)?)\s*d[a-z]*)?\s*T?\s*(?:(\d+(?:[.,]\d+)?)\s*h[a-z]*)?\s*"
    r"(?:(\d+(?:[.,]\d+)?)\s*m[a-z]*)?\s*(?:(\d+(?:[.,]\d+)?)\s*s[a-z]*)?",
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?", re.ASCII)


def _seconds_of(value: str, unit: float, two_parts: tuple[int, int]) -> float | None:
    """Seconds of a length of time: 97, 1:37, 00:01:37, 1.02:00:00, 1h 2m 3s, PT1M37S."""
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return round(float(text.replace(",", ".")) * unit, 6)
    clock = _CLOCK.fullmatch(text)
    if clock:
        sign, days, first, second, third = clock.groups()
        if third is None:
            seconds = float(int(first) * two_parts[0] + int(second) * two_parts[1])
        else:
            seconds = int(first) * 3600 + int(second) * 60 + float(third.replace(",", "."))
        seconds += 86400 * int(days or 0)
        return -seconds if sign == "-" else seconds
    worded = _WORDED.fullmatch(text)
    if worded and any(worded.groups()):
        parts = [float((part or "0").replace(",", ".")) for part in worded.groups()]
        return sum(part * weight for part, weight in zip(parts, (86400, 3600, 60, 1), strict=True))
    return None


def _uncaptured(pattern: str) -> str:
    """Capturing groups as plain ones: pandas warns about groups in a search for yes or no."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)


def _word(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _plain(numbers: Series) -> Series:
    """Numbers as text without a needless fraction."""
    text: Series = numbers.map(
        lambda value: f"{value:.6f}".rstrip("0").rstrip("."), na_action="ignore"
    )
    return text.astype("string").astype("str")


def _step_into(value: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
