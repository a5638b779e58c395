"""One recording as a picture: waves, spectrograms, what was heard, turns, emotion, on one time axis.

Altair lays it out and vl-convert renders it: both are there for the reports' charts. However long
the recording, the picture has a column a pixel: the lowest and highest sample of the wave, and the
mean power of a few frames of the spectrogram.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from callmart import fonts
from callmart.listening import wording
from callmart.listening.wording import Words

if TYPE_CHECKING:
    from ml.audio.decode import Recording
    from ml.inspection import Inspection

WIDTH = 1080
"""Width of the time axis in points; a picture's is this, the margins, times `SCALE`."""
MARGINS = {"left": 84, "right": 24, "top": 106, "bottom": 60}
SCALE = 1.5
"""Pixels a point."""

_WAVE_HEIGHT, _SPECTRUM_HEIGHT, _ROW_HEIGHT, _LABEL_HEIGHT = 64, 120, 24, 19
_COLUMNS = int(WIDTH * SCALE)
_WINDOW = 512  # 64 ms: tells 440 from 480 Hz
_FRAMES_A_COLUMN = 8  # more change nothing that one sees
_BLOCK = 64  # columns at a time: a long recording lies in a file, and is read by slices
_TOP_HZ = 4000
_SPACING = 10
_MOST_ROWS = 8
_RANGE_DB = 70.0  # below the loudest: deeper lies only a codec's rounding
_CHARACTER_WIDTH = 5.9  # of the labels' size, on average; a Chinese one is twice as wide


@dataclass(frozen=True)
class Theme:
    """Colours of a picture."""

    ground: str
    ink: str
    muted: str
    grid: str
    answered: str
    marks: Mapping[str, str]
    """By side, sort of evidence, and emotion."""
    powers: tuple[str, ...]
    """The spectrogram's colours from quiet to loud, evenly spaced."""


LIGHT = Theme(
    ground="#ffffff",
    ink="#1d2724",
    muted="#5b6963",
    grid="#e6eae8",
    answered="#0b6e4f",
    marks={
        "agent": "#2f6db3",
        "customer": "#0b8a63",
        "mixed": "#4f6d8f",
        "speech": "#8aa39a",
        "tone": "#b0489f",
        "music": "#c98a12",
        "beep": "#d1372c",
        "other": "#8a8f98",
        "angry": "#d1372c",
        "happy": "#e0a21b",
        "neutral": "#a9b3ae",
        "sad": "#3f6fb5",
    },
    powers=("#ffffff", "#e4ecf3", "#a9c6da", "#5b94b8", "#2a5f8c", "#1b3358", "#120d26"),
)
DARK = Theme(
    ground="#14181c",
    ink="#e8ecea",
    muted="#9aa6a0",
    grid="#2a3137",
    answered="#4fd1a1",
    marks={
        "agent": "#6fb1f5",
        "customer": "#52cf9f",
        "mixed": "#9db8d6",
        "speech": "#7c8f88",
        "tone": "#e07bd0",
        "music": "#f0b84a",
        "beep": "#ff6b5e",
        "other": "#9aa0aa",
        "angry": "#ff6b5e",
        "happy": "#f0b84a",
        "neutral": "#75807b",
        "sad": "#6fa0ea",
    },
    powers=("#14181c", "#241a3d", "#51206b", "#8f2a6c", "#d1495a", "#f58c46", "#fbe9a4"),
)


@dataclass(frozen=True)
class Picture:
    """A drawn recording."""

    png: bytes
    warnings: tuple[str, ...]
    """What this machine's fonts could not show, for a person."""


def load(path: Path, customer_path: Path | None, agent_channel: int) -> Recording:
    """The samples behind an inspection of the same arguments."""
    from ml.audio.decode import decode, merge

    if customer_path is not None:
        return merge(decode(path), decode(customer_path))
    recording = decode(path)
    if agent_channel == 1:
        return replace(recording, samples=recording.samples[::-1])
    return recording


def draw(
    found: Inspection, recording: Recording, name: str, language: str = "en", is_dark: bool = False
) -> Picture:
    """PNG of a recording and what was found in it. `name` is what a person knows it by."""
    import vl_convert

    warnings: list[str] = []
    font = fonts.chinese_font()
    if language == "zh" and font is None:
        warnings.append(f"no Chinese font here: pictures are labelled in English; {fonts.REMEDY}")
        language = "en"
    missing = {character for character in name if not fonts.can_show(character)}
    if missing:
        name = "".join("?" if character in missing else character for character in name)
        warnings.append(f"no font here has {''.join(sorted(missing))}: shown as ?; {fonts.REMEDY}")
    words = wording.load_words(language)
    spec = compose(found, recording, name, words, DARK if is_dark else LIGHT)
    if font is not None:
        spec["config"]["font"] = font
    # Vega-Lite would fit the size to what is drawn; ours is known, and the same for every call.
    vega = vl_convert.vegalite_to_vega(spec)
    heights = [panel["height"] for panel in spec["vconcat"]]
    vega["width"], vega["height"] = WIDTH, sum(heights) + spec["spacing"] * (len(heights) - 1)
    vega["autosize"] = "none"
    return Picture(vl_convert.vega_to_png(vega, scale=SCALE), tuple(warnings))


def compose(
    found: Inspection, recording: Recording, name: str, words: Words, theme: Theme = LIGHT
) -> dict[str, Any]:
    """The picture as a Vega-Lite document: what is drawn where, before any pixel."""
    import altair as alt

    known = {turn[0] for turn in found.turns} | set(found.emotions)
    sides = recording.sides + sorted(known - set(recording.sides))
    scene = _Scene(found, recording.duration_seconds, sides, words, theme)
    panels: list[Any] = []
    waves = [envelope(channel) for channel in recording.samples]
    peak = max(2e-3, *(float(np.abs(wave).max(initial=0.0)) for wave in waves))
    decibels = [spectrogram_db(channel) for channel in recording.samples]
    highest = max(float(values.max(initial=-120.0)) for values in decibels)
    highest = max(round(highest), -60)
    lowest = highest - _RANGE_DB
    for side, wave, powers in zip(recording.sides, waves, decibels, strict=True):
        panels.append(_wave(scene, side, wave, peak))
        panels.append(_spectrum(scene, side, powers, lowest, highest))
    panels.append(_heard(scene))
    if found.turns:
        panels.append(_turns(scene))
    if found.emotions:
        above = sum(panel.height + _SPACING for panel in panels)
        panels.append(_emotion(scene, above))
    panels[-1] = _with_time(panels[-1], scene)
    report = found.report
    facts = wording.facts(report, found.codec, words)
    tone = "decibels_dark" if theme is DARK else "decibels"
    scale = words["plot"][tone].format(low=f"−{-lowest:.0f}", high=f"−{-highest:.0f}")
    chart = (
        alt.vconcat(*panels, spacing=_SPACING, bounds="flush")
        .properties(
            title=alt.TitleParams(
                text=[_shortened(name, 100), wording.verdict(report, words)],
                subtitle=[" · ".join(facts), scale],
                anchor="start",
                fontSize=17,
                subtitleFontSize=12,
                subtitlePadding=6,
                offset=14,
                color=theme.ink,
                subtitleColor=theme.muted,
                lineHeight=22,
                subtitleLineHeight=17,
            ),
            background=theme.ground,
            padding=MARGINS,
        )
        .configure_view(stroke=theme.grid)
        .configure_axis(
            labelColor=theme.muted, titleColor=theme.muted, gridColor=theme.grid,
            domainColor=theme.grid, tickColor=theme.grid, labelFontSize=11, titleFontSize=11,
            titleFontWeight="normal", labelLimit=MARGINS["left"] - 8,
        )
    )  # fmt: skip
    document: dict[str, Any] = chart.to_dict()
    return document | {"datasets": scene.datasets}


def envelope(channel: NDArray[np.int16], columns: int = _COLUMNS) -> NDArray[np.float32]:
    """Lowest and highest sample of each column, full scale ±1; float32 (2, columns or fewer)."""
    count = min(columns, channel.size)
    edges = np.linspace(0, channel.size, count, endpoint=False).astype(np.intp)
    found = np.empty((2, count), dtype=np.float32)
    for first in range(0, count, _BLOCK):
        own = edges[first : first + _BLOCK]
        end = int(edges[first + _BLOCK]) if first + _BLOCK < count else channel.size
        piece = np.array(channel[int(own[0]) : end])
        found[0, first : first + own.size] = np.minimum.reduceat(piece, own - own[0])
        found[1, first : first + own.size] = np.maximum.reduceat(piece, own - own[0])
    found /= np.float32(32768)
    return found


def spectrogram_db(channel: NDArray[np.int16], columns: int = _COLUMNS) -> NDArray[np.float32]:
    """Mean power of each column's frames in dBFS, lowest frequency first; (bins, columns).

    Hann windows of 64 ms. A column is as long as the recording over `columns`; where it is longer
    than its frames, they are spread over it. Memory is bounded by blocks of columns.
    """
    import scipy.fft

    count = max(1, min(columns, channel.size // (_WINDOW // 16)))
    length = channel.size / count
    frames = int(np.clip(length // (_WINDOW // 4), 1, _FRAMES_A_COLUMN))
    window = np.hanning(_WINDOW).astype(np.float32)
    window /= np.float32(32768 * np.sum(window) / 2)  # a full-scale sine has power 1
    powers = np.empty((_WINDOW // 2 + 1, count), dtype=np.float32)
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    for first in range(0, count, _BLOCK):
        numbers = np.arange(first, min(first + _BLOCK, count))
        within = (np.arange(frames) + 0.5) / frames
        centres = ((numbers[:, None] + within) * length).astype(np.intp)
        places = centres[:, :, None] + offsets
        inside = (places >= 0) & (places < channel.size)
        begin = max(int(places[0, 0, 0]), 0)
        piece = np.array(channel[begin : int(places[-1, -1, -1]) + 1])
        pieces = piece[np.clip(places - begin, 0, piece.size - 1)] * inside
        spectrum = scipy.fft.rfft(pieces.astype(np.float32) * window, axis=-1)
        power = spectrum.real**2 + spectrum.imag**2
        powers[:, first : first + len(numbers)] = power.mean(axis=1).T
    decibels: NDArray[np.float32] = 10 * np.log10(powers + np.float32(1e-12))
    return decibels


@dataclass(frozen=True)
class _Scene:
    found: Inspection
    duration: float
    sides: list[str]
    """Those of the recording's channels, and any other that something is known of."""
    words: Words
    theme: Theme
    datasets: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def x(self) -> dict[str, Any]:
        return {"domain": [0, max(self.duration, 1e-3)], "nice": False}

    def data(self, values: Sequence[Mapping[str, Any]]) -> Any:
        """Rows to draw, kept by name: Altair would check each value of thousands."""
        import altair as alt

        name = f"rows-{len(self.datasets)}"
        self.datasets[name] = [dict(value) for value in values]
        return alt.NamedData(name=name)


def _x(scene: _Scene, field: str = "start") -> Any:
    import altair as alt

    return alt.X(f"{field}:Q", scale=alt.Scale(**scene.x), axis=None)


def _with_time(panel: Any, scene: _Scene) -> Any:
    """The panel with the time axis below it: an empty layer that carries the labels."""
    import altair as alt

    places = wording.ticks(scene.duration, 12)
    labels = {f"{place:g}": wording.tick_label(place, scene.duration) for place in places}
    unit = scene.words["plot"]["seconds" if scene.duration < 120 else "minutes"]
    axis = alt.Axis(
        values=places, title=unit, orient="bottom", grid=False,
        labelExpr=f"{_expression(labels)}[format(datum.value, '.12~g')]", labelFlush=False,
    )  # fmt: skip
    blank = (
        alt.Chart(scene.data([{"start": 0.0}]))
        .mark_point(opacity=0)
        .encode(x=alt.X("start:Q", scale=alt.Scale(**scene.x), axis=axis))
    )
    return (panel + blank).properties(width=WIDTH).resolve_axis(x="independent")


def _expression(labels: Mapping[str, str]) -> str:
    pairs = ", ".join(f"'{key}': '{value}'" for key, value in labels.items())
    return "{" + pairs + "}"


def _answered(scene: _Scene) -> list[Any]:
    """The line at which the call was answered, through a panel."""
    import altair as alt

    answered = scene.found.report["answered_at_seconds"]
    if answered is None:
        return []
    rule = alt.Chart(scene.data([{"start": answered}])).mark_rule(
        color=scene.theme.answered, strokeDash=[4, 3], strokeWidth=1.4
    )
    return [rule.encode(x=_x(scene))]


def _spans(scene: _Scene, side: str) -> list[dict[str, Any]]:
    """The evidence of a side with its colour; speech is drawn as turns, all of it."""
    spans = []
    for item in scene.found.report["evidence"]:
        sort = wording.sort_of(item["kind"])
        if sort != "speech" and wording.side_and_detail(item["detail"])[0] == side:
            spans.append(
                {
                    "start": item["start_seconds"],
                    "end": item["end_seconds"],
                    "colour": scene.theme.marks[sort],
                    "kind": item["kind"],
                }
            )
    return spans


def _wave(scene: _Scene, side: str, lowest_highest: NDArray[np.float32], peak: float) -> Any:
    import altair as alt

    low, high = lowest_highest
    times = np.linspace(0, scene.duration, low.size, endpoint=False)
    values = [
        {"start": round(float(t), 4), "low": round(float(a), 5), "high": round(float(b), 5)}
        for t, a, b in zip(times, low, high, strict=True)
    ]
    limit = peak * 1.05
    y_axis = alt.Axis(
        values=[0], labels=False, ticks=False, grid=True, title=scene.words["sides"][side],
        titleAngle=0, titleAlign="right", titleX=-10, titleY=_WAVE_HEIGHT / 2 + 4, titleFontSize=13,
        titleColor=scene.theme.marks[side], titleFontWeight="bold", titleLimit=MARGINS["left"] - 12,
    )  # fmt: skip
    wave = (
        alt.Chart(scene.data(values))
        .mark_area(color=scene.theme.marks[side], interpolate="linear", line=False)
        .encode(
            x=_x(scene),
            y=alt.Y("low:Q", scale=alt.Scale(domain=[-limit, limit]), axis=y_axis),
            y2="high:Q",
        )
    )
    tint = (
        alt.Chart(scene.data(_spans(scene, side)))
        .mark_rect(opacity=0.16)
        .encode(x=_x(scene), x2="end:Q", color=alt.Color("colour:N", scale=None))
    )
    return alt.layer(tint, wave, *_answered(scene)).properties(width=WIDTH, height=_WAVE_HEIGHT)


def _spectrum(
    scene: _Scene, side: str, decibels: NDArray[np.float32], lowest: float, highest: float
) -> Any:
    import altair as alt

    share = np.clip((decibels - lowest) / max(highest - lowest, 1.0), 0, 1)
    image = png(_coloured(share[::-1], scene.theme.powers))
    address = "data:image/png;base64," + base64.b64encode(image).decode()
    picture = (
        alt.Chart(scene.data([{"image": address}]))
        .mark_image(
            width=WIDTH, height=_SPECTRUM_HEIGHT, aspect=False, align="left", baseline="top"
        )
        .encode(x=alt.value(0), y=alt.value(0), url="image:N")
    )
    spans = [span | {"low": 0.06, "high": 3.94} for span in _spans(scene, side)]
    y_scale = alt.Scale(domain=[0, _TOP_HZ / 1000])
    frame = (
        alt.Chart(scene.data(spans))
        .mark_rect(filled=False, strokeWidth=1.6)
        .encode(
            x=_x(scene),
            x2="end:Q",
            y=alt.Y(
                "low:Q",
                scale=y_scale,
                axis=alt.Axis(
                    values=[0, 1, 2, 3, 4], grid=False, title=scene.words["plot"]["spectrogram"]
                ),
            ),
            y2="high:Q",
            stroke=alt.Stroke("colour:N", scale=None),
        )
    )
    return alt.layer(picture, frame, *_answered(scene)).properties(
        width=WIDTH, height=_SPECTRUM_HEIGHT
    )


def _heard(scene: _Scene) -> Any:
    """The evidence as bars, what is alike in one row, with its words where the first begins."""
    import altair as alt

    second = WIDTH / max(scene.duration, 1e-3)
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in scene.found.report["evidence"]:
        alike.setdefault((item["kind"], item["detail"]), []).append(item)
    rows: list[float] = []  # where each row is free again, in points
    bars = []
    for (kind, detail), items in alike.items():
        side, detail = wording.side_and_detail(detail)
        who = scene.words["sides"].get(side, "")
        count = f"{len(items)} ×" if len(items) > 1 else ""
        phrases = (count, wording.kind_word(kind, scene.words), who, detail)
        label = _shortened(" · ".join(filter(None, phrases)), 84)
        start, end = items[0]["start_seconds"] * second, items[-1]["end_seconds"] * second
        wide = _points(label)
        # Where the words would run over the edge they end at the bar instead of beginning there.
        is_before = start + wide > WIDTH and start >= wide
        left = start - wide if is_before else start
        row = next((i for i, free in enumerate(rows) if free <= left), len(rows))
        if row == len(rows) and row < _MOST_ROWS:
            rows.append(0.0)
        elif row == len(rows):  # no row is free and no more are made: bars without words
            row, label = _MOST_ROWS - 1, ""
        rows[row] = max(rows[row], end, left + wide) + 8
        sort = wording.sort_of(kind)
        bars += [
            {
                "start": item["start_seconds"],
                "end": max(item["end_seconds"], item["start_seconds"] + 2 / second),
                "at": start - 4 if is_before else start + 3,
                "is_before": is_before,
                "top": row * _LABEL_HEIGHT + 2,
                "bottom": (row + 1) * _LABEL_HEIGHT - 2,
                "middle": (row + 0.5) * _LABEL_HEIGHT,
                "colour": scene.theme.marks.get(side if sort == "speech" else sort),
                "label": label if item is items[0] else "",
                "kind": kind,
            }
            for item in items
        ]
    height = max(1, len(rows)) * _LABEL_HEIGHT
    data = alt.Chart(scene.data(bars))
    title = alt.Axis(
        title=scene.words["plot"]["heard"], titleAngle=0, titleAlign="right", titleX=-10,
        titleY=height / 2 + 4, labels=False, ticks=False, grid=False, titleFontSize=12,
    )  # fmt: skip
    bar = data.mark_rect(opacity=0.45, cornerRadius=2).encode(
        x=_x(scene),
        x2="end:Q",
        y=alt.Y("top:Q", scale=alt.Scale(domain=[0, height], reverse=True), axis=title),
        y2="bottom:Q",
        color=alt.Color("colour:N", scale=None),
    )
    texts = [
        data.transform_filter(alt.datum.is_before == is_before)
        .mark_text(
            align="right" if is_before else "left",
            baseline="middle",
            fontSize=11,
            color=scene.theme.ink,
        )
        .encode(
            x=alt.X("at:Q", scale=None, axis=None),
            y=alt.Y("middle:Q", scale=alt.Scale(domain=[0, height], reverse=True)),
            text="label:N",
        )
        for is_before in (False, True)
    ]
    layers = alt.layer(bar, *_answered(scene), *texts).resolve_scale(x="independent")
    return layers.properties(width=WIDTH, height=height)


def _lanes(scene: _Scene, title: str) -> tuple[Any, int]:
    """A lane a side and the panel's height; one lane alone is labelled with what it shows."""
    import altair as alt

    names = [_lane(scene, side, title) for side in scene.sides]
    axis = alt.Axis(
        title=title if len(names) > 1 else None, titleX=20 - MARGINS["left"], ticks=False,
        domain=False, labelFontSize=12, labelPadding=8,
    )  # fmt: skip
    scale = alt.Scale(domain=names, paddingInner=0.2)
    return alt.Y("side:N", scale=scale, axis=axis), _ROW_HEIGHT * len(names)


def _lane(scene: _Scene, side: str, title: str) -> str:
    name: str = scene.words["sides"][side] if len(scene.sides) > 1 else title
    return name


def _turns(scene: _Scene) -> Any:
    import altair as alt

    title = scene.words["plot"]["turns"]
    y, height = _lanes(scene, title)
    values = [
        {
            "side": _lane(scene, side, title),
            "start": start,
            "end": end,
            "colour": scene.theme.marks[side],
        }
        for side, start, end in scene.found.turns
    ]
    bars = (
        alt.Chart(scene.data(values))
        .mark_rect(cornerRadius=2)
        .encode(x=_x(scene), x2="end:Q", y=y, color=alt.Color("colour:N", scale=None))
    )
    return alt.layer(bars, *_answered(scene)).properties(width=WIDTH, height=height)


def _emotion(scene: _Scene, above: float) -> Any:
    import altair as alt

    names = scene.words["emotion"]["labels"]
    title = scene.words["plot"]["emotion"]
    y, height = _lanes(scene, title)
    values = []
    for side, judged in scene.found.emotions.items():
        for segment in judged.segments:
            share = segment.probabilities[segment.label]
            words = f"{names[segment.label]} {100 * share:.0f}"
            points = (segment.end_seconds - segment.start_seconds) / max(scene.duration, 1e-3)
            fits = points * WIDTH >= _points(words)
            values.append(
                {
                    "side": _lane(scene, side, title),
                    "start": segment.start_seconds,
                    "end": segment.end_seconds,
                    "middle": (segment.start_seconds + segment.end_seconds) / 2,
                    "emotion": names[segment.label],
                    "colour": _blended(scene.theme, segment.label, share),
                    "label": words if fits else "",
                }
            )
    data = alt.Chart(scene.data(values))
    bars = data.mark_rect(cornerRadius=2).encode(
        x=_x(scene), x2="end:Q", y=y, color=alt.Color("colour:N", scale=None)
    )
    labels = data.mark_text(fontSize=11, color=scene.theme.ink).encode(
        x=_x(scene, "middle"), y=y, text="label:N"
    )
    legend = alt.Legend(
        orient="none", legendX=0, legendY=above + height + 42, direction="horizontal", title=None,
        labelColor=scene.theme.muted, labelFontSize=11, symbolType="square", symbolSize=110,
        symbolStrokeWidth=0, symbolOpacity=1,
    )  # fmt: skip
    scale = alt.Scale(
        domain=list(names.values()), range=[scene.theme.marks[label] for label in names]
    )
    # Marks of no size carry the legend: the bars' own colours are dimmed by how sure each is.
    key = data.mark_square(size=0, opacity=1).encode(
        x=_x(scene), y=y, fill=alt.Fill("emotion:N", scale=scale, legend=legend)
    )
    layers = alt.layer(key, bars, *_answered(scene), labels)
    return layers.properties(width=WIDTH, height=height)


def _blended(theme: Theme, label: str, share: float) -> str:
    """An emotion's colour, the nearer to the ground the less sure it is."""
    weight = 0.35 + 0.65 * float(np.clip((share - 0.25) / 0.75, 0, 1))
    ground, colour = (_rgb(value) for value in (theme.ground, theme.marks[label]))
    mixed = [round(g + (c - g) * weight) for g, c in zip(ground, colour, strict=True)]
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _rgb(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def _points(text: str) -> float:
    from rich.cells import cell_len

    return cell_len(text) * _CHARACTER_WIDTH + 6


def _shortened(text: str, columns: int) -> str:
    """`text` with its middle left out where it is wider than `columns` Latin characters."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= columns:
        return text
    half = (columns - 1) // 2
    tail = text
    while cell_len(tail) > half:
        tail = tail[1:]
    return set_cell_size(text, half).rstrip() + "…" + tail


@cache
def _ramp(colours: tuple[str, ...]) -> NDArray[np.uint8]:
    """256 steps along the colours, (256, 3)."""
    stops = np.array([_rgb(colour) for colour in colours], float)
    places = np.linspace(0, len(stops) - 1, 256)
    rows = [np.interp(places, np.arange(len(stops)), stops[:, i]) for i in range(3)]
    return np.stack(rows, axis=1).round().astype(np.uint8)


def _coloured(share: NDArray[np.float32], colours: tuple[str, ...]) -> NDArray[np.uint8]:
    ramp = _ramp(colours)
    return ramp[(share * 255).astype(np.uint8)]


def png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of an image, uint8 (rows, columns, 3), by the encoder in PyAV's FFmpeg."""
    import av
    from av.video.codeccontext import VideoCodecContext

    encoder = av.CodecContext.create("png", "w")
    if not isinstance(encoder, VideoCodecContext):
        raise RuntimeError("this FFmpeg has no PNG encoder")
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
