"""Bytes to text: compression, encoding and delimiter are found out from the content.

Everything is decided on the whole file, never on its beginning, so that a file has one encoding
whatever the size of the blocks it is read in.
"""

from __future__ import annotations

import codecs
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from callmart.landing.errors import FileError

BLOCK_BYTES = 1 << 20
MEMORY_BYTES = 8 << 20
GZIP_MAGIC = b"\x1f\x8b"
DELIMITERS = (",", ";", "\t", "|")

# The GB18030 decoder reads CP936 (GBK) files, too: CP936 is its two-byte part.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "utf-8 with BOM"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
)


@dataclass
class Utf8File:
    """A file's text as UTF-8 without BOM, with what was found out about it. Close `file`."""

    file: IO[bytes]
    encoding: str
    """As it is noted: utf-8, utf-8 with BOM, utf-16, cp936, gb18030, or what a mapping named."""
    compression: str | None


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file in blocks."""
    while block := file.read(BLOCK_BYTES):
        yield block


def compression_of(file: IO[bytes]) -> str | None:
    """`gzip` or None, by the first bytes."""
    file.seek(0)
    magic = file.read(2)
    file.seek(0)
    return "gzip" if magic == GZIP_MAGIC else None


def _decompressed(file: IO[bytes], compression: str | None) -> Iterator[bytes]:
    file.seek(0)
    if compression is None:
        yield from blocks(file)
        return
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            while block := unpacked.read(BLOCK_BYTES):
                yield block
    except EOFError as error:
        raise FileError("unreadable", "unreadable: the gzip stream ends too early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileError("unreadable", f"unreadable: broken gzip stream: {error}") from error


def open_text(file: IO[bytes], encoding: str | None = None) -> Utf8File:
    """The text of a spooled file, whatever its compression and encoding.

    `encoding` (a Python codec) is what a source mapping insists on; otherwise a byte order mark
    decides, then the pattern of zero bytes (UTF-16 without a mark), then whether all of it is
    UTF-8, then whether all of it is GB18030. Raises FileError where none fits.
    """
    compression = compression_of(file)
    with ExitStack() as stack:
        if compression is None:
            raw: IO[bytes] = file
        else:
            raw = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES))
            for block in _decompressed(file, compression):
                raw.write(block)
        if encoding is not None:
            text = _transcode(raw, encoding, 0)
            if text is None:
                raise FileError("encoding", f"not {encoding}, which the source mapping says it is")
            if text.read(3) != codecs.BOM_UTF8:
                text.seek(0)
            return Utf8File(text, encoding, compression)
        found = _find_encoding(raw)
        if found.codec == "utf-8":
            raw.seek(found.skip)
            stack.pop_all()
            return Utf8File(raw, found.name, compression)
        transcoded = _transcode(raw, found.codec, found.skip)
        if transcoded is None:
            raise FileError("encoding", f"the file begins as {found.name} but does not go on so")
        return Utf8File(transcoded, found.name, compression)


@dataclass
class _Encoding:
    codec: str
    name: str
    skip: int = 0


def _find_encoding(raw: IO[bytes]) -> _Encoding:
    raw.seek(0)
    head = raw.read(BLOCK_BYTES)
    for mark, codec, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            if codec == "utf-8" and not _is_encoded(raw, "utf-8"):
                raise FileError("encoding", "a UTF-8 byte order mark, but not UTF-8 after it")
            return _Encoding(codec, name, len(mark))
    # UTF-16 of any language has ASCII in it (digits, delimiters, line ends): zeros on one side.
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(len(head) // 2, 1)
    if odd > half * 0.2 and even < half * 0.01:
        return _Encoding("utf-16-le", "utf-16")
    if even > half * 0.2 and odd < half * 0.01:
        return _Encoding("utf-16-be", "utf-16")
    if _is_encoded(raw, "utf-8"):
        return _Encoding("utf-8", "utf-8")
    seen = _gb18030_characters(raw)
    if seen is None:
        raise FileError(
            "encoding", f"neither UTF-8, UTF-16 nor GB18030; {_guess(head)} (name it in a mapping)"
        )
    with_ascii_tail = sum(len(encoded) == 2 and encoded[1] < 0x80 for encoded in seen)
    if with_ascii_tail > len(seen) / 2:
        # An accented Latin letter before an ASCII letter is a GB18030 pair by form. Of real Chinese
        # text such pairs are a few rare characters; of Latin text they are most.
        raise FileError(
            "encoding",
            "not UTF-8, and GB18030 only by form, not by its letters; "
            f"{_guess(head)} (name the encoding in a source mapping)",
        )
    return _Encoding("gb18030", "cp936" if _is_encoded(raw, "cp936") else "gb18030")


def _is_encoded(raw: IO[bytes], codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    raw.seek(0)
    try:
        for block in blocks(raw):
            decoder.decode(block)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _gb18030_characters(raw: IO[bytes]) -> set[bytes] | None:
    """The different characters beyond ASCII, encoded; None where the file is not GB18030."""
    decoder = codecs.getincrementaldecoder("gb18030")()
    raw.seek(0)
    seen: set[str] = set()
    try:
        for block in _with_end(raw):
            seen.update(decoder.decode(block, not block))
    except UnicodeDecodeError:
        return None
    return {character.encode("gb18030") for character in seen if character > "\x7f"}


def _with_end(raw: IO[bytes]) -> Iterator[bytes]:
    yield from blocks(raw)
    yield b""


def _guess(head: bytes) -> str:
    """What the bytes may be, for a person to judge; never used to read them."""
    from charset_normalizer import from_bytes

    best = from_bytes(head[:65536]).best()
    return f"it may be {best.encoding}" if best else "no known encoding fits"


def _transcode(raw: IO[bytes], codec: str, skip: int) -> IO[bytes] | None:
    """A copy of the text in UTF-8, or None where it is not encoded so."""
    try:
        decoder = codecs.getincrementaldecoder(codec)()
    except LookupError as error:
        raise FileError("encoding", f"the mapping names an unknown encoding: {codec}") from error
    with ExitStack() as stack:
        target: IO[bytes] = stack.enter_context(
            tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)
        )
        raw.seek(skip)
        try:
            for block in _with_end(raw):
                text = decoder.decode(block, not block)
                target.write(text.encode("utf-8"))
        except UnicodeError:
            return None
        target.seek(0)
        stack.pop_all()
        return target


def find_delimiter(first_record: str, known_names: Sequence[str]) -> str:
    """The delimiter under which a header shows most of the known names, then most names.

    >>> find_delimiter('campaign_id;name', ['campaign_id'])
    ';'
    """
    import csv

    known = {name.casefold() for name in known_names}
    best, best_score = ",", (-1, -1)
    for delimiter in DELIMITERS:
        fields = next(csv.reader(io.StringIO(first_record), delimiter=delimiter), [])
        score = (len(known & {name.strip().casefold() for name in fields}), len(fields))
        if score > best_score:
            best, best_score = delimiter, score
    return best
