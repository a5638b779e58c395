"""WebVTT (W3C, 2019) and SRT."""

from __future__ import annotations

import html
import re
from typing import Final

from ml.transcripts.draft import Draft, DraftSegment
from ml.transcripts.model import TranscriptError

_TIME: Final = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?"
_TIMING: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?\Z")
# A line of times, be they legible or not; an arrow in what is said is none.
_CUE_LINE: Final = re.compile(r"\s*[\dxX?:.,]*\d[\dxX?:.,]*\s*-->")
_ARROW: Final = re.compile(r"[^\n]*-->[^\n]*")
_VOICE: Final = re.compile(r"<v(?:\.[^\s>]*)?(?:\s+([^>]*))?>", re.IGNORECASE)
_TAG: Final = re.compile(
    r"</?(?:[cibuv]|ruby|rt|lang|font|s)(?:[.\s][^>]*)?>|<\d[\d:.]*>|\{\\an?\d+\}", re.IGNORECASE
)
# A name before the speech: "Agent: …", "[Customer] …", "【坐席】…", "SPEAKER_00: …".
_NAMES: Final = (
    "agent|sales ?(?:agent|man|woman)?|seller|representative|rep|advis[oe]r|operator|csr|"
    "customer|client|user|prospect|lead|callee|speaker|spk|"
    "坐席|座席|客服(?:代表)?|话务员|销售员?|业务员|员工|专员|客户|客戶|顾客|顧客|用户|用戶|说话人"
)
_PREFIX: Final = re.compile(
    rf"\s*(?:-\s*)?(?:[\[【(（]\s*((?:{_NAMES})[ _#-]*\d*)\s*[\]】)）]\s*[:：]?"
    rf"|((?:{_NAMES})[ _#-]*\d*)\s*[:：])\s*",
    re.IGNORECASE,
)


def starts_with_cue(text: str) -> bool:
    """Whether a text that begins with a bracket is nevertheless a file of cues."""
    return bool(_ARROW.match(text))


def _milliseconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> int:
    total = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return total * 1000 + (int((fraction + "000")[:3]) if fraction else 0)


def _timing(line: str) -> tuple[int, int] | None:
    found = _TIMING.match(line)
    if found is None:
        return None
    parts = found.groups()
    first: tuple[str | None, str, str, str | None] = (parts[0], parts[1], parts[2], parts[3])
    second: tuple[str | None, str, str, str | None] = (parts[4], parts[5], parts[6], parts[7])
    return _milliseconds(*first), _milliseconds(*second)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_vtt(text: str) -> Draft:
    """WebVTT: a voice span `<v Name>` is a side; several in one cue are several segments."""
    lines = _lines(text)
    language = None
    place = 1
    while place < len(lines) and lines[place].strip() and "-->" not in lines[place]:
        found = re.match(r"\s*Language:\s*(\S+)", lines[place], re.IGNORECASE)
        language = found.group(1) if found else language
        place += 1
    draft = Draft("webvtt", [], language=language)
    while place < len(lines):
        block: list[str] = []
        while place < len(lines) and lines[place].strip():
            block.append(lines[place])
            place += 1
        place += 1
        if not block or re.match(r"(NOTE|STYLE|REGION)(\s|\Z)", block[0]):
            continue
        at = next((i for i, line in enumerate(block[:2]) if "-->" in line), None)
        if at is None:
            draft.problems.append(f"a block without times left out: {block[0][:40]!r}")
            continue
        _add_cue(draft, block[at], "\n".join(block[at + 1 :]), is_vtt=True)
    _carry_names(draft)
    return draft


def read_srt(text: str) -> Draft:
    """SRT: numbered cues; blank lines within a cue are kept with it."""
    lines = _lines(text)
    draft = Draft("srt", [])
    cues = [i for i, line in enumerate(lines) if _CUE_LINE.match(line)]
    if not any(_timing(lines[place]) for place in cues):
        raise TranscriptError("neither JSON, WebVTT nor SRT: no cue with times")
    for number, place in enumerate(cues):
        end = cues[number + 1] if number + 1 < len(cues) else len(lines)
        body = lines[place + 1 : end]
        # The number of the next cue stands at the end, behind a blank line as a rule.
        if number + 1 < len(cues) and body and body[-1].strip().isdigit():
            body.pop()
        while body and not body[-1].strip():
            body.pop()
        _add_cue(draft, lines[place], "\n".join(body), is_vtt=False)
    _carry_names(draft)
    return draft


def _add_cue(draft: Draft, timing: str, payload: str, is_vtt: bool) -> None:
    times = _timing(timing)
    start, end = times if times else (None, None)
    if times is None:
        draft.problems.append(f"segment {len(draft.segments)}: no times in {timing.strip()!r}")
    pieces: list[tuple[str | None, str]] = []
    last, label = 0, None
    for voice in _VOICE.finditer(payload):
        if payload[last : voice.start()].strip():
            pieces.append((label, payload[last : voice.start()]))
        label = (voice.group(1) or "").strip() or None
        last = voice.end()
    if payload[last:].strip() or not pieces:
        pieces.append((label, payload[last:]))
    for name, piece in pieces:
        said = _TAG.sub("", piece)
        if len(pieces) > 1:
            said = said.strip("\n")
        if is_vtt:
            said = html.unescape(said)
        segment = DraftSegment(said, start, end, html.unescape(name) if name else None)
        if segment.label is None:
            prefix = _PREFIX.match(said)
            if prefix:
                segment.label = prefix.group(1) or prefix.group(2)
                segment.speech_start = prefix.end()
        draft.segments.append(segment)


def _carry_names(draft: Draft) -> None:
    """A cue without a name goes on with the speaker named last, as captions are written."""
    carried = 0
    current: str | None = None
    for segment in draft.segments:
        if segment.label is not None:
            current = segment.label
        elif current is not None:
            segment.label = current
            carried += 1
    if carried:
        draft.problems.append(f"{carried} cues without a name taken as the speaker's before them")
