"""The report's charts: series → Vega-Lite (Altair) → SVG that a browser draws with its own fonts.

Every bar and point carries its numbers as a title, which browsers show on hover and readers speak.
"""

from __future__ import annotations

import re
from typing import Any

from callmart.reports.document import Chart

FONTS = (
    "Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, system-ui, Helvetica, sans-serif"
)
INK, MUTED, GRID = "#1d2724", "#5b6963", "#e6eae8"
CONNECTED, ANSWERED, NOT_ANSWERED = "#0b6e4f", "#8fbfa9", "#c9d1cd"
WIDTH, HEIGHT, ROW_HEIGHT = 400, 190, 19
COLOURS = (CONNECTED, ANSWERED, NOT_ANSWERED)
_FORMATS = {"ratio": ".1%", "count": ",.0f", "number": ",.1f"}
_MARK = re.compile(r'<path aria-label="([^"]*)"([^>]*?)/>')


def svg(chart: Chart) -> str:
    """The chart as SVG; categories keep their order, a missing value leaves a gap."""
    import altair as alt
    import vl_convert

    names = [name for name, _ in chart.series]
    values = [
        {"category": category, "part": name, "order": order, "value": numbers[place]}
        for place, category in enumerate(chart.categories)
        for order, (name, numbers) in enumerate(chart.series)
    ]
    form = _FORMATS.get(chart.form, ",.1f")
    height = HEIGHT
    along = alt.X("category:N", title=chart.category, sort=None, axis=alt.Axis(labelAngle=0))
    amount = alt.Axis(format="%" if chart.form == "ratio" else "~s", tickCount=5)
    data = alt.InlineData(values=values)
    described: Any = [
        alt.Tooltip("category:N", title=chart.category),
        alt.Tooltip("value:Q", title=chart.unit, format=form),
    ]
    drawn: Any
    if chart.kind == "bars":
        # Long names are shortened at labelLimit; rows keep a height at which they can be read.
        height = max(HEIGHT, ROW_HEIGHT * len(chart.categories))
        base = alt.Chart(data).encode(
            y=alt.Y("category:N", sort=list(chart.categories), title=None),
            x=alt.X("value:Q", title=chart.unit, axis=amount),
            tooltip=described,
        )
        size = min(22, height / max(len(chart.categories), 1) * 0.8)
        drawn = base.mark_bar(color=CONNECTED, size=size) + base.mark_text(
            align="left", dx=4, color=INK, fontSize=12
        ).encode(text=alt.Text("value:Q", format=form))
    elif chart.kind == "line":
        base = alt.Chart(data).encode(
            x=along, y=alt.Y("value:Q", title=chart.unit, axis=amount), tooltip=described
        )
        drawn = base.mark_line(color=CONNECTED) + base.mark_point(
            color=CONNECTED, filled=True, size=50, opacity=1
        )
    else:
        colours = alt.Color(
            "part:N",
            scale=alt.Scale(domain=names, range=list(COLOURS[: len(names)])),
            legend=alt.Legend() if len(names) > 1 else None,
        )
        drawn = (
            alt.Chart(data)
            .mark_bar()
            .encode(
                x=along,
                y=alt.Y("value:Q", title=chart.unit, axis=amount),
                color=colours,
                order=alt.Order("order:Q"),
                tooltip=described,
            )
        )
    styled = (
        # Room at the sides: a reader's font may be wider than the one the labels were measured in.
        drawn.properties(
            width=WIDTH, height=height, background="transparent",
            padding={"left": 14, "right": 12, "top": 5, "bottom": 5},
        )
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED, titleColor=MUTED, gridColor=GRID, domainColor=GRID, tickColor=GRID,
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelLimit=160,
            labelOverlap=True,
        )
        .configure_legend(
            labelColor=INK, labelFontSize=12, orient="top", title=None, symbolType="square"
        )
    )  # fmt: skip
    drawing: str = vl_convert.vegalite_to_svg(styled.to_dict())
    drawing = re.sub(r'font-family="[^"]*"', f'font-family="{FONTS}"', drawing)
    return _MARK.sub(_titled, drawing)


def _titled(mark: re.Match[str]) -> str:
    """A mark whose description is also a title, which a browser shows on hover."""
    # It also holds our own fields: those go, but for the part of a stack.
    words = re.sub(r"; part: ([^;]*); order: .*$", r"; \1", mark[1])
    words = re.sub(r"(?:category|value): [^;]*; ", "", words)
    return f'<path aria-label="{words}"{mark[2]}><title>{words}</title></path>'
