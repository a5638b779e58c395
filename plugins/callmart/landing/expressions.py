"""Expressions of the source mappings: small, structured, and nothing that runs code.

A text is the name of a field, or a path into nested JSON (`Agent.ARN`, `Steps.0.Name`). A mapping with
one operator computes a value from others:

    const: word                             coalesce: [a, b]            concat: [a, {const: "-"}, b]
    regex: {of: a, pattern: '(\\d+)$', group: 1}                        lower: a   upper: a   strip: a
    words: {of: a, map: {x: y}, else: keep | null | a word}             if: {when: …, then: a, else: b}
    add: [a, b]  subtract: [a, b]  multiply: [a, b]  divide: [a, b]     numbers
    add_seconds: [time, seconds]   subtract_seconds: [time, seconds]    seconds_between: [from, to]
    epoch: a (seconds since 1970)  epoch_ms: a    to_epoch: time
    time: {of: a, format: '%d.%m.%Y %H:%M:%S', zone: Europe/Berlin}     a time in another form

Conditions (`when`): `is_set: a`, `equals: [a, word]`, `in: [a, [word, word]]`, `matches: [a, pattern]`,
`greater: [a, number]`, `not: c`, `all: [c, c]`, `any: [c, c]`. Patterns are RE2 (linear time).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

    Series: TypeAlias = pd.Series[Any]

Expression: TypeAlias = "str | dict[str, Any]"


class ExpressionError(ValueError):
    """An expression that means nothing; the message says where and why."""


_ONE = {"lower", "upper", "strip", "epoch", "epoch_ms", "to_epoch"}
_TWO = {
    "add",
    "subtract",
    "multiply",
    "divide",
    "add_seconds",
    "subtract_seconds",
    "seconds_between",
}
_MANY = {"coalesce", "concat"}
_CONDITIONS = {"is_set", "equals", "in", "matches", "greater", "not", "all", "any"}


def _only(value: Any, where: str) -> tuple[str, Any]:
    if not isinstance(value, dict) or len(value) != 1:
        raise ExpressionError(f"{where}: expected one operator, found {value!r}")
    name, argument = next(iter(value.items()))
    return str(name), argument


def _arguments(argument: Any, where: str, keys: set[str], obligatory: set[str]) -> dict[str, Any]:
    if not isinstance(argument, dict) or not obligatory <= set(argument) <= keys:
        raise ExpressionError(f"{where}: expected {', '.join(sorted(keys))}, found {argument!r}")
    return argument


def _listed(argument: Any, where: str, count: int | None = None) -> list[Any]:
    if not isinstance(argument, list) or not argument or count not in (None, len(argument)):
        wanted = f"a list of {count}" if count else "a list"
        raise ExpressionError(f"{where}: expected {wanted}, found {argument!r}")
    return argument


def check_expression(expression: Any, where: str) -> set[str]:
    """Names of the fields (first path parts) that an expression reads.

    Raises ExpressionError naming `where` for an expression that means nothing.
    """
    if isinstance(expression, str):
        if not expression:
            raise ExpressionError(f"{where}: the name of a field is empty")
        return {expression, expression.split(".")[0]}
    name, argument = _only(expression, where)
    where = f"{where}.{name}"
    if name == "const":
        if isinstance(argument, (dict, list)):
            raise ExpressionError(f"{where}: expected a word or a number, found {argument!r}")
        return set()
    if name in _ONE:
        return check_expression(argument, where)
    if name in _TWO or name in _MANY:
        parts = _listed(argument, where, 2 if name in _TWO else None)
        return set().union(*(check_expression(part, where) for part in parts))
    if name == "regex":
        given = _arguments(argument, where, {"of", "pattern", "group"}, {"of", "pattern"})
        _check_pattern(given["pattern"], where, int(given.get("group", 1)))
        return check_expression(given["of"], where)
    if name == "words":
        given = _arguments(argument, where, {"of", "map", "else"}, {"of", "map"})
        if not isinstance(given["map"], dict):
            raise ExpressionError(f"{where}: map is not a mapping of words")
        return check_expression(given["of"], where)
    if name == "time":
        given = _arguments(argument, where, {"of", "format", "zone"}, {"of"})
        return check_expression(given["of"], where)
    if name == "if":
        given = _arguments(argument, where, {"when", "then", "else"}, {"when", "then"})
        fields = check_condition(given["when"], where) | check_expression(given["then"], where)
        return fields | (check_expression(given["else"], where) if "else" in given else set())
    raise ExpressionError(f"{where}: no such operator")


def check_condition(condition: Any, where: str) -> set[str]:
    """As `check_expression`, for a condition."""
    name, argument = _only(condition, where)
    where = f"{where}.{name}"
    if name not in _CONDITIONS:
        raise ExpressionError(f"{where}: no such condition")
    if name == "is_set":
        return check_expression(argument, where)
    if name == "not":
        return check_condition(argument, where)
    if name in ("all", "any"):
        return set().union(*(check_condition(part, where) for part in _listed(argument, where)))
    first, second = _listed(argument, where, 2)
    if name == "in" and not isinstance(second, list):
        raise ExpressionError(f"{where}: expected a list of words, found {second!r}")
    if name == "matches":
        _check_pattern(second, where, 0)
    if name == "greater" and not isinstance(second, (int, float)):
        raise ExpressionError(f"{where}: expected a number, found {second!r}")
    return check_expression(first, where)


def _check_pattern(pattern: Any, where: str, group: int) -> None:
    import re2

    try:
        compiled = re2.compile(pattern)
    except (re2.error, TypeError) as error:
        raise ExpressionError(f"{where}: not a pattern of RE2: {pattern!r}: {error}") from error
    if group > compiled.groups:
        raise ExpressionError(f"{where}: the pattern {pattern!r} has no group {group}")


class Evaluator:
    """Evaluates expressions over one chunk; results are columns as long as the chunk.

    `time_zone` is the source's, for times without an offset. What cannot be computed in a row (no
    number, no time) is null there.
    """

    def __init__(self, frame: pd.DataFrame, time_zone: str) -> None:
        self._frame = frame
        self._time_zone = time_zone
        self._cache: dict[str, Series] = {}

    def value(self, expression: Any) -> Series:
        """The column that an expression computes: text, times in UTC, or values of JSON."""
        if isinstance(expression, str):
            if expression not in self._cache:
                self._cache[expression] = self._field(expression)
            return self._cache[expression]
        name, argument = next(iter(expression.items()))
        if name in _ONE or name in _TWO or name in _MANY:
            operator: Callable[[Any], Series] = getattr(self, f"_{name}")
            return operator(argument)
        return {
            "const": self._const,
            "regex": self._regex,
            "words": self._words,
            "time": self._time,
            "if": self._if,
        }[name](argument)

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
        text = self.text(first)
        found: Series
        if name == "greater":
            found = self._number(first) > second
        elif name == "matches":
            found = text.str.contains(_uncaptured(second), regex=True)
        else:
            words = second if name == "in" else [second]
            found = text.isin([_word(word) for word in words])
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

    def _number(self, expression: Any) -> Series:
        import pandas as pd

        return pd.to_numeric(self.text(expression), errors="coerce").astype("Float64")

    def _times(self, expression: Any) -> Series:
        from callmart.landing.rows import parse_times

        return parse_times(self.value(expression), self._time_zone)[0]

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

    def _lower(self, argument: Any) -> Series:
        return self.text(argument).str.lower()

    def _upper(self, argument: Any) -> Series:
        return self.text(argument).str.upper()

    def _strip(self, argument: Any) -> Series:
        return self.text(argument).str.strip()

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

    def _words(self, argument: dict[str, Any]) -> Series:
        text = self.text(argument["of"])
        words = {str(key).casefold(): _word(value) for key, value in argument["map"].items()}
        otherwise = argument.get("else", "keep")

        def translate(value: str) -> str | None:
            found = value.strip().casefold()
            if found in words:
                return words[found]
            return value if otherwise == "keep" else _word(otherwise)

        translated: Series = text.map(translate, na_action="ignore")
        return translated.astype("str")

    def _if(self, argument: dict[str, Any]) -> Series:
        condition = self.holds(argument["when"])
        then = self.value(argument["then"])
        other = self.value(argument["else"]) if "else" in argument else self._empty()
        if then.dtype != other.dtype:
            then, other = then.astype(object), other.astype(object)
        return then.where(condition, other)

    def _add(self, argument: list[Any]) -> Series:
        return _plain(self._number(argument[0]) + self._number(argument[1]))

    def _subtract(self, argument: list[Any]) -> Series:
        return _plain(self._number(argument[0]) - self._number(argument[1]))

    def _multiply(self, argument: list[Any]) -> Series:
        return _plain(self._number(argument[0]) * self._number(argument[1]))

    def _divide(self, argument: list[Any]) -> Series:
        divisor = self._number(argument[1])
        return _plain(self._number(argument[0]) / divisor.where(divisor != 0))

    def _seconds(self, expression: Any) -> Series:
        import pandas as pd

        seconds = self._number(expression)
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

    def _from_epoch(self, argument: Any, microseconds: int) -> Series:
        import pandas as pd

        number = (self._number(argument) * microseconds).round().astype("Int64")
        times: Series = pd.to_datetime(number, unit="us", utc=True, errors="coerce")
        return times.dt.as_unit("us")

    def _to_epoch(self, argument: Any) -> Series:
        times = self._times(argument)
        seconds = times.astype("int64") // 1_000_000
        return seconds.astype("Int64").where(times.notna()).astype("string").astype("str")

    def _time(self, argument: dict[str, Any]) -> Series:
        import pandas as pd

        from callmart.landing.rows import parse_times

        zone = argument.get("zone", self._time_zone)
        if "format" not in argument:
            return parse_times(self.value(argument["of"]), zone)[0]
        text = self.text(argument["of"])
        parsed: Series = pd.to_datetime(text, format=argument["format"], errors="coerce")
        return parse_times(parsed, zone)[0]


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
