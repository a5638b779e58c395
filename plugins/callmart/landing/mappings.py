"""Source mappings: how keys and columns of a source become the contract's, in YAML, without code.

The shipped ones lie in `sources/`; a folder of one's own adds to them. A file that names a source which
is there already adds to it: its words replace, its keys come first.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from callmart.contracts import load_entities
from callmart.contracts.outcomes import OUTCOMES
from callmart.landing.errors import FileError, MappingError, MappingFault
from callmart.landing.expressions import (
    ExpressionError,
    check_condition,
    check_explode,
    check_expression,
    explode_steps,
)
from callmart.settings import Settings

RECORDING_EXTENSIONS = (
    "wav", "mp3", "ogg", "opus", "flac", "m4a", "gsm", "ulaw", "alaw",
)  # fmt: skip
TRANSCRIPT_EXTENSIONS = ("json", "srt", "vtt")
TABLE_EXTENSIONS = ("csv", "csv.gz", "jsonl", "jsonl.gz", "parquet")


FILE_FIELDS = ("_key", "_delivered_on", "_row_number")
"""Fields that every record has: the object's key, its day of delivery, the record's number in the file."""


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name} is not a time zone (IANA name)") from error
    return name


def _check_country(code: str) -> str:
    import phonenumbers

    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{code} is not a country (ISO 3166 alpha-2)")
    return code


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a pattern: {pattern}: {error}") from error
    return pattern


def _check_line_pattern(pattern: str) -> str:
    import re2

    try:
        compiled = re2.compile(pattern)
    except re2.error as error:
        raise ValueError(f"not a pattern of RE2: {pattern}: {error}") from error
    if not compiled.groupindex:
        raise ValueError(f"the pattern {pattern} names no group: (?P<name>…)")
    return pattern


TimeZone = Annotated[str, AfterValidator(_check_zone)]
Country = Annotated[str, AfterValidator(_check_country)]
Pattern = Annotated[str, AfterValidator(_check_pattern)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntityRows(_Strict):
    """Rows of one entity from the records of a file."""

    entity: str
    fields: dict[str, Any]
    """Column of the contract → expression."""
    when: dict[str, Any] | None = None
    """Records for which this condition does not hold give no row."""
    explode: str | dict[str, Any] | None = None
    """Path of an array: a row for each element; the element's fields stand under `item`. Or, for arrays
    within arrays, names of the elements → paths, from the outermost inwards."""

    distinct: bool = False
    """Rows that say the same are taken once a file: agents or campaigns named in every call."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        entities = load_entities()
        if self.entity not in entities:
            raise ValueError(f"{self.entity} is no entity of the contract")
        entity = entities[self.entity]
        for column in self.fields:
            if column not in entity.columns:
                reason = f"{self.entity} has no column {column}"
                raise ExpressionError(reason, ("fields", column))
        missing = [name for name in entity.required if name not in self.fields]
        if missing:
            raise ValueError(f"{self.entity} needs {', '.join(missing)}")
        self.read_fields()
        return self

    def read_fields(self) -> set[str]:
        """Names of the fields of the file that this reads. Raises ExpressionError."""
        names: set[str] = set()
        for column, expression in self.fields.items():
            with _below("fields", column):
                names |= check_expression(expression, f"{self.entity}.{column}")
        if self.when is not None:
            with _below("when"):
                names |= check_condition(self.when, f"{self.entity}.when")
        if self.explode is not None:
            with _below("explode"):
                names |= check_explode(self.explode, f"{self.entity}.explode")
        return names - set(FILE_FIELDS)

    def column_fields(self, column: str) -> set[str]:
        """Names of the fields of the file that a column needs."""
        names = check_expression(self.fields[column], column)
        if self.explode is not None:
            elements = {name for name, _ in explode_steps(self.explode)}
            names |= check_explode(self.explode, "explode")
            names = {name for name in names if name.split(".")[0] not in elements}
        return names - set(FILE_FIELDS)


@contextmanager
def _below(*path: str) -> Iterator[None]:
    """What goes wrong within stands below this path of the rule."""
    try:
        yield
    except ExpressionError as error:
        raise ExpressionError(str(error), (*path, *error.path)) from error


class TableFiles(_Strict):
    """Extracts below some keys."""

    keys: list[str] = Field(min_length=1)
    entity_from_key: Pattern | None = None
    """The contract's own layout: group 1 is the entity, columns bear the contract's names."""
    rows: list[EntityRows] = []
    format: Literal["csv", "jsonl", "json", "parquet"] | None = None
    encoding: str | None = None
    delimiter: Annotated[str, Field(min_length=1)] | None = None
    """One character, several, or `blanks`: runs of blanks and tabs."""
    header: list[str] | None = None
    """Names for the columns of a file without a header."""
    columns: dict[str, tuple[PositiveInt, PositiveInt | None]] = {}
    """Columns of fixed width: name → first and last place, from 1; no last place: to the line's end."""
    pattern: Annotated[str, AfterValidator(_check_line_pattern)] | None = None
    """RE2 with named groups that a line is; the groups are the columns."""
    skip_lines: NonNegativeInt = 0
    """Lines before the header or the first record."""
    skip_footer: NonNegativeInt = 0
    """Lines after the last record, blank ones not counted."""
    ignore_lines: list[Pattern] = []
    """Lines in which one of these patterns is found are no records."""
    nulls: dict[str, list[str]] = {}
    """Field of the file (`*`: every field) → words that stand there for nothing."""
    has_quotes: bool = True
    unwrap: str | None = None
    """The record is what stands in this field, where a record has it (an event bus's envelope); of an
    array each element is a record (a page of results)."""
    ignore_fields: list[str] = []
    """Known and not wanted: kept with the rest of the unknown, but not reported."""
    drop_fields: list[str] = []
    """Never kept (passwords, what nobody may hold), unless an expression reads them."""
    time_zone: TimeZone | None = None
    country: Country | None = None
    words: dict[str, dict[str, str | None]] = {}
    """Column of the contract → the source's words → the contract's."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.rows) == bool(self.entity_from_key):
            raise ValueError("needs either rows or entity_from_key")
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except LookupError as error:
                raise ValueError(f"unknown encoding {self.encoding}") from error
        if bool(self.columns) + bool(self.pattern) + bool(self.delimiter) > 1:
            raise ValueError("delimiter, columns and pattern exclude each other")
        if self.header is not None and (self.columns or self.pattern):
            raise ValueError("columns and pattern name the fields; a header does so again")
        if self._has_layout and self.format not in (None, "csv"):
            raise ValueError(f"{self.format} has no lines, delimiters or columns")
        return self

    @property
    def _has_layout(self) -> bool:
        given = (self.delimiter, self.header, self.columns, self.pattern)
        return any(given) or bool(self.skip_lines or self.skip_footer or self.ignore_lines)


class MediaFiles(_Strict):
    """Recordings or transcripts below some keys."""

    keys: list[str] = Field(min_length=1)
    call_id: Pattern | None = None
    """Finds the call's id in the file's name (group 1); without it, what the contract says."""


class SourceMapping(_Strict):
    """One source: its keys, its words, its zone and country."""

    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    description: str = ""
    time_zone: TimeZone | None = None
    country: Country | None = None
    agent_channel: Literal[0, 1] | None = None
    """The channel of a two-channel recording that holds the agent; 0 where nothing is said."""
    dispositions: dict[str, str | None] = {}
    """How the vendor's words for the end of a call map to outcomes; null: says nothing."""
    tables: list[TableFiles] = []
    recordings: list[MediaFiles] = []
    transcripts: list[MediaFiles] = []
    ignore_keys: list[str] = []
    """Keys in the bucket that are nobody's delivery."""

    @field_validator("dispositions")
    @classmethod
    def _check_dispositions(cls, words: dict[str, str | None]) -> dict[str, str | None]:
        folded: dict[str, str | None] = {}
        for word, outcome in words.items():
            if outcome is not None and outcome not in OUTCOMES:
                raise ValueError(f"{word}: {outcome} is no outcome ({', '.join(sorted(OUTCOMES))})")
            if folded.setdefault(word.strip().casefold(), outcome) != outcome:
                raise ValueError(f"{word} has two outcomes")
        return words

    def merge(self, other: SourceMapping) -> SourceMapping:
        """This mapping with what `other` adds: its words and settings replace, its keys go first."""
        return self.model_copy(
            update={
                "time_zone": other.time_zone or self.time_zone,
                "country": other.country or self.country,
                "agent_channel": (
                    self.agent_channel if other.agent_channel is None else other.agent_channel
                ),
                "dispositions": {**self.dispositions, **other.dispositions},
                "tables": [*other.tables, *self.tables],
                "recordings": [*other.recordings, *self.recordings],
                "transcripts": [*other.transcripts, *self.transcripts],
                "ignore_keys": [*other.ignore_keys, *self.ignore_keys],
            }
        )


def compile_glob(glob: str) -> re.Pattern[str]:
    """A glob over keys: `*` and `?` stay within a folder, `**` does not, `{a,b}` is either.

    >>> bool(compile_glob('crm/**.{csv,csv.gz}').fullmatch('crm/calls/dt=2026-11-18/a.csv.gz'))
    True
    """
    pattern, depth = [], 0
    for part in re.findall(r"\*\*|.", glob, re.DOTALL):
        if part == "**":
            pattern.append(".*")
        elif part == "*":
            pattern.append("[^/]*")
        elif part == "?":
            pattern.append("[^/]")
        elif part == "{":
            depth += 1
            pattern.append("(?:")
        elif part == "}" and depth:
            depth -= 1
            pattern.append(")")
        elif part == "," and depth:
            pattern.append("|")
        else:
            pattern.append(re.escape(part))
    return re.compile("".join(pattern), re.DOTALL)


@dataclass(frozen=True)
class Route:
    """What a key is: whose, of which kind, delivered on which day."""

    kind: Literal["crm", "recording", "transcript"]
    source: str
    delivered_on: date
    extension: str
    tables: TableFiles | None = None
    entity: str | None = None
    """Only in the contract's own layout."""
    call_id: str | None = None
    side: Literal["both", "agent", "customer"] = "both"
    key: str = ""
    """The object's key; of extracts alone."""


@dataclass
class Mappings:
    """All source mappings, and the settings that hold where a source says nothing."""

    sources: dict[str, SourceMapping]
    time_zone: str
    country: str
    _routes: list[tuple[re.Pattern[str], str, str, Any]] = field(init=False, default_factory=list)
    _ignored: list[re.Pattern[str]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        # The contract's own layout comes last: what another source names is more particular.
        for mapping in sorted(self.sources.values(), key=lambda m: m.source == "contract"):
            self._ignored += [compile_glob(key) for key in mapping.ignore_keys]
            for kind, files in (
                ("crm", mapping.tables),
                ("recording", mapping.recordings),
                ("transcript", mapping.transcripts),
            ):
                for part in files:
                    for key in part.keys:
                        self._routes.append((compile_glob(key), kind, mapping.source, part))

    def is_ignored(self, key: str) -> bool:
        """Whether a key is nobody's delivery (a folder's marker, what callmart writes itself)."""
        return key.endswith("/") or any(glob.fullmatch(key) for glob in self._ignored)

    def source_time_zone(self, source: str, tables: TableFiles | None = None) -> str:
        mapping = self.sources[source]
        return (tables and tables.time_zone) or mapping.time_zone or self.time_zone

    def source_country(self, source: str, tables: TableFiles | None = None) -> str:
        mapping = self.sources[source]
        return (tables and tables.country) or mapping.country or self.country

    def agent_channel(self, source: str | None) -> int:
        """The channel (0 or 1) that holds the agent in a source's two-channel recordings."""
        mapping = self.sources.get(source or "contract")
        return (mapping.agent_channel or 0) if mapping else 0

    def route(self, key: str, modified_at: datetime) -> Route:
        """What a key is. Raises FileError where the contract and the mappings know no such key."""
        for glob, kind, source, part in self._routes:
            if not glob.fullmatch(key):
                continue
            delivered_on = self._delivered_on(key, modified_at)
            name = key.rsplit("/", 1)[-1]
            if kind == "crm":
                return self._table_route(key, name, source, part, delivered_on)
            return _media_route(name, kind, source, part, delivered_on)
        raise FileError("unknown_key", f"no source mapping covers the key {key}")

    def _delivered_on(self, key: str, modified_at: datetime) -> date:
        marked = re.search(r"(?:^|/)dt=([^/]*)/", key)
        if marked:
            try:
                if re.fullmatch(r"\d{4}-\d{2}-\d{2}", marked[1], re.ASCII):
                    return date.fromisoformat(marked[1])
            except ValueError as error:
                raise FileError("bad_date", f"dt={marked[1]} is not a date") from error
            raise FileError("bad_date", f"dt={marked[1]} is not a date")
        folders = re.search(r"/(\d{4})/(\d{2})/(\d{2})/", f"/{key}")
        if folders:
            try:
                return date(int(folders[1]), int(folders[2]), int(folders[3]))
            except ValueError as error:
                raise FileError("bad_date", f"{folders[0]} is not a date") from error
        return modified_at.astimezone(ZoneInfo(self.time_zone)).date()

    def _table_route(
        self, key: str, name: str, source: str, part: TableFiles, delivered_on: date
    ) -> Route:
        entity = None
        if part.entity_from_key:
            found = re.search(part.entity_from_key, key)
            entity = found[1] if found else ""
            if entity not in load_entities():
                raise FileError("unknown_entity", f"the contract has no entity {entity}")
        lowered = name.lower()
        for extension in sorted(TABLE_EXTENSIONS, key=len, reverse=True):
            if lowered.endswith(f".{extension}"):
                break
        else:
            # Where a mapping has rules, its glob has decided that this is an extract.
            extension = part.format or ("csv" if part.rows else "")
        if not extension:
            raise FileError(
                "unknown_extension",
                f"the name {name} ends in none of {', '.join(TABLE_EXTENSIONS)}",
            )
        return Route("crm", source, delivered_on, extension, part, entity, key=key)


def _media_route(name: str, kind: Any, source: str, part: MediaFiles, delivered_on: date) -> Route:
    call_id, side, extension = split_media_name(
        name, RECORDING_EXTENSIONS if kind == "recording" else TRANSCRIPT_EXTENSIONS
    )
    if part.call_id is not None:
        found = re.search(part.call_id, name)
        if not found or not found[1]:
            raise FileError("no_call_id", f"no call id in the name {name} by {part.call_id}")
        call_id = found[1]
    return Route(kind, source, delivered_on, extension, call_id=call_id, side=side)


def split_media_name(
    name: str, extensions: tuple[str, ...]
) -> tuple[str, Literal["both", "agent", "customer"], str]:
    """(call id, side, extension): the id is what stands before the first known suffix.

    >>> split_media_name('1795010700.4021.agent.wav', ('wav',))
    ('1795010700.4021', 'agent', 'wav')

    Raises FileError for another extension and for an empty id.
    """
    known = "|".join(extensions)
    extension = name.rsplit(".", 1)[-1].lower()
    if "." not in name or extension not in extensions:
        raise FileError("unknown_extension", f"the name {name} ends in none of {known}")
    suffix = re.search(rf"\.(?:(agent|customer)\.)?(?:{known})(?=\.|$)", name, re.IGNORECASE)
    if suffix is None or suffix.start() == 0:
        raise FileError("no_call_id", f"the name {name} has no call id")
    side: Literal["both", "agent", "customer"] = "both"
    if suffix[1]:
        side = "agent" if suffix[1].lower() == "agent" else "customer"
    return name[: suffix.start()], side, extension


def parse_mapping(text: str, name: str) -> SourceMapping:
    """A source mapping from YAML text. Raises MappingError naming file, line, place and fault."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise MappingError(name, [MappingFault(line, column, "", f"not YAML: {reason}")]) from error
    if not isinstance(document, dict):
        fault = MappingFault(1, 1, "", "a source mapping is a YAML mapping")
        raise MappingError(name, [fault])
    doubled = list(_doubled_keys(root, set()))
    if doubled:
        raise MappingError(name, doubled)
    try:
        return SourceMapping.model_validate(document)
    except ValidationError as error:
        faults = []
        for found in error.errors():
            place = tuple(found["loc"])
            cause = found.get("ctx", {}).get("error")
            path = (*place, *cause.path) if isinstance(cause, ExpressionError) else place
            reason = str(cause) if isinstance(cause, ValueError) else found["msg"]
            shown = ".".join(str(part) for part in place)
            faults.append(MappingFault(*_position(root, path), shown, reason))
        raise MappingError(name, faults) from error


def _position(node: Any, path: tuple[str | int, ...]) -> tuple[int, int]:
    """Line and column (from 1) of what a path leads to, as far as it leads."""
    mark = node.start_mark
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [pair for pair in node.value if pair[0].value == str(part)]
            if not found:
                continue
            mark, node = found[0][0].start_mark, found[0][1]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value)
        ):
            node = node.value[part]
            mark = node.start_mark
    return mark.line + 1, mark.column + 1


def _doubled_keys(node: Any, seen: set[int]) -> Iterator[MappingFault]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if key.value in keys and isinstance(key, yaml.ScalarNode):
                mark = key.start_mark
                reason = f"the key {key.value} stands here twice"
                yield MappingFault(mark.line + 1, mark.column + 1, "", reason)
            if isinstance(key, yaml.ScalarNode):
                keys.add(key.value)
            yield from _doubled_keys(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _doubled_keys(value, seen)


def own_sources_folder(settings: Settings) -> Path:
    """Where `load_dispositions_csv` keeps what it was given."""
    return settings.home / "sources"


def shipped_sources() -> dict[str, SourceMapping]:
    """The mappings that come with callmart, by source."""
    shipped = resources.files("callmart.landing").joinpath("sources").iterdir()
    files = sorted((file for file in shipped if file.name.endswith(".yaml")), key=lambda f: f.name)
    return _merged({}, [(file.name, file.read_text(encoding="utf-8")) for file in files])


def _merged(
    sources: dict[str, SourceMapping], texts: list[tuple[str, str]]
) -> dict[str, SourceMapping]:
    for name, text in texts:
        mapping = parse_mapping(text, name)
        known = sources.get(mapping.source)
        sources[mapping.source] = known.merge(mapping) if known else mapping
    return sources


def load_mappings(settings: Settings) -> Mappings:
    """The shipped mappings and those of the settings' folder. Raises MappingError."""
    texts: list[tuple[str, str]] = []
    for folder in (own_sources_folder(settings), settings.sources_dir):
        if folder is not None and folder.is_dir():
            texts += [
                (str(path), path.read_text(encoding="utf-8"))
                for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
            ]
    sources = _merged(shipped_sources(), texts)
    return Mappings(sources, settings.business_time_zone, settings.default_country)


def read_dispositions_csv(path: Path) -> dict[str, str | None]:
    """Words → outcomes from a CSV with the columns disposition, outcome (empty: says nothing).

    Raises MappingError naming the file, the row and the fault.
    """
    words: dict[str, str | None] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not {"disposition", "outcome"} <= set(reader.fieldnames or ()):
            raise MappingError(path.name, "the columns disposition and outcome are needed")
        for number, row in enumerate(reader, 1):
            word, outcome = (row["disposition"] or "").strip(), (row["outcome"] or "").strip()
            if not word:
                raise MappingError(path.name, f"row {number}: the disposition is empty")
            if outcome and outcome not in OUTCOMES:
                raise MappingError(path.name, f"row {number}: {outcome} is no outcome")
            words[word] = outcome or None
    return words


def load_dispositions_csv(settings: Settings, path: Path) -> dict[str, str | None]:
    """Take a centre's words for the contract's own layout over into its mapping, for good.

    They replace those of an earlier file. Returns the words; raises MappingError.
    """
    words = read_dispositions_csv(path)
    folder = own_sources_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "dispositions.yaml"
    text = yaml.safe_dump(
        {"source": "contract", "dispositions": words}, allow_unicode=True, sort_keys=True
    )
    parse_mapping(text, path.name)
    beside = target.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(target)
    return words
