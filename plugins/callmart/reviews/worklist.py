"""The worklist as a file: XLSX for people, CSV for other tools.

What customers said comes from outside. In XLSX every cell of theirs is typed as text, and marked so that it
stays text when someone edits it. CSV has no types: a cell that a spreadsheet would take for a formula
(it begins with = + - @, a tab or a line break) gets an apostrophe in front, and `plain` takes it off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from callmart.reviews.selection import WaitingHit

VERDICTS = ("confirmed", "rejected", "appealed")
# column → heading in English and Chinese, width in characters
COLUMNS: dict[str, tuple[str, str, int]] = {
    "verdict": ("Verdict", "复核结论", 13),
    "comment": ("Comment", "复核意见", 28),
    "reviewer": ("Reviewer", "复核人", 14),
    "reviewed_at": ("Reviewed at", "复核时间", 20),
    "severity": ("Severity", "严重级别", 10),
    "rule": ("Rule", "规则", 26),
    "kind": ("Kind", "类型", 11),
    "quote": ("What was said", "原话", 64),
    "said_by": ("Said by", "说话方", 10),
    "agent": ("Agent", "坐席", 16),
    "call_started_at": ("Call started", "通话开始", 18),
    "place": ("Place", "位置", 8),
    "recording": ("Recording", "录音", 52),
    "so_far": ("So far", "此前结论", 18),
    "points": ("Points", "扣分", 8),
    "call_id": ("Call", "通话编号", 16),
    "rule_id": ("Rule id", "规则编号", 22),
    "selection": ("Selection", "抽取方式", 10),
    "hit_id": ("Hit id (leave as it is)", "命中编号（勿改）", 36),
}
_TO_FILL = ("verdict", "comment", "reviewer", "reviewed_at")
_MISSING = "not said / 未说"
_FORMULA = re.compile(r"^[=+\-@\t\r\n]")
# What XML cannot hold; a hit may quote it all the same.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_COLOURS = {"critical": "C00000", "major": "B45F06", "minor": "44546A"}


def place(start_ms: int | None) -> str:
    """m:ss of the recording, as players show it; empty where the place is not known."""
    return "" if start_ms is None else f"{start_ms // 60_000}:{start_ms // 1000 % 60:02d}"


def parts(quote: str | None, context: str | None) -> tuple[str, str, str]:
    """What stands before the hit, the hit, what stands behind it.

    Where the context holds the quote more than once, its middle one is taken: a hit stands amid its
    context. A quote over a joint of segments has a line feed where the context has a blank.
    """
    if not quote:
        return "", "", context or ""
    pattern = r"\s*".join(re.escape(piece) for piece in quote.split("\n"))
    found = list(re.finditer(pattern, context or ""))
    if not found:
        return "", quote.replace("\n", " "), ""
    middle = len(context or "") / 2
    match = min(found, key=lambda hit: abs((hit.start() + hit.end()) / 2 - middle))
    return match.string[: match.start()], match[0], match.string[match.end() :]


def _cells(hit: WaitingHit, zone: ZoneInfo) -> dict[str, str]:
    """A hit's cells as text, the quote left out."""
    names = dict.fromkeys([hit.rule_name_en, hit.rule_name_zh])
    agent = [name for name in (hit.agent_id, hit.agent_name) if name]
    so_far = [text for text in (hit.verdict_so_far, hit.comment_so_far) if text]
    return {
        **dict.fromkeys(_TO_FILL, ""),
        "severity": hit.severity,
        "rule": " / ".join(names),
        "kind": hit.kind,
        "said_by": hit.role or "",
        "agent": " ".join(agent),
        "call_started_at": hit.started_at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        "place": place(hit.start_ms),
        "recording": hit.recording_key or "",
        "so_far": ": ".join(so_far),
        "points": f"{hit.points:g}",
        "call_id": hit.call_id,
        "rule_id": hit.rule_id,
        "selection": hit.selection,
        "hit_id": hit.hit_id,
    }


def guarded(text: str) -> str:
    """The text as a CSV cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain(cell: str) -> str:
    """What `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def write_csv(hits: Sequence[WaitingHit], time_zone: str) -> bytes:
    """The worklist as UTF-8 CSV (with a byte order mark, by which Excel knows it), the hit in 【】."""
    zone = ZoneInfo(time_zone)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(COLUMNS))
    writer.writeheader()
    for hit in hits:
        before, said, after = parts(hit.quoted_text, hit.context)
        cells = _cells(hit, zone)
        cells["quote"] = f"{before}【{said}】{after}" if said else _MISSING
        writer.writerow({name: guarded(cell) for name, cell in cells.items()})
    return text.getvalue().encode("utf-8-sig", errors="replace")


def write_xlsx(
    hits: Sequence[WaitingHit], time_zone: str, bucket: str, recordings_url: str | None = None
) -> bytes:
    """The worklist as an Excel workbook: four columns to fill, one row a hit, a page of notes.

    recordings_url: what a recording's key follows to be a link, e.g. `https://listen.example/`;
    without it the link is the `s3://` address of the bucket.
    """
    from openpyxl import Workbook
    from openpyxl.cell.rich_text import CellRichText, TextBlock
    from openpyxl.cell.text import InlineFont
    from openpyxl.styles import Alignment, Border, Color, Font, PatternFill, Side
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    zone = ZoneInfo(time_zone)
    workbook = Workbook()
    sheet: Any = workbook.active
    sheet.title = "worklist"
    line = Border(bottom=Side(style="thin", color="D9D9D9"))
    to_fill = PatternFill("solid", fgColor="FFF8E1")
    head_fill = PatternFill("solid", fgColor="1F3864")
    letters = {name: get_column_letter(index) for index, name in enumerate(COLUMNS, start=1)}

    for name, (english, chinese, width) in COLUMNS.items():
        cell = sheet[f"{letters[name]}1"]
        cell.value = f"{english}\n{chinese}"
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = head_fill
        cell.alignment = Alignment(wrap_text=True, vertical="center")
        sheet.column_dimensions[letters[name]].width = width
    sheet.row_dimensions[1].height = 34

    for row, hit in enumerate(hits, start=2):
        for name, text in _cells(hit, zone).items():
            cell = sheet[f"{letters[name]}{row}"]
            if name == "points":
                cell.value = hit.points
            else:
                _write_text(cell, text)
            cell.alignment = Alignment(
                wrap_text=name in ("comment", "rule"),
                vertical="top",
                horizontal="right" if name in ("place", "points") else None,
            )
            cell.border = line
            if name in _TO_FILL:
                cell.fill = to_fill
        sheet[f"{letters['severity']}{row}"].font = Font(bold=True, color=_COLOURS[hit.severity])
        if hit.recording_key:
            cell = sheet[f"{letters['recording']}{row}"]
            cell.hyperlink = (recordings_url or f"s3://{bucket}/") + hit.recording_key
            cell.font = Font(color="0563C1", underline="single")
        quote = sheet[f"{letters['quote']}{row}"]
        pieces = [_UNWRITABLE.sub("\ufffd", piece) for piece in parts(hit.quoted_text, hit.context)]
        marked = InlineFont(b=True, color=Color(rgb="FFC00000"))
        if pieces[1]:
            quote.value = CellRichText(
                *(piece for piece in pieces[:1] if piece),
                TextBlock(marked, pieces[1]),
                *(piece for piece in pieces[2:] if piece),
            )
        else:
            _write_text(quote, _MISSING)
            quote.font = Font(italic=True, color="7F7F7F")
        quote.quotePrefix = True
        quote.alignment = Alignment(wrap_text=True, vertical="top")
        quote.border = line

    last = len(hits) + 1
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = f"A1:{letters['hit_id']}{last}"
    if hits:
        choice = DataValidation(
            type="list", formula1=f'"{",".join(VERDICTS)}"', allow_blank=True, showErrorMessage=True
        )
        choice.errorTitle = "Verdict"
        choice.error = f"One of {', '.join(VERDICTS)}, or empty."
        sheet.add_data_validation(choice)
        choice.add(f"A2:A{last}")
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_title_rows = "1:1"

    notes: Any = workbook.create_sheet("notes")
    notes.column_dimensions["A"].width = 110
    for row, text in enumerate(_NOTES, start=1):
        notes[f"A{row}"].value = text
        notes[f"A{row}"].alignment = Alignment(wrap_text=True, vertical="top")
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def _write_text(cell: Any, text: str) -> None:
    """Fill a cell with text that stays text whatever it begins with."""
    if not text:
        return
    cell.value = _UNWRITABLE.sub("\ufffd", text)
    cell.data_type = "s"
    cell.quotePrefix = True


_NOTES = (
    "Fill in the yellow columns, leave the others as they are; `callmart review import` takes the file.",
    "verdict: confirmed (the rule is right), rejected (it is not; the points are given back), appealed (to be"
    " looked at again). Leave it empty where you have not decided.",
    "reviewer: your name or id. reviewed_at: when you decided, such as 2026-11-18 16:05, or empty."
    " Empty is the time of the import.",
    "selection: worst, listed by severity; random, drawn without regard to anything: only these tell how"
    " often a rule is right.",
    "请填写黄色列，其余各列保持不变，然后交给 `callmart review import` 导入。",
    "复核结论：confirmed 确认违规；rejected 驳回（返还扣分）；appealed 申诉（重新复核）。尚未判断请留空。",
    "复核人：姓名或工号。复核时间：如 2026-11-18 16:05；留空则为导入时间。",
    "抽取方式：worst 按严重程度排序；random 随机抽取，规则精确率只应依据随机样本。",
)
