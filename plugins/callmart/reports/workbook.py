"""The document as an Excel workbook: a sheet a section, each table with its filters, native charts.

What stands in a cell comes from outside: every text is typed as text, and marked so that it stays text
when someone edits it. No cell holds a formula.
"""

from __future__ import annotations

import io
import re
from datetime import date, datetime
from typing import Any

from callmart.reports.document import NUMERIC, Chart, Column, Document, Link, Table, write

# What XML cannot hold; a quote may hold it all the same.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")
_FORMATS = {
    "count": "#,##0", "ratio": "0.0%", "seconds": "[h]:mm:ss", "number": "#,##0.##",
    "change": "+0.0;-0.0;0.0", "place": "[m]:ss", "time": "yyyy-mm-dd hh:mm",
}  # fmt: skip
_WIDTHS = {"quote": 60, "text": 24, "id": 22, "time": 18}
_HEAD, _GREEN = "1F3D34", "0B6E4F"
_TONES = {"good": "0B6E4F", "bad": "B3261E", "same": "5B6963"}
_LIMIT = 32767
"""Characters that a cell holds."""
_CHART_ROWS = 16
"""Rows of the sheet that a chart takes in height."""


def write_xlsx(document: Document) -> bytes:
    """The workbook's bytes: an overview, a sheet a section, the definitions."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    sheet: Any = book.active
    words = document.words
    _name(sheet, words["overview"], book)
    _heading(sheet, document.title, document.subtitle)
    columns: tuple[Column, ...] = (
        Column("label", words["figure"], "text"),
        Column("value", words["value"], "text"),
        Column("n", "n", "count"),
    )
    most = max((len(figure.comparisons) for figure in document.figures), default=0)
    columns += tuple(
        Column(f"change{place}", f"{words['change']} {place + 1}", "text") for place in range(most)
    )
    columns += (Column("definition", words["definition"], "quote"),)
    rows: list[dict[str, Any]] = [
        {
            "label": figure.label,
            "value": figure.value,
            "n": figure.n,
            "definition": figure.definition,
            **{
                f"change{place}": f"{each.text} {each.label}"
                for place, each in enumerate(figure.comparisons)
            },
        }
        for figure in document.figures
    ]
    overview = Table("overview", words["overview"], columns, tuple(rows))
    first = _write_table(sheet, overview, 4, document, 0)[0]
    for place, figure in enumerate(document.figures):
        _fill(sheet.cell(first + place + 1, 2), figure.value, figure.form, document)
        for column, each in enumerate(figure.comparisons, start=4):
            cell = sheet.cell(first + place + 1, column)
            cell.font = Font(color=_TONES[each.tone])
    row = first + len(rows) + 2
    for text in document.footer:
        _fill(sheet.cell(row, 1), text, "text", document, wraps=False)
        row += 1

    number = 1
    for section in document.sections:
        sheet = book.create_sheet()
        _name(sheet, section.title, book)
        _heading(sheet, section.title, words["joiner"].join(section.sentences))
        row, charts_at = 4, 1
        width = max([len(table.columns) for table in section.tables] or [1])
        charts = [chart for chart in section.charts if chart.categories]
        for table in section.tables:
            _, row = _write_table(sheet, table, row, document, number)
            number += 1
        for chart in charts:
            head, row = _write_table(sheet, _as_table(chart), row, document, number)
            number += 1
            sheet.add_chart(
                _native(sheet, chart, head), f"{_letter(max(width, 4) + 2)}{charts_at + 3}"
            )
            charts_at += _CHART_ROWS + 2
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _letter(number: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(number))


def _name(sheet: Any, title: str, book: Any) -> None:
    """A sheet's name: 31 characters, without those that Excel refuses, no name twice."""
    plain = _SHEET_NAME.sub(" ", title).strip("' ")[:28] or "-"
    taken = {other.title.lower() for other in book.worksheets if other is not sheet}
    name, number = plain, 2
    while name.lower() in taken:
        name, number = f"{plain} {number}", number + 1
    sheet.title = name


def _heading(sheet: Any, title: str, sentence: str) -> None:
    from openpyxl.styles import Alignment, Font

    for row, text, font in (
        (1, title, Font(bold=True, size=16, color=_HEAD)),
        (2, sentence, Font(size=11, color="33413C")),
    ):
        cell = sheet.cell(row, 1)
        _text(cell, text)
        cell.font = font
        sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=8)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    # A line of eight columns holds about 130 characters, of Chinese half as many.
    wide = sum(2 if character >= "\u2e80" else 1 for character in sentence)
    sheet.row_dimensions[1].height = 24
    sheet.row_dimensions[2].height = 16 * (1 + wide // 130)
    sheet.sheet_view.showGridLines = False
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _write_table(
    sheet: Any, table: Table, row: int, document: Document, number: int
) -> tuple[int, int]:
    """Write the table's title (from the second on), head and rows; head's row and the next free one."""
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.worksheet.table import Table as ExcelTable
    from openpyxl.worksheet.table import TableStyleInfo

    title = sheet.cell(row - 1, 1)
    _text(title, table.title)
    title.font = Font(bold=True, color=_GREEN)
    line = Border(bottom=Side(style="thin", color="E6EAE8"))
    head = row
    for place, column in enumerate(table.columns, start=1):
        cell = sheet.cell(head, place)
        _text(cell, column.label)
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor=_HEAD)
        cell.alignment = Alignment(
            wrap_text=True, vertical="center",
            horizontal="right" if column.form in NUMERIC else "left",
        )  # fmt: skip
        letter = _letter(place)
        longest = max([len(column.label) * 2, *(_shown(row, column) for row in table.rows)])
        least, most = (10, 18) if column.form in NUMERIC else (12, _WIDTHS.get(column.form, 24))
        now = sheet.column_dimensions[letter].width if row > 4 else 0
        sheet.column_dimensions[letter].width = max(now, least, min(most, longest + 2))
    for values in table.rows:
        row += 1
        for place, column in enumerate(table.columns, start=1):
            cell = sheet.cell(row, place)
            _fill(cell, values.get(column.name), column.form, document)
            cell.border = line
    if table.rows:
        listed = ExcelTable(
            displayName=f"table_{number}_{table.name}",
            ref=f"A{head}:{_letter(len(table.columns))}{row}",
        )
        listed.tableStyleInfo = TableStyleInfo(name="TableStyleLight1", showRowStripes=False)
        sheet.add_table(listed)
    else:
        row += 1
        _fill(sheet.cell(row, 1), document.words["empty"], "text", document)
    if sheet.freeze_panes is None:
        sheet.freeze_panes = f"B{head + 1}"
        sheet.print_title_rows = f"{head}:{head}"
    if table.more:
        row += 1
        more = document.words["more"].format(n=f"{table.more:,}")
        _fill(sheet.cell(row, 1), more, "text", document, wraps=False)
    return head, row + 3


def _shown(row: Any, column: Column) -> int:
    value = row.get(column.name)
    text = str(value.value if isinstance(value, Link) else value or "")
    return sum(2 if character >= "\u2e80" else 1 for character in text)


def _text(cell: Any, text: str) -> None:
    """Fill a cell with text that stays text whatever it begins with."""
    cell.value = _UNWRITABLE.sub("\ufffd", text)[:_LIMIT]
    cell.data_type = "s"
    cell.quotePrefix = True


def _fill(cell: Any, value: Any, form: str, document: Document, wraps: bool = True) -> None:
    """Fill a cell with a raw value: numbers as numbers in their format, the rest as text."""
    from openpyxl.styles import Alignment, Font

    url = value.url if isinstance(value, Link) else ""
    value = value.value if isinstance(value, Link) else value
    is_number = form in NUMERIC
    if value is None:
        pass
    elif isinstance(value, datetime):
        # Excel knows no zones: the business time, as everywhere in the report.
        cell.value = value.astimezone(document.zone).replace(tzinfo=None)
        cell.number_format = _FORMATS["time"]
    elif isinstance(value, date):
        cell.value = value
        cell.number_format = "yyyy-mm-dd"
    elif is_number:
        scale = {"seconds": 86_400, "place": 86_400_000}.get(form, 1)
        cell.value = float(value) / scale
        cell.number_format = _FORMATS[form]
    else:
        _text(cell, write(value, form, document.words, document.zone))
    if url:
        cell.hyperlink = url
        cell.font = Font(color="0563C1", underline="single")
    cell.alignment = Alignment(
        vertical="top", horizontal="right" if is_number else "left",
        wrap_text=wraps and form in ("quote", "text"),
    )  # fmt: skip


def _as_table(chart: Chart) -> Table:
    """The chart's numbers, which the native chart draws."""
    columns = (
        Column("category", chart.category, "text"),
        *(Column(f"s{place}", name, chart.form) for place, (name, _) in enumerate(chart.series)),
    )
    rows = tuple(
        {
            "category": category,
            **{f"s{place}": numbers[index] for place, (_, numbers) in enumerate(chart.series)},
        }
        for index, category in enumerate(chart.categories)
    )
    return Table(f"chart_{chart.name}", chart.title, columns, rows)


def _native(sheet: Any, chart: Chart, head: int) -> Any:
    from openpyxl.chart import BarChart, LineChart, Reference
    from openpyxl.chart.label import DataLabelList

    drawn: Any = LineChart() if chart.kind == "line" else BarChart()
    last = head + len(chart.categories)
    numbers = Reference(sheet, min_col=2, max_col=1 + len(chart.series), min_row=head, max_row=last)
    drawn.add_data(numbers, titles_from_data=True)
    drawn.set_categories(Reference(sheet, min_col=1, min_row=head + 1, max_row=last))
    drawn.title = chart.title
    drawn.height, drawn.width = 8.2, 16.0
    drawn.y_axis.number_format = _FORMATS.get(chart.form, "General")
    drawn.y_axis.delete = drawn.x_axis.delete = False  # openpyxl leaves axes out otherwise
    if len(chart.series) == 1:
        drawn.legend = None
    else:
        drawn.legend.position = "b"
    if chart.kind == "bars":
        drawn.type, drawn.gapWidth = "bar", 40
        drawn.x_axis.scaling.orientation = "maxMin"  # the first on top, as in the table
        drawn.dataLabels = DataLabelList()
        drawn.dataLabels.showVal = True
        for name in ("showSerName", "showCatName", "showLegendKey", "showPercent"):
            setattr(drawn.dataLabels, name, False)
    if chart.kind == "stacked":
        drawn.grouping, drawn.overlap, drawn.gapWidth = "stacked", 100, 40
    for series, colour in zip(drawn.series, ("0B6E4F", "8FBFA9", "C9D1CD"), strict=False):
        series.graphicalProperties.line.solidFill = colour
        if chart.kind != "line":
            series.graphicalProperties.solidFill = colour
        else:
            series.smooth = False
    return drawn
