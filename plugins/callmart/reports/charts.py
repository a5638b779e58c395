"""The report's charts: rows → Vega-Lite (Altair) → SVG that a browser draws with its own fonts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

FONTS = (
    "Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, system-ui, Helvetica, sans-serif"
)
INK, MUTED, GRID = "#1d2724", "#5b6963", "#e6eae8"
CONNECTED, ANSWERED, NOT_ANSWERED = "#0b6e4f", "#8fbfa9", "#c9d1cd"
WIDTH, HEIGHT, ROW_HEIGHT = 400, 190, 19

Row = Mapping[str, Any]


def _svg(chart: Any, height: int = HEIGHT) -> str:
    """Render `chart`; the SVG's texts take the reader's fonts, so no font is needed here."""
    import vl_convert

    styled = (
        chart.properties(width=WIDTH, height=height, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED, titleColor=MUTED, gridColor=GRID, domainColor=GRID, tickColor=GRID,
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelLimit=160,
        )
        .configure_legend(
            labelColor=INK, labelFontSize=12, orient="top", title=None, symbolType="square"
        )
    )  # fmt: skip
    svg: str = vl_convert.vegalite_to_svg(styled.to_dict())
    return re.sub(r'font-family="[^"]*"', f'font-family="{FONTS}"', svg)


def hourly(rows: Sequence[Row], words: Mapping[str, Any]) -> str:
    """Attempts by hour, stacked by how far they got.

    rows: hour (0–23, business time), attempts, answered, connected.
    """
    import altair as alt

    names = words["charts"]
    parts = [names["connected"], names["answered"], names["not_answered"]]
    values = []
    for row in rows:
        counts = (
            row["connected"],
            row["answered"] - row["connected"],
            row["attempts"] - row["answered"],
        )
        values += [
            {"hour": row["hour"], "part": part, "order": order, "calls": count}
            for order, (part, count) in enumerate(zip(parts, counts, strict=True))
        ]
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar()
        .encode(
            x=alt.X("hour:O", title=names["hour"], axis=alt.Axis(labelAngle=0)),
            y=alt.Y("calls:Q", title=names["calls"]),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=parts, range=[CONNECTED, ANSWERED, NOT_ANSWERED]),
            ),
            order=alt.Order("order:Q"),
        )
    )
    return _svg(chart)


def bars(
    rows: Sequence[Row], category: str, value: str, title: str, colour: str = CONNECTED
) -> str:
    """Horizontal bars with their numbers, in the order of `rows`."""
    import altair as alt

    values = [{"category": row[category], "value": float(row[value] or 0)} for row in rows]
    height = max(HEIGHT, ROW_HEIGHT * len(values))
    order = [item["category"] for item in values]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("category:N", sort=order, title=None),
        x=alt.X("value:Q", title=title, axis=alt.Axis(tickMinStep=1, tickCount=6)),
    )
    text = base.mark_text(align="left", dx=4, color=INK, fontSize=12).encode(
        text=alt.Text("value:Q", format=",.4~g")
    )
    return _svg(
        base.mark_bar(color=colour, size=min(22, height / max(len(values), 1) * 0.8)) + text, height
    )
