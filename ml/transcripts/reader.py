"""Reading transcripts of any known shape into one."""

from __future__ import annotations

import codecs
import itertools
import json
import math
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from ml.transcripts import captions, json_shapes
from ml.transcripts.draft import Draft, DraftSegment
from ml.transcripts.model import (
    Role,
    Segment,
    Transcript,
    TranscriptError,
    Word,
    in_time_order,
)

# A call id ends before the first of these, as in the landing bucket.
KNOWN_SUFFIXES: Final = frozenset(
    [
        "json",
        "srt",
        "vtt",
        "wav",
        "mp3",
        "ogg",
        "opus",
        "flac",
        "m4a",
        "gsm",
        "ulaw",
        "alaw",
        "agent",
        "customer",
    ]
)

# Words for the two sides, as suppliers and centres write them (compared folded to lower case).
_SIDES: Final[dict[str, Role]] = {
    **dict.fromkeys(
        [
            "agent",
            "sales",
            "salesman",
            "saleswoman",
            "sales agent",
            "seller",
            "representative",
            "rep",
            "advisor",
            "adviser",
            "operator",
            "csr",
            "employee",
            "staff",
            "坐席",
            "座席",
            "客服",
            "客服代表",
            "话务员",
            "销售",
            "销售员",
            "业务员",
            "员工",
            "专员",
            "经纪人",
        ],
        "agent",
    ),
    **dict.fromkeys(
        [
            "customer",
            "client",
            "user",
            "consumer",
            "prospect",
            "lead",
            "contact",
            "callee",
            "cust",
            "客户",
            "顾客",
            "用户",
            "被叫",
            "对方",
            "客戶",
            "顧客",
            "用戶",
        ],
        "customer",
    ),
}
# Channel 0 is the agent, as in recordings; a source that differs passes its own table.
CHANNELS: Final[Mapping[str, Role]] = {
    "ch_0": "agent",
    "ch_1": "customer",
    "0": "agent",
    "1": "customer",
}

_LANGUAGES: Final = {"english": "en", "chinese": "zh", "mandarin": "zh", "cmn": "zh"}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Longer than any call; a time beyond it is a slip of the supplier.
_LAST_MS: Final = 7 * 24 * 3600 * 1000


def call_id_of(name: str) -> str:
    """The call id in a file's name: what stands before the first known suffix."""
    base = PurePosixPath(name.replace("\\", "/")).name
    parts = base.split(".")
    for count in range(1, len(parts)):
        if parts[count].lower() in KNOWN_SUFFIXES:
            return ".".join(parts[:count])
    return base


def decode(data: bytes) -> tuple[str, str]:
    """Bytes as text and the encoding they were in. Raises TranscriptError.

    UTF-8 with and without BOM, UTF-16 with and without BOM, GB18030 (which covers CP936).
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decode(data, "utf-16"), "utf-16"
    if data.startswith(codecs.BOM_UTF8):
        return _decode(data, "utf-8-sig"), "utf-8-sig"
    head = data[:4000]
    if head.count(0) > len(head) // 8:
        # In UTF-16 the digits, brackets and blanks of any format have a zero byte on one side.
        low_first = head[1::2].count(0) >= head[::2].count(0)
        encoding = "utf-16-le" if low_first else "utf-16-be"
        return _decode(data, encoding), encoding
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        # In GB18030 text hardly a pair of bytes is UTF-8 by chance: where most are, the file is
        # UTF-8 with damage.
        read = data.decode("utf-8", "replace")
        whole = sum(char > "\x7f" and char != "\ufffd" for char in read)
        if whole > read.count("\ufffd"):
            raise TranscriptError(
                f"not UTF-8: byte 0x{data[error.start]:02x} at byte {error.start}"
            ) from error
    return _decode(data, "gb18030"), "gb18030"


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TranscriptError(f"not {encoding}: {error.reason} at byte {error.start}") from error


def _draft(text: str) -> Draft:
    head = text.lstrip("\ufeff \t\r\n")
    if not head:
        raise TranscriptError("the file is empty")
    if head.startswith(("{", "[")) and not captions.starts_with_cue(head):
        try:
            document = json.loads(text.lstrip("\ufeff"))
        except RecursionError as error:
            raise TranscriptError("not JSON: nested too deep") from error
        except ValueError as error:
            raise TranscriptError(f"not JSON: {error}") from error
        return json_shapes.read(document)
    if re.match(r"WEBVTT(?![^\s])", head):
        return captions.read_vtt(head)
    if "-->" in head:
        return captions.read_srt(head)
    raise TranscriptError("neither JSON, WebVTT nor SRT")


def side_of(label: str | None, sides: Mapping[str, Role]) -> Role | None:
    """The side that a supplier's label speaks for, or None."""
    if label is None:
        return None
    text = label.strip()
    if text in sides:
        return sides[text]
    word = re.sub(r"[\s_\-]+", " ", text).strip().lower()
    if word in _SIDES:
        return _SIDES[word]
    # "Agent Smith", "agent_1", "客户2"
    numbered = re.sub(r"[\s#:：]*\d+\Z", "", word)
    if numbered in _SIDES:
        return _SIDES[numbered]
    return _SIDES.get(word.split(" ")[0]) if " " in word else None


def read_transcript(
    data: bytes,
    name: str,
    call_id: str | None = None,
    sides: Mapping[str, Role] | None = None,
) -> Transcript:
    """Read one transcript; its format is found out from its content.

    data: the file's bytes; name: its path or key, which gives the call id where the file does not
    call_id: overrides both (the landing key knows better than the file)
    sides: the supplier's labels → side, for sources whose channels or speakers are known; default
        channel 0 agent, channel 1 customer. Labels that say nothing leave the role None.

    Raises TranscriptError.
    """
    text, encoding = decode(data)
    draft = _draft(text)
    problems = list(draft.problems)
    if encoding not in ("utf-8", "utf-8-sig"):
        problems.append(f"encoding {encoding}")
    table = {**CHANNELS, **(sides or {})}

    own_id = draft.call_id
    if call_id is not None and own_id is not None and own_id != call_id:
        problems.append(f"the file names call {own_id}")
    found_id = call_id or own_id or call_id_of(name)
    if not found_id:
        raise TranscriptError("no call id in the file and none in its name")

    segments = [_finish(item, index, table, problems) for index, item in enumerate(draft.segments)]
    for value in (found_id, draft.language, draft.engine):
        if value is not None and _SURROGATE.search(value):
            raise TranscriptError("half of a surrogate pair in the head of the file")
    unknown = sum(segment.role is None for segment in segments)
    if unknown:
        labels = sorted({s.speaker for s in segments if s.role is None and s.speaker})
        said = f" ({', '.join(labels[:5])})" if labels else ""
        problems.append(f"{unknown} of {len(segments)} segments without a known side{said}")
    ordered = in_time_order(segments)
    moved = sum(segment.index < before.index for before, segment in itertools.pairwise(ordered))
    if moved:
        problems.append(f"segments out of order: put in order of time at {moved} places")
    return Transcript(
        call_id=found_id,
        language=_language(draft.language),
        engine=draft.engine,
        format=draft.format,
        segments=ordered,
        is_connected=draft.is_connected,
        problems=tuple(problems),
    )


def _language(given: str | None) -> str | None:
    if given is None or not given.strip():
        return None
    text = given.strip()
    first, _, rest = text.replace("_", "-").partition("-")
    if first.lower() not in _LANGUAGES:
        return text
    return f"{_LANGUAGES[first.lower()]}-{rest}" if rest else _LANGUAGES[first.lower()]


def _finish(
    item: DraftSegment, index: int, sides: Mapping[str, Role], problems: list[str]
) -> Segment:
    if _SURROGATE.search(item.text) or any(_SURROGATE.search(word[0]) for word in item.words):
        raise TranscriptError(f"segment {index}: half of a surrogate pair")
    where = f"segment {index}"
    start, end = _span(item.start, item.end, where, problems)
    words = []
    broken = 0
    for text, word_start, word_end, confidence in item.words:
        ignored: list[str] = []
        first, last = _span(word_start, word_end, where, ignored)
        broken += bool(ignored)
        words.append(Word(text, first, last, _number(confidence)))
    if broken:
        problems.append(f"{where}: times of {broken} words impossible, left out")
    return Segment(
        index=index,
        role=side_of(item.label, sides),
        start_ms=start,
        end_ms=end,
        text=item.text,
        words=tuple(words),
        speaker=item.label,
        speech_start=item.speech_start,
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _time(value: Any, where: str, what: str, problems: list[str]) -> int | None:
    """Milliseconds, or None with a note when the value is no time of a call."""
    if value is None:
        return None
    number = _number(value)
    if number is None or not 0 <= number <= _LAST_MS:
        problems.append(f"{where}: {what} {value!r} is no time, left out")
        return None
    return round(number)


def _span(start: Any, end: Any, where: str, problems: list[str]) -> tuple[int | None, int | None]:
    first = _time(start, where, "start", problems)
    last = _time(end, where, "end", problems)
    if first is not None and last is not None and last < first:
        problems.append(f"{where}: ends before it starts, end left out")
        last = None
    return first, last
