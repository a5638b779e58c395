"""From a document to a page, a mail and its text part, and a PDF.

Everything a reader sees comes from the document, words from `locales/`, the shape from one template.
Values are written here and escaped by the template, so a name from the CRM cannot become markup.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callmart.reports import charts
from callmart.reports.document import NUMERIC, Document, Figure, Link, Table, write

HERE = Path(__file__).parent
_FIRST_CHINESE = "\u2e80"
"""From this character on, a font with Chinese is needed."""


class NoPdfError(Exception):
    """This machine cannot make a PDF that is right; `str()` says why and what helps."""


@dataclass(frozen=True)
class Rendered:
    """One report: the page for the bucket, the mail's HTML and text, and its subject."""

    page: str
    mail_html: str
    mail_text: str
    subject: str


def _figures(document: Document, figures: tuple[Figure, ...]) -> list[dict[str, Any]]:
    return [
        {
            "label": figure.label,
            "hint": figure.definition,
            "value": figure.text,
            "n": None if figure.n is None else f"{figure.n:,}",
            "comparisons": [
                {"label": each.label, "text": each.text, "tone": each.tone}
                for each in figure.comparisons
            ],
        }
        for figure in figures
    ]


def _table(document: Document, table: Table) -> dict[str, Any]:
    columns = [
        {"label": column.label, "kind": "number" if column.form in NUMERIC else column.form}
        for column in table.columns
    ]
    rows = []
    for row in table.rows:
        cells = []
        for column, shown in zip(table.columns, columns, strict=True):
            value = row.get(column.name)
            cells.append(
                {
                    "text": write(value, column.form, document.words, document.zone),
                    "url": value.url if isinstance(value, Link) else "",
                    **shown,
                }
            )
        rows.append(cells)
    more = document.words["more"].format(n=f"{table.more:,}") if table.more else ""
    return {"title": table.title, "columns": columns, "rows": rows, "more": more}


def _charts(document: Document, section: Any) -> list[dict[str, Any]]:
    return [
        {
            "title": chart.title,
            "svg": charts.svg(chart),
            "category": chart.category,
            "series": [name for name, _ in chart.series],
            "rows": [
                [
                    category,
                    *(
                        write(numbers[place], chart.form, document.words, document.zone)
                        for _, numbers in chart.series
                    ),
                ]
                for place, category in enumerate(chart.categories)
            ],
        }
        for chart in section.charts
        if chart.categories
    ]


def render(document: Document, page_place: str | None) -> Rendered:
    """The page with charts, and the mail without them that says where the page lies."""
    import css_inline
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    shared: Mapping[str, Any] = {
        "words": document.words,
        "title": document.title,
        "period": document.period,
        "subtitle": document.subtitle,
        "figures": _figures(document, document.figures),
        "footer": document.footer,
        "definitions": document.definitions(),
    }
    sections = [
        {
            "title": section.title,
            "sentences": section.sentences,
            "figures": _figures(document, section.figures),
            "charts": _charts(document, section),
            "tables": [_table(document, table) for table in section.tables],
        }
        for section in document.sections
    ]
    page = template.render(sections=sections, page_place=None, **shared)
    plain = [{**section, "charts": []} for section in sections]
    mail_html = css_inline.inline(template.render(sections=plain, page_place=page_place, **shared))
    return Rendered(page, mail_html, _mail_text(document, page_place), document.subject)


def _mail_text(document: Document, page_place: str | None) -> str:
    lines = [document.words["text_part"].format(period=document.period), ""]
    for figure in document.figures:
        changes = [f"{each.text} {each.label}" for each in figure.comparisons]
        n = f" ({document.words['n'].format(n=f'{figure.n:,}')})" if figure.n is not None else ""
        lines.append(f"{figure.label}: {figure.text}{n} {'; '.join(changes)}".rstrip())
    for section in document.sections:
        if section.sentences:
            lines += ["", section.title, *section.sentences]
    lines += ["", *document.footer]
    if page_place:
        lines += ["", document.words["in_bucket"].format(place=page_place)]
    return "\n".join(lines) + "\n"


def to_pdf(page: str) -> bytes:
    """The page as a PDF: A4, page numbers `n / N`, fonts embedded.

    Raises NoPdfError where Pango is missing, or a font for the Chinese that the page holds: boxes
    instead of words would be worse than no file.
    """
    from callmart import fonts

    if any(character >= _FIRST_CHINESE for character in page) and not fonts.chinese_font():
        raise NoPdfError(f"no PDF: no font here has Chinese; {fonts.REMEDY}")
    try:
        # Untyped; imported by name, so that the rest stays checked.
        weasyprint = importlib.import_module("weasyprint")
    except OSError as error:
        raise NoPdfError(
            "no PDF: WeasyPrint needs Pango (apt install libpango-1.0-0 libpangoft2-1.0-0;"
            f" brew install pango): {error}"
        ) from error
    written: bytes = weasyprint.HTML(string=page).write_pdf()
    return written
