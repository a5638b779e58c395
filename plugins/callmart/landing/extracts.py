"""One extract from bytes to checked rows, as its mapping says; knows neither bucket nor warehouse."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

from callmart.contracts import Entity, load_entities
from callmart.landing import tables, texts
from callmart.landing.errors import FileError
from callmart.landing.mappings import Route, TableFiles
from callmart.landing.projection import MappedProjection, Part, project_contract, unwrap
from callmart.landing.rows import CheckedRows, Locale
from callmart.landing.tables import Chunk, RejectedRow


class Extract:
    """Reads one extract; while and after its parts are read, the attributes say what was found."""

    def __init__(self, route: Route, files: TableFiles, locale: Locale) -> None:
        self._route = route
        self._files = files
        self._locale = locale
        names = {route.entity} if route.entity else {rows.entity for rows in files.rows}
        self.entities: dict[str, Entity] = {
            name: load_entities()[name] for name in sorted(filter(None, names))
        }
        self.rows_read = 0
        """Number of the last record."""
        self.rejected: list[tuple[str | None, RejectedRow]] = []
        """(entity, row); no entity: the record could not be read at all."""
        self.encoding: str | None = None
        self.delimiter: str | None = None
        self.compression: str | None = None
        self._flags: dict[tuple[str, str], int] = {}
        self._notices: dict[tuple[str, str], str] = {}
        self._seen_fields: set[str] = set()
        self._mapped = None if route.entity else MappedProjection(self.entities, route, locale)

    def notices(self) -> list[tuple[str, str, str]]:
        """What a person may want to know: (kind, subject, detail)."""
        found = dict(self._notices)
        for (kind, subject), count in self._flags.items():
            found[(kind, subject)] = f"{count} rows"
        if self._mapped is not None and self._mapped.untaken:
            count = self._mapped.untaken
            found[("untaken_records", "")] = f"{count} records that no rule takes"
        return [(kind, subject, detail) for (kind, subject), detail in found.items()]

    def parts(self, file: IO[bytes]) -> Iterator[tuple[Entity, CheckedRows]]:
        """Checked rows of all records, chunk by chunk. Raises FileError, at the latest at the end."""
        fault: str | None = None
        is_checked = False
        for delivered, is_header_fixed in self._chunks(file):
            chunk = unwrap(delivered, self._files.unwrap)
            self._seen_fields |= {str(name) for name in chunk.frame.columns}
            if len(chunk.row_numbers):
                self.rows_read = max(self.rows_read, int(chunk.row_numbers[-1]))
            if chunk.rejected:
                self.rows_read = max(self.rows_read, chunk.rejected[-1].row_number)
            if is_header_fixed and not is_checked:
                fault = self._header_fault()
                is_checked = True
            if fault is None:  # else only the rows are counted
                self.rejected += [(self._route.entity, row) for row in chunk.rejected]
                if len(chunk.frame):
                    yield from self._project(chunk)
        if not is_checked:
            fault = self._header_fault()
        if fault is not None:
            raise FileError("missing_column", fault, self.rows_read)

    def _project(self, chunk: Chunk) -> Iterator[tuple[Entity, CheckedRows]]:
        parts: Iterator[Part]
        if self._mapped is None:
            entity = self.entities[self._route.entity or ""]
            parts = project_contract(entity, chunk, self._files, self._locale)
        else:
            parts = self._mapped.parts(chunk)
        for entity, checked, unknown in parts:
            self.rejected += [(entity.name, row) for row in checked.rejected]
            for (kind, column), count in checked.flag_counts.items():
                subject = f"{entity.name}.{column}" if kind == "unknown_word" else column
                self._flags[(kind, subject)] = self._flags.get((kind, subject), 0) + count
            for name in unknown:
                self._notices[("unknown_column", name)] = f"kept in _extra of {entity.name}"
            yield entity, checked

    def _chunks(self, file: IO[bytes]) -> Iterator[tuple[Chunk, bool]]:
        """Chunks, and whether their columns are those of the whole file."""
        extension = self._files.format or self._route.extension.split(".")[0]
        magic = file.read(4)
        file.seek(0)
        if magic == b"PAR1":
            if extension != "parquet":
                self._notices[("format", "parquet")] = f"named .{self._route.extension}"
            for chunk in tables.read_parquet(file):
                yield chunk, True
            return
        if extension == "parquet":
            raise FileError("unreadable", "unreadable: not Parquet, whatever the name says")
        text = texts.open_text(file, self._files.encoding)
        self.encoding, self.compression = text.encoding, text.compression
        is_named_gz = self._route.key.lower().endswith(".gz")
        if self._files.format is None and is_named_gz != (text.compression == "gzip"):
            self._notices[("compression", text.compression or "none")] = (
                f"named .{self._route.extension}"
            )
        with text.file:
            if extension == "jsonl":
                for chunk in tables.read_json_lines(text.file):
                    yield chunk, False
            elif extension == "json":
                for chunk in tables.read_json_documents(text.file):
                    yield chunk, False
            else:
                for chunk in self._delimited(text.file):
                    yield chunk, True

    def _delimited(self, file: IO[bytes]) -> Iterator[Chunk]:
        files = self._files
        if not (files.skip_lines or files.skip_footer or files.ignore_lines):
            yield from self._records(file)
            return
        with tempfile.SpooledTemporaryFile(max_size=texts.MEMORY_BYTES) as kept:
            tables.without_lines(
                file, kept, files.skip_lines, files.skip_footer, files.ignore_lines
            )
            yield from self._records(kept)

    def _records(self, file: IO[bytes]) -> Iterator[Chunk]:
        files = self._files
        reader: tables.CsvReader | tables.LineReader
        if files.columns or files.pattern or len(files.delimiter or "") > 1:
            layout = tables.LineLayout(
                files.delimiter, files.columns or None, files.pattern, files.header
            )
            reader = tables.LineReader(file, layout)
        else:
            dialect = tables.CsvDialect(files.delimiter, files.header, files.has_quotes)
            reader = tables.CsvReader(file, dialect, self._known_names())
        self.delimiter = reader.delimiter
        self._seen_fields |= set(reader.header)
        yield from reader

    def _known_names(self) -> list[str]:
        if self._route.entity:
            return list(self.entities[self._route.entity].columns)
        return sorted(set().union(*(rows.read_fields() for rows in self._files.rows)))

    def _header_fault(self) -> str | None:
        """Which required columns the file does not have."""
        seen = {name.casefold() for name in self._seen_fields}
        if self._route.entity:
            required = self.entities[self._route.entity].required
            missing = [name for name in required if name not in seen]
        else:
            missing = []
            for rows in self._files.rows:
                for name in self.entities[rows.entity].required:
                    fields = {field_name.casefold() for field_name in rows.column_fields(name)}
                    if fields and not fields & seen and rows.when is None:
                        missing.append(f"{rows.fields[name]} (for {rows.entity}.{name})")
        if not missing:
            return None
        found = ", ".join(sorted(self._seen_fields))[:500]
        listed = " and ".join([", ".join(missing[:-1]), missing[-1]] if missing[1:] else missing)
        subject = f"columns {listed} are" if missing[1:] else f"column {listed} is"
        return f"wrong header: the required {subject} missing (found: {found})"
